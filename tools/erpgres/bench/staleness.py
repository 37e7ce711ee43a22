"""Whether a tag keeps its word: an answer with the same tag as an earlier one shows the same as that one did.

A history is a few steps of sessions that write at the same time: they begin, change rows of many tables, set
savepoints and go back to them, commit in any order or roll back; rights are given and taken, days pass, notes are
pruned. After each step readers of several kinds and organisations ask as PostgREST does, and get a tag and a body. The
body is compared with the one that had the same tag before.

The rows are those of `erpgres prove`: two organisations with users of each kind and rows in every view. Which tables
are changed is not listed here: those that a view stands on, as the catalog tells, each in a way that its constraints
allow.

`bug` breaks the tags on purpose, to show that the check finds something: `newest` takes the newest transaction for all
that is visible, `rights` forgets that rights decide what is shown, `day` that some rows change with the day.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from erpgres import database
from erpgres.errors import CannotRun
from erpgres.prove.principals import Principal

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

BUGS = ("newest", "rights", "day")
WRITERS = 3
REMEMBERED = 100  # tags of a reader and a view
EMBEDDED = {"partners": ("contacts", "addresses"), "items": ("item_barcodes",)}

# Days pass when this says so, for all sessions at once and whatever transactions do, as real ones.
HELPERS = """
create schema if not exists prove;
grant usage on schema prove to public;
create sequence prove.day;
grant select on prove.day to public;

create function prove.ask(role text, claims text, path text, query text) returns void language plpgsql as $$
begin
  perform set_config('role', ask.role, true), set_config('request.jwt.claims', ask.claims, true),
    set_config('request.method', 'GET', true), set_config('request.path', ask.path, true),
    set_config('request.headers', json_build_object('x-query-string', ask.query)::text, true);
  perform core.pre_request();
end
$$;
"""

# What a column can be changed to, by type; a check or a trigger may refuse it.
OTHER_VALUE = {
    "text": "case when {c} like '%%~' then left({c}, -1) else {c} || '~' end",
    "boolean": "not {c}",
    "integer": "{c} + 1",
    "smallint": "{c} + 1",
    "bigint": "{c} + 1",
    "numeric": "{c} + 1",
    "date": "{c} + 1",
    "timestamp with time zone": "{c} + interval '1 second'",
    "jsonb": "case when jsonb_typeof({c}) = 'object' then {c} || '{{\"~\": 1}}' else '{{}}' end",
    "text[]": "{c} || '~'::text",
}
# Who is kept out gets no answer at all.
ADMISSION = {"core.app_user", "core.membership", "core.organization"}
FIXED = {"org_id", "id", "version", "created_at", "created_by", "updated_at", "updated_by"}

# Rows that come and go, and rights above all.
MORE = {
    "core.role_permission": [
        "delete from core.role_permission where (role_id, permission) in (select role_id, permission "
        "from core.role_permission order by random() limit 1 for update skip locked)",
        "insert into core.role_permission (org_id, role_id, permission) select r.org_id, r.id, p.code "
        "from (select * from core.role where code like 'prove%%' order by random() limit 1) as r, "
        "(select code from core.permission where code ~ '(read|request|approval)$' order by random() limit 1) as p "
        "on conflict do nothing",
    ],
    "core.user_role": [
        "delete from core.user_role where id in (select id from core.user_role order by random() limit 1 "
        "for update skip locked)",
        "insert into core.user_role (org_id, user_id, role_id, unit_id) select m.org_id, m.user_id, r.id, "
        "(select u.id from core.org_unit as u where u.org_id = m.org_id and random() < 0.7 order by random() limit 1) "
        "from (select * from core.membership where kind = 'INTERNAL' order by random() limit 1) as m "
        "join core.role as r on r.org_id = m.org_id and r.code like 'prove%%' order by random() limit 1 "
        "on conflict do nothing",
    ],
    "core.contact": [
        "delete from core.contact where id in (select id from core.contact order by random() limit 1 "
        "for update skip locked)",
        "insert into core.contact (org_id, partner_id, name) select org_id, id, 'n' || random() "
        "from core.partner order by random() limit 1",
    ],
    "core.item_barcode": [
        "delete from core.item_barcode where barcode in (select barcode from core.item_barcode order by random() "
        "limit 1 for update skip locked)",
        "insert into core.item_barcode (org_id, item_id, barcode, unit_code) select org_id, id, "
        "'p' || floor(random() * 1e9), unit_code from core.item order by random() limit 1",
    ],
    "core.item": [
        "insert into core.item (org_id, sku, name, class, unit_code) select id, 'p' || floor(random() * 1e9), 'n', "
        "'GOODS', 'C62' from core.organization order by random() limit 1",
    ],
    "core.installation_setting": [
        "insert into core.installation_setting (code, value) values ('core.password_hash_cost', '5') "
        "on conflict (code) do update set value = to_jsonb(9 - (core.installation_setting.value)::int)",
    ],
    "core.organization": [
        "update core.organization set time_zone = case time_zone when 'Pacific/Kiritimati' then 'Pacific/Pago_Pago' "
        "else 'Pacific/Kiritimati' end where id in (select id from core.organization order by random() limit 1 "
        "for update skip locked)",
    ],
}  # fmt: skip


@dataclass
class Outcome:
    """What happened. `compared` counts answers whose tag had been seen, `stale` says where the body had changed."""

    histories: int = 0
    seconds: float = 0
    seed: int = 0
    bug: str | None = None
    views: int = 0
    readers: int = 0
    tables: int = 0
    changes: int = 0
    commits: int = 0
    rollbacks: int = 0
    savepoints: int = 0
    refused: int = 0
    turned_away: int = 0
    days: int = 0
    prunings: int = 0
    reads: int = 0
    compared: int = 0
    untagged: int = 0
    unchanged_tables: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


@dataclass
class Reader:
    """A principal with a connection of his own, as PostgREST would have one."""

    principal: Principal
    connection: Connection
    views: list[str] = field(default_factory=list)

    def ask(self, view: str, embedded: Sequence[str] = ()) -> tuple[str | None, str]:
        """Return the tag and a digest of the body that a GET would give now. Raises psycopg.Error."""
        query = f"select=*,{','.join(f'{name}(*)' for name in embedded)}" if embedded else "select=*"
        shown = sql.SQL(" || ").join(
            sql.SQL(
                "(select md5(coalesce(string_agg(t::text, chr(10) order by t::text), '')) from api.{} as t)"
            ).format(sql.Identifier(name))
            for name in (view, *embedded)
        )
        with self.connection.pipeline():  # one transaction
            self.connection.execute(
                "select prove.ask(%s, %s, %s, %s)",
                [self.principal.role, json.dumps(self.principal.claims), f"/{view}", query],
            )
            cursor = self.connection.execute(
                sql.SQL("select current_setting('response.headers', true), {}").format(shown)
            )
        headers, body = cursor.fetchone() or ("", "")
        return next((item["ETag"] for item in json.loads(headers or "[]") if "ETag" in item), None), str(body)


@dataclass
class Stage:
    """A database with the proof's rows, and what can be done in it. `superuser` and `authenticator` are its DSNs."""

    superuser: str
    authenticator: str
    principals: list[Principal]
    changes: dict[str, list[str]] = field(default_factory=dict)  # by table
    tables: dict[str, list[str]] = field(default_factory=dict)  # of each tagged view
    daily: set[str] = field(default_factory=set)  # views that change with the day
    unchanged: list[str] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)

    def prepare(self) -> None:
        """Find out what can be changed and who reads what."""
        with database.connect(self.superuser, autocommit=True) as connection:
            connection.execute(HELPERS)
            _let_days_pass(connection)
            for view, table in connection.execute(
                "select distinct o.view_name, c.oid::regclass::text from core.api_objects() as o "
                "join core.api_source as a on a.view_name = o.view_name and a.is_tagged "
                "join pg_class as c on c.oid = o.objid and c.relkind in ('r', 'p') "
                "where o.classid = 'pg_class'::regclass union all "
                # what functions read of which the catalog knows nothing
                "select a.view_name, s.table_name from core.api_source as a join core.data_source as s "
                "on s.writes && a.sources where a.is_tagged order by 1, 2"
            ).fetchall():
                self.tables.setdefault(view, []).append(table)
            self.daily = {
                view
                for (view,) in connection.execute(
                    "select view_name from core.api_source where is_tagged and time_dependence = 'day'"
                )
            }
            for table in sorted({table for found in self.tables.values() for table in found}):
                found = ways_to_change(connection, table)
                if found:
                    self.changes[table] = found
                else:
                    self.unchanged.append(table)
        for principal in self.principals:
            reader = Reader(principal, database.connect(self.authenticator, autocommit=True, prepare_threshold=1))
            for view in self.tables:
                try:
                    reader.ask(view)
                except psycopg.errors.InsufficientPrivilege:
                    continue
                reader.views.append(view)
            self.readers.append(reader)

    def close(self) -> None:
        """Close the readers' connections."""
        for reader in self.readers:
            reader.connection.close()


def _let_days_pass(connection: Connection) -> None:
    row = connection.execute("select pg_get_functiondef('core.today()'::regprocedure)").fetchone()
    assert row is not None
    definition = row[0].replace("::date;", "::date + (select s.last_value::integer from prove.day as s);")
    if definition == row[0]:
        raise CannotRun("core.today() is not written as the check expects", "look at it and at bench/staleness.py")
    connection.execute(definition)


def ways_to_change(connection: Connection, table: str) -> list[str]:
    """Return statements that change a row of the table and are not refused. `connection` is a superuser's."""
    tried = list(MORE.get(table, []))
    columns = connection.execute(
        "select a.attname, format_type(a.atttypid, null) from pg_attribute as a where a.attrelid = %s::regclass "
        "and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum",
        [table],
    ).fetchall()
    for column, kind in columns:
        if column not in FIXED and kind in OTHER_VALUE and not (column == "is_active" and table in ADMISSION):
            tried.append(
                f"update {table} set {column} = {OTHER_VALUE[kind].format(c=column)} where (tableoid, ctid) in "
                f"(select tableoid, ctid from {table} order by random() limit 1 for update skip locked)"
            )
    return [statement for statement in tried if _works(connection, statement)]


def _works(connection: Connection, statement: str) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            return connection.execute(statement, []).rowcount > 0
    except psycopg.Error:
        return False


def break_on_purpose(connection: Connection, bug: str) -> None:
    """Break the tags of a throw-away database. `connection` is a superuser's."""
    if bug == "newest":
        row = connection.execute(
            "select pg_get_functiondef(p.oid) from pg_proc as p "
            "where p.pronamespace = 'core'::regnamespace and p.proname = 'data_tag'"
        ).fetchone()
        assert row is not None
        definition = row[0].replace("v_last < pg_snapshot_xmin(pg_current_snapshot())", "true")
        if definition == row[0]:
            raise CannotRun("core.data_tag is not written as the check expects", "look at bench/staleness.py")
        connection.execute(definition)
    elif bug == "rights":
        connection.execute("update core.api_source set sources = array_remove(sources, 'access')")
    else:
        connection.execute("update core.api_source set time_dependence = 'none' where is_tagged")


# ---- histories -----------------------------------------------------------------------------------------------------


@dataclass
class _Writer:
    connection: Connection
    is_open: bool = False
    savepoints: int = 0


@dataclass
class _Check:
    stage: Stage
    choose: random.Random
    outcome: Outcome
    writers: list[_Writer]
    keeper: Connection
    seen: dict[tuple[str, str, bool], OrderedDict[str, str]] = field(default_factory=lambda: defaultdict(OrderedDict))
    steps: list[str] = field(default_factory=list)

    def history(self) -> None:
        """Let a few steps happen, with readers after each."""
        choose = self.choose
        reader = choose.choice(self.stage.readers)
        views = [view for view in reader.views if view in self.stage.daily] if self.outcome.bug == "day" else []
        focus = views or choose.sample(reader.views, 2)
        tables = [table for view in focus for table in self.stage.tables[view] if table in self.stage.changes]
        self.steps = []
        for _ in range(choose.randint(3, 7)):
            self._step(choose.choice(self.writers), tables)
            self._read(reader, choose.choice(focus))
            if choose.random() < 0.5:
                self._read(choose.choice(self.stage.readers), choose.choice(focus))
        for writer in choose.sample(self.writers, len(self.writers)):
            if writer.is_open:
                self._end(writer, choose.random() < 0.8)
                self._read(reader, choose.choice(focus))
        self.outcome.histories += 1

    def _step(self, writer: _Writer, tables: list[str]) -> None:
        dice = self.choose.random()
        if dice < 0.04:
            self.keeper.execute("select nextval('prove.day')")
            self.outcome.days += 1
            self.steps.append("a day passes")
        elif dice < 0.07:
            self.keeper.execute("select core.prune_data_changes()")
            self.outcome.prunings += 1
            self.steps.append("pruned")
        elif writer.is_open and dice < 0.27:
            self._end(writer, dice < 0.21)
        elif writer.is_open and dice < 0.37:
            self._statement(writer, f"savepoint s{writer.savepoints + 1}")
            writer.savepoints += 1
            self.outcome.savepoints += 1
        elif writer.savepoints and dice < 0.47:
            self._statement(writer, f"rollback to savepoint s{self.choose.randint(1, writer.savepoints)}")
        elif tables:
            self._statement(writer, self.choose.choice(self.stage.changes[self.choose.choice(tables)]))
            self.outcome.changes += 1

    def _statement(self, writer: _Writer, statement: str) -> None:
        writer.is_open = True
        self.steps.append(f"{self.writers.index(writer)}: {statement[:60]}")
        try:
            writer.connection.execute(statement, [])
        except psycopg.Error:  # a lock, a key: what writers meet with
            self.outcome.refused += 1
            self._end(writer, False)

    def _end(self, writer: _Writer, commits: bool) -> None:
        self.steps.append(f"{self.writers.index(writer)}: {'commit' if commits else 'rollback'}")
        try:
            writer.connection.commit() if commits else writer.connection.rollback()
        except psycopg.Error:  # a constraint that is looked at in the end
            self.outcome.refused += 1
            writer.connection.rollback()
        if commits:
            self.outcome.commits += 1
        else:
            self.outcome.rollbacks += 1
        writer.is_open, writer.savepoints = False, 0

    def _read(self, reader: Reader, view: str) -> None:
        if view not in reader.views:
            return
        embedded = EMBEDDED.get(view, ()) if self.choose.random() < 0.2 else ()
        embedded = tuple(name for name in embedded if name in reader.views)
        try:
            tag, body = reader.ask(view, embedded)
        except psycopg.ProgrammingError as error:
            if error.sqlstate != "PGRST":
                raise
            self.outcome.turned_away += 1
            return
        self.outcome.reads += 1
        if tag is None:
            self.outcome.untagged += 1
            return
        seen = self.seen[(reader.principal.name, view, bool(embedded))]
        if tag in seen:
            self.outcome.compared += 1
            if seen[tag] != body:
                self.outcome.stale.append(f"{view} for {reader.principal.name}: {'; '.join(self.steps)}")
        seen[tag] = body
        if len(seen) > REMEMBERED:
            seen.popitem(last=False)


def check(
    stage: Stage, histories: int, seed: int = 0, bug: str | None = None, progress: Progress | None = None
) -> Outcome:
    """Play random histories in a prepared stage and compare what readers get."""
    outcome = Outcome(
        seed=seed, bug=bug, views=len(stage.tables), readers=len(stage.readers), tables=len(stage.changes),
        unchanged_tables=stage.unchanged,
    )  # fmt: skip
    began = time.monotonic()
    keeper = database.connect(stage.superuser, autocommit=True)
    writers = [_Writer(database.connect(stage.superuser, prepare_threshold=1)) for _ in range(WRITERS)]
    try:
        if bug:
            break_on_purpose(keeper, bug)
        for writer in writers:
            writer.connection.execute("set lock_timeout = '20ms'")
            writer.connection.commit()
        play = _Check(stage, random.Random(seed), outcome, writers, keeper)
        for number in range(1, histories + 1):
            play.history()
            if progress and number % max(1, histories // 20) == 0:
                progress(f"{number} histories, {outcome.reads} answers, {len(outcome.stale)} stale")
            if bug and outcome.stale:
                break
    finally:
        for connection in (keeper, *(writer.connection for writer in writers)):
            connection.close()
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def readers_of(principals: Iterable[Principal]) -> list[Principal]:
    """Those whose answers carry tags: users of an organisation."""
    return [p for p in principals if p.role in ("member", "partner")]


def run(state: Any, histories: int, seed: int, bug: str | None, progress: Progress) -> Outcome:
    """Make a scratch database on the cluster of `state`, play histories in it and drop it."""
    from erpgres.prove import stage as proof
    from erpgres.prove.world import make

    with proof.scratch(state, progress) as name:
        with proof.superuser(state.dsn("postgres", name)) as connection:
            world = make(connection)
        principals = readers_of([*world.callers, *world.strangers])
        stage = Stage(state.dsn("postgres", name), state.dsn("authenticator", name), principals)
        try:
            stage.prepare()
            progress(f"{len(stage.readers)} readers, {len(stage.tables)} views, {len(stage.changes)} tables to change")
            return check(stage, histories, seed, bug, progress)
        finally:
            stage.close()


def counted(found: Iterable[str]) -> list[tuple[str, int]]:
    """How often each view for each reader was stale, most often first."""
    return Counter(line.split(":", 1)[0] for line in found).most_common()
