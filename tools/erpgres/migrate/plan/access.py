"""Who may do what, as the catalog has it: policies, grants, functions with their owner's rights, roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

_OURS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
_POLICIES = f"""
  select c.oid::regclass::text, p.polname,
         concat_ws(' ', case when p.polpermissive then 'permissive' else 'restrictive' end, p.polcmd,
                   array(select coalesce(pg_get_userbyid(nullif(r, 0)), 'public') from unnest(p.polroles) r
                          order by 1)::text),
         coalesce(pg_get_expr(p.polqual, p.polrelid), ''), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
    from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
   where {_OURS}
"""
_TABLES = f"""
  select c.oid::regclass::text, c.relrowsecurity, c.relforcerowsecurity
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and not c.relispartition and {_OURS}
"""
_GRANTS = f"""
  select 'schema ' || n.nspname, coalesce(pg_get_userbyid(nullif(x.grantee, 0)), 'public'), x.privilege_type
    from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x
   where x.grantee <> n.nspowner and {_OURS}
  union all
  select case c.relkind when 'S' then 'sequence ' when 'v' then 'view ' else 'table ' end || c.oid::regclass::text,
         coalesce(pg_get_userbyid(nullif(x.grantee, 0)), 'public'), x.privilege_type
    from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) x
   where x.grantee <> c.relowner and {_OURS}
  union all
  select case c.relkind when 'v' then 'view ' else 'table ' end || c.oid::regclass::text,
         coalesce(pg_get_userbyid(nullif(x.grantee, 0)), 'public'), x.privilege_type || ' (' || a.attname || ')'
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid,
         aclexplode(a.attacl) x
   where a.attacl is not null and not a.attisdropped and {_OURS}
  union all
  select 'function ' || p.oid::regprocedure::text, coalesce(pg_get_userbyid(nullif(x.grantee, 0)), 'public'),
         x.privilege_type
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
         aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
   where x.grantee <> p.proowner and {_OURS}
     and not exists (select from pg_depend d
                      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
"""
_FUNCTIONS = f"""
  select p.oid::regprocedure::text, p.prosecdef, pg_get_userbyid(p.proowner), p.proconfig::text, md5(p.prosrc),
         p.prorettype = 'trigger'::regtype
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {_OURS}
"""
_VIEWS = f"""
  select c.oid::regclass::text, coalesce(c.reloptions @> '{{security_invoker=true}}', false)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'v' and {_OURS}
"""
_ROLES = """
  select rolname, concat_ws(' ', case when rolsuper then 'superuser' end, case when rolbypassrls then 'bypassrls' end,
         case when rolcreaterole then 'createrole' end, case when rolcreatedb then 'createdb' end,
         case when rolreplication then 'replication' end, case when rolcanlogin then 'login' end)
    from pg_roles where rolname !~ '^pg_'
"""
_MEMBERS = (
    "select pg_get_userbyid(roleid), pg_get_userbyid(member) from pg_auth_members"
    " where pg_get_userbyid(member) !~ '^pg_'"
)


@dataclass(frozen=True)
class Change:
    """A difference in access: `effect` is widened, narrowed, changed (nobody can tell),
    or new (on an object that was not there before)."""

    what: str
    message: str
    effect: str


def read(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """Return all that decides on access in a database."""
    connection.execute("select set_config('search_path', 'pg_catalog', false)")
    return {
        "policies": {(row[0], row[1]): row[2:] for row in connection.execute(_POLICIES)},
        "tables": {row[0]: row[1:] for row in connection.execute(_TABLES)},
        "grants": {tuple(row) for row in connection.execute(_GRANTS)},
        "functions": {row[0]: row[1:] for row in connection.execute(_FUNCTIONS)},
        "views": dict(connection.execute(_VIEWS).fetchall()),
        "roles": dict(connection.execute(_ROLES).fetchall()),
        "members": {tuple(row) for row in connection.execute(_MEMBERS)},
    }


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Return what changed, what gives more than before first."""
    found = [*_policies(before, after), *_grants(before, after), *_functions(before, after), *_roles(before, after)]
    for table, (enabled, forced) in before["tables"].items():
        if table in after["tables"]:
            now = after["tables"][table]
            if (enabled, forced) != now:
                lost = (enabled and not now[0]) or (forced and not now[1])
                words = "row-level security is " + ("enabled" if now[0] else "off") + (", forced" if now[1] else "")
                found.append(Change(f"table {table}", words, "widened" if lost else "narrowed"))
    for view, invoker in after["views"].items():
        if view in before["views"] and before["views"][view] != invoker:
            words = "runs with the rights of " + ("the caller" if invoker else "its owner")
            found.append(Change(f"view {view}", words, "narrowed" if invoker else "widened"))
        elif view not in before["views"] and not invoker and view.startswith("api."):
            found.append(Change(f"view {view}", "is new and runs with the rights of its owner", "widened"))
    order = {"widened": 0, "narrowed": 1, "changed": 2, "new": 3}
    return sorted(found, key=lambda change: (order[change.effect], change.what))


def _policies(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    found = []
    for key in sorted(before["policies"].keys() | after["policies"].keys()):
        table, name = key
        if table not in after["tables"]:
            continue
        was, now = before["policies"].get(key), after["policies"].get(key)
        what = f"table {table}"
        if was is None and now is not None:
            effect = "new" if table not in before["tables"] else "widened"
            if now[0].startswith("restrictive"):
                effect = "narrowed"
            found.append(Change(what, f"policy {name} is new: {_says(now)}", effect))
        elif now is None and was is not None:
            effect = "widened" if was[0].startswith("restrictive") else "narrowed"
            found.append(Change(what, f"policy {name} is gone", effect))
        elif was is not None and now is not None and was != now:
            message = f"policy {name} says {_says(now)}; it said {_says(was)}"
            found.append(Change(what, message, "widened"))  # which of two conditions lets more through nobody can tell
    return found


def _says(policy: tuple[str, ...]) -> str:
    using, check = (f" {word} ({text})" if text else "" for word, text in (("using", policy[1]), ("check", policy[2])))
    return f"{policy[0]}{using}{check}"


def _names(side: dict[str, Any]) -> set[str]:
    return {
        *(f"table {name}" for name in side["tables"]), *(f"view {name}" for name in side["views"]),
        *(f"function {name}" for name in side["functions"]),
        *(grant[0] for grant in side["grants"] if grant[0].startswith(("schema ", "sequence "))),
    }  # fmt: skip


def _grants(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    known, there = _names(before), _names(after)
    given: dict[tuple[str, str], list[str]] = {}
    taken: dict[tuple[str, str], list[str]] = {}
    for name, grantee, privilege in sorted(after["grants"] - before["grants"]):
        given.setdefault((name, grantee), []).append(privilege)
    for name, grantee, privilege in sorted(before["grants"] - after["grants"]):
        if name in there:
            taken.setdefault((name, grantee), []).append(privilege)
    found = []
    for (name, grantee), privileges in given.items():
        open_to_all = grantee in ("public", "anon")
        effect = "widened" if name in known or open_to_all else "new"
        found.append(Change(name, f"{grantee} may {', '.join(privileges)}", effect))
    for (name, grantee), privileges in taken.items():
        found.append(Change(name, f"{grantee} may not {', '.join(privileges)} any more", "narrowed"))
    return found


def _functions(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    found = []
    for name, (definer, owner, config, body, is_trigger) in sorted(after["functions"].items()):
        was = before["functions"].get(name)
        what = f"function {name}"
        if was is None:
            if definer:
                effect = "new" if is_trigger else "widened"  # a trigger function cannot be called
                found.append(Change(what, f"is new and runs with the rights of {owner}", effect))
        elif definer and not was[0]:
            found.append(Change(what, f"runs with the rights of {owner} from now on", "widened"))
        elif was[0] and not definer:
            found.append(Change(what, "runs with the rights of the caller from now on", "narrowed"))
        elif definer and (was[1], was[2]) != (owner, config):
            found.append(Change(what, f"runs as {owner} with {config}; it was {was[1]} with {was[2]}", "widened"))
        elif definer and was[3] != body:
            found.append(Change(what, f"has another body, and runs with the rights of {owner}", "changed"))
    return found


def _roles(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    found = []
    for role, rights in sorted(after["roles"].items()):
        was = before["roles"].get(role)
        if was is None:
            found.append(Change(f"role {role}", f"is new {rights}".strip(), "widened" if rights else "new"))
        elif was != rights:
            more = set(rights.split()) - set(was.split())
            found.append(Change(f"role {role}", f"is {rights}; it was {was}", "widened" if more else "narrowed"))
    for role in sorted(before["roles"].keys() - after["roles"].keys()):
        found.append(Change(f"role {role}", "is gone", "narrowed"))
    for role, member in sorted(after["members"] - before["members"]):
        found.append(Change(f"role {member}", f"is a member of {role}", "widened"))
    for role, member in sorted(before["members"] - after["members"]):
        found.append(Change(f"role {member}", f"is no member of {role} any more", "narrowed"))
    return found
