"""The contract of the API: what a running client relies on in schema `api`, and whether a difference breaks it.

The rules are in `_view`, `_function`, `_type` and `widens`; docs/migrations/plan.md says them in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg

SCHEMA = "api"
# A client that reads the first can read the second, and what it sends for the first is taken by the second.
_WIDER = (
    ("smallint", "integer"), ("smallint", "bigint"), ("smallint", "numeric"), ("integer", "bigint"),
    ("integer", "numeric"), ("bigint", "numeric"), ("real", "double precision"), ("character varying", "text"),
    ("character", "text"), ("json", "jsonb"), ("jsonb", "json"),
)  # fmt: skip

_VIEWS = """
  select c.relname, pg_relation_is_updatable(c.oid, true),
         array(select x.privilege_type from aclexplode(c.relacl) x where x.grantee <> c.relowner
               union select x.privilege_type from pg_attribute g, aclexplode(g.attacl) x
                      where g.attrelid = c.oid and x.grantee <> c.relowner),
         jsonb_object_agg(a.attname, jsonb_build_object(
           'type', format_type(a.atttypid, a.atttypmod), 'written', pg_column_is_updatable(c.oid, a.attnum, true))),
         (select coalesce(jsonb_agg(b.attrelid::regclass::text || '.' || b.attname order by 1), '[]')
            from pg_attribute b
           where b.attnotnull and not b.atthasdef and b.attidentity = '' and b.attnum > 0 and not b.attisdropped
             and (pg_relation_is_updatable(c.oid, false) & 8) <> 0
             and b.attrelid in (select d.refobjid from pg_rewrite r join pg_depend d on d.objid = r.oid
                                 where r.ev_class = c.oid and d.classid = 'pg_rewrite'::regclass
                                   and d.refclassid = 'pg_class'::regclass and d.refobjid <> c.oid))
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
   where c.relnamespace = to_regnamespace('api') and c.relkind in ('v', 'm', 'r', 'p', 'f')
   group by c.oid, c.relname
"""
_FUNCTIONS = """
  select p.proname, p.provolatile, p.proretset, pg_get_function_result(p.oid), p.pronargs, p.pronargdefaults,
         (select array_agg(format_type(t, null) order by n) from unnest(p.proargtypes) with ordinality as x (t, n)),
         p.proargnames, p.proargmodes
    from pg_proc p
   where p.pronamespace = to_regnamespace('api') and p.prorettype <> 'trigger'::regtype
"""
_TYPES = """
  select t.typname, case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod)
         when t.typtype = 'e' then array(select e.enumlabel from pg_enum e where e.enumtypid = t.oid
                                          order by e.enumsortorder)::text
         else array(select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) from pg_attribute a
                     where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped order by a.attnum)::text end
    from pg_type t
   where t.typnamespace = to_regnamespace('api')
     and (t.typtype in ('d', 'e') or exists (select from pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
"""


@dataclass(frozen=True)
class Change:
    """A difference: `what` names the object, `breaking` says whether a client that runs now can fail."""

    what: str
    message: str
    breaking: bool


def read(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """Return the contract of a database: views, functions and types of `api`.

    A view can be written to if PostgreSQL lets it and some role is granted it.
    """
    views = {
        name: {
            "insert": bool(bits & 8) and "INSERT" in granted, "update": bool(bits & 4) and "UPDATE" in granted,
            "delete": bool(bits & 16) and "DELETE" in granted, "columns": columns, "required": required,
        }
        for name, bits, granted, columns, required in connection.execute(_VIEWS)
    }  # fmt: skip
    functions = {}
    for name, volatility, is_set, result, count, defaults, types, names, modes in connection.execute(_FUNCTIONS):
        if modes is None:
            inputs = list(names or [""] * count)[:count]
        else:
            inputs = [n for n, mode in zip(names or [""] * len(modes), modes, strict=True) if mode in "ibv"]
        arguments = {
            argument or f"${place}": {"type": kind, "optional": place > count - defaults}
            for place, (argument, kind) in enumerate(zip(inputs, types or [], strict=True), start=1)
        }
        functions[name] = {
            "arguments": arguments, "returns": result, "set": is_set, "reads": volatility in ("s", "i"),
        }  # fmt: skip
    return {"views": views, "functions": functions, "types": dict(connection.execute(_TYPES).fetchall())}


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Return what changed, breaking changes first."""
    found: list[Change] = []
    for part, compare in (("views", _view), ("functions", _function), ("types", _type)):
        word = part.removesuffix("s")
        for name in sorted(before[part].keys() | after[part].keys()):
            what = f"{word} {SCHEMA}.{name}"
            if name not in after[part]:
                found.append(Change(what, "is gone: requests for it answer 404", breaking=True))
            elif name not in before[part]:
                found.append(Change(what, "is new", breaking=False))
            else:
                found += compare(what, before[part][name], after[part][name])
    return sorted(found, key=lambda change: not change.breaking)


def widens(old: str, new: str) -> bool:
    """Say whether a client cannot tell the new type from the old one, or gets along with it."""
    bare = tuple(re.sub(r"\([^)]*\)", "", kind).strip() for kind in (old, new))
    if bare[0] == bare[1] and bare[0] in ("numeric", "character varying"):
        return "(" not in new or _limit(new) >= _limit(old) > 0
    return bare in _WIDER and ("(" not in new or bare[1] != "numeric")


def _limit(kind: str) -> int:
    match = re.search(r"\((\d+)", kind)
    return int(match[1]) if match else 0


def _view(what: str, old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    found = []
    for name in sorted(old["columns"].keys() | new["columns"].keys()):
        was, now = old["columns"].get(name), new["columns"].get(name)
        column = f"column {name}"
        if now is None:
            found.append(Change(what, f"{column} is gone: who selects, filters or writes it gets 400", breaking=True))
        elif was is None:
            found.append(Change(what, f"{column} ({now['type']}) is new", breaking=False))
        else:
            if was["type"] != now["type"]:
                wider = widens(was["type"], now["type"])
                found.append(Change(what, f"{column}: {was['type']} becomes {now['type']}", breaking=not wider))
            if was["written"] and not now["written"]:
                found.append(Change(what, f"{column} cannot be written any more", breaking=True))
    for word, verb in (("insert", "POST"), ("update", "PATCH"), ("delete", "DELETE")):
        if old[word] and not new[word]:
            found.append(Change(what, f"{verb} is not possible any more", breaking=True))
    if old["insert"]:
        for column in sorted(set(new["required"]) - set(old["required"])):
            message = f"{column} is required and has no default: a POST that does not send it fails"
            found.append(Change(what, message, breaking=True))
    return found


def _function(what: str, old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    found = []
    for name in sorted(old["arguments"].keys() | new["arguments"].keys()):
        was, now = old["arguments"].get(name), new["arguments"].get(name)
        argument = f"argument {name}"
        if now is None:
            found.append(Change(what, f"{argument} is gone: who sends it gets 404", breaking=True))
        elif was is None:
            message = f"{argument} ({now['type']}) is new" + ("" if now["optional"] else " and required")
            found.append(Change(what, message, breaking=not now["optional"]))
        else:
            if was["type"] != now["type"]:
                wider = widens(was["type"], now["type"])
                found.append(Change(what, f"{argument}: {was['type']} becomes {now['type']}", breaking=not wider))
            if was["optional"] and not now["optional"]:
                found.append(Change(what, f"{argument} has no default any more", breaking=True))
    if old["returns"] != new["returns"] or old["set"] != new["set"]:
        wider = old["set"] == new["set"] and widens(old["returns"], new["returns"])
        found.append(Change(what, f"it gives {new['returns']} instead of {old['returns']}", breaking=not wider))
    if old["reads"] and not new["reads"]:
        found.append(Change(what, "it may write now, so a GET of it answers 405", breaking=True))
    return found


def _type(what: str, old: str, new: str) -> list[Change]:
    return [] if old == new else [Change(what, f"{old} becomes {new}", breaking=not widens(old, new))]
