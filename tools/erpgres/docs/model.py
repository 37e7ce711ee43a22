"""What there is to describe: tables, views, functions, permissions and errors, as read from a migrated database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

# Roles that come in through the API, in the order in which they are shown.
API_ROLES = ("anon", "partner", "member", "superadmin")
COMMANDS = ("select", "insert", "update", "delete")


@dataclass
class Column:
    """A column of a table, view or composite type.

    `type` is PostgreSQL's name of it, domains resolved. For a column of a view, `source` is the table and column that
    it shows unchanged, and `nullable`, `default` and `values` are theirs. `values` are all that a check allows.
    """

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    comment: str = ""
    values: tuple[str, ...] = ()
    source: tuple[str, str] | None = None


@dataclass(frozen=True)
class ForeignKey:
    """`table` (`columns`) references `target` (`target_columns`); names with their schema."""

    name: str
    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """A policy: whose, for what, the permissions it asks for, and its meaning in words."""

    role: str
    command: str
    permissions: tuple[str, ...]
    words: str


class _Described:
    comment: str

    @property
    def summary(self) -> str:
        """The first line of the comment."""
        return self.comment.split("\n", 1)[0].strip()

    @property
    def details(self) -> str:
        """The comment without its first line, as one paragraph."""
        return " ".join(self.comment.split("\n")[1:]).strip()


@dataclass
class Relation(_Described):
    """A table, view or composite type. `name` has its schema. `grants`: command to role to columns (None: all)."""

    name: str
    kind: str
    domain: str
    comment: str = ""
    columns: list[Column] = field(default_factory=list)
    primary_key: tuple[str, ...] = ()
    uniques: list[tuple[str, ...]] = field(default_factory=list)
    checks: list[tuple[str, str]] = field(default_factory=list)
    excludes: list[tuple[str, str]] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    grants: dict[str, dict[str, set[str] | None]] = field(default_factory=dict)
    partitioned_by: str = ""
    tables: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The name without the schema."""
        return self.name.split(".", 1)[1]

    def column(self, name: str) -> Column | None:
        """Return the column of that name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)

    def roles(self, command: str) -> list[str]:
        """Return the roles of the API that may do this."""
        return [role for role in API_ROLES if role in self.grants.get(command, {})]

    def writable(self, command: str, roles: Iterable[str] = API_ROLES) -> list[str]:
        """Return the columns that some of these roles may give in an insert or update, in the order of the columns."""
        granted = self.grants.get(command, {})
        names: set[str] = set()
        for role in roles:
            if role in granted:
                columns = granted[role]
                names |= {column.name for column in self.columns} if columns is None else columns
        return [column.name for column in self.columns if column.name in names]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, its JSON key."""

    name: str
    type: str
    default: str | None

    @property
    def required(self) -> bool:
        """Whether a call must have it."""
        return self.default is None


@dataclass
class Function(_Described):
    """A function of the API. `result` is a type's name; `result_columns` those of `returns table`."""

    name: str
    domain: str
    comment: str
    parameters: list[Parameter]
    result: str
    returns_set: bool
    result_columns: list[Column]
    volatility: str
    roles: list[str]
    permissions: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def reads_only(self) -> bool:
        """Whether it may be called with GET."""
        return self.volatility != "volatile"


@dataclass(frozen=True)
class ErrorCode:
    """An error of the catalogue."""

    code: str
    status: int
    message: str
    hint: str


@dataclass(frozen=True)
class Template:
    """A role that every organisation begins with."""

    code: str
    domain: str
    name: str
    description: str
    user_kind: str
    is_administrator: bool
    permissions: frozenset[str]


@dataclass(frozen=True)
class Transition:
    """A step between two states of an entity."""

    entity: str
    from_status: str
    to_status: str
    action: str
    permission: str | None
    needs_reason: bool
    other_than: list[str] | None
    needs_signature: bool


@dataclass
class Model:
    """Everything, in the order of names; `domains` in the order of the project."""

    domains: list[str]
    tables: list[Relation]
    views: list[Relation]
    types: list[Relation]
    functions: list[Function]
    permissions: dict[str, str]
    templates: list[Template]
    errors: list[ErrorCode]
    transitions: list[Transition]

    def table(self, name: str) -> Relation | None:
        """Return the table of that name (with its schema), if there is one."""
        return next((table for table in self.tables if table.name == name), None)

    def view(self, short: str) -> Relation | None:
        """Return the view of the API of that name, if there is one."""
        return next((view for view in self.views if view.short == short and view.name.startswith("api.")), None)

    @property
    def api_views(self) -> list[Relation]:
        """The views that PostgREST shows."""
        return [view for view in self.views if view.name.startswith("api.")]

    def asked(self, view: Relation, command: str, role: str = "member") -> list[str]:
        """Return the permissions that policies of a view's tables ask of a role for a command."""
        found: set[str] = set()
        for name in view.tables:
            table = self.table(name)
            for policy in table.policies if table else []:
                if policy.role == role and policy.command in (command, "all"):
                    found.update(policy.permissions)
        return sorted(found)

    def relationships(self) -> list[Relationship]:
        """Return the foreign keys as the views of the API show them: what may be embedded in what."""
        found = []
        for view in self.api_views:
            shown: dict[tuple[str, str], str] = {}
            for column in view.columns:
                if column.source:
                    shown.setdefault(column.source, column.name)
            for table in view.tables:
                known = self.table(table)
                for key in known.foreign_keys if known else []:
                    if not all((table, column) in shown for column in key.columns):
                        continue
                    for target in self.api_views:
                        there = {column.source: column.name for column in reversed(target.columns) if column.source}
                        if key.target in target.tables and all(
                            (key.target, column) in there for column in key.target_columns
                        ):
                            found.append(
                                Relationship(
                                    key.name,
                                    view.short,
                                    tuple(shown[table, column] for column in key.columns),
                                    target.short,
                                    tuple(there[key.target, column] for column in key.target_columns),
                                    bool(known and key.columns in {known.primary_key, *known.uniques}),
                                )
                            )
        return sorted(set(found), key=lambda one: (one.view, one.name, one.target))


@dataclass(frozen=True)
class Relationship:
    """Rows of `view` point at rows of `target`; `one_to_one`: at most one of them at each."""

    name: str
    view: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    one_to_one: bool
