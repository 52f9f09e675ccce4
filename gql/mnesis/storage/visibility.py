"""The one place that says what of the stored memories a caller may see.

Every statement that reads goes through `compile_visible`, which refuses one that reads a table without asking. What is
done on nobody's behalf, and the writing lanes, which decide by `mnesis.domain.access` themselves, see all of a tenant:
those go through `compile_of_tenant`.
"""

from dataclasses import dataclass, field
from typing import Any, TypeGuard

import orjson
from sqlalchemy import (
    Alias,
    Boolean,
    ColumnElement,
    FromClause,
    Join,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    literal_column,
    or_,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import eq
from sqlalchemy.sql.operators import or_ as any_of

from mnesis.domain.caller import Caller
from mnesis.storage.tables import ContainerRow

TENANT = "tenant"
SUBJECT = "subject_of_caller"
ROLES = "roles_of_caller"
ADMIN = "caller_is_admin"


class UnscopedStatement(Exception):
    """A statement would read rows without asking whose they are: a fault in the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleStatement:
    """A compiled statement that reads only what its caller may see; ``fixed`` are parameters it brings itself."""

    text: str
    fixed: dict[str, Any] = field(default_factory=dict)


def visible(statement: Select[Any]) -> Select[Any]:
    """The statement, limited to what the caller may see, which is what `mnesis.domain.access` says.

    That is everything of the caller's tenant that is not guarded: containers that nobody owns, such as the default one,
    those that their owners share, and the memories in them with their history. A guarded container is seen by its
    owner, by who has one of its roles, and by administrators; a memory in it by whoever made it and may see the
    container, and by administrators; where nobody is known to have made it, by all who may see the container. An entry
    of a session is in the session's container. A record of the history is seen as the memory was at that version.

    Each row says by itself whether it is guarded, so where nothing is, no other table is looked at.
    """
    for source in _sources(statement):
        statement = statement.where(_tenant_of(source) == bindparam(TENANT))
        if _is_guarded(source):
            statement = statement.where(_unless_guarded(source))
    return statement


def of_tenant(statement: Select[Any]) -> Select[Any]:
    """The statement, limited to the tenant."""
    for source in _sources(statement):
        statement = statement.where(_tenant_of(source) == bindparam(TENANT))
    return statement


def caller_parameters(caller: Caller) -> dict[str, Any]:
    """What `visible` compares with."""
    return {
        TENANT: caller.tenant,
        SUBJECT: caller.subject,
        ADMIN: caller.admin,
        ROLES: orjson.dumps(list(caller.roles)).decode() if caller.roles else "[]",
    }


def compile_visible(statement: Select[Any], dialect: Dialect) -> VisibleStatement:
    """Compiles a statement once. Raises `UnscopedStatement` unless it and all it nests went through `visible`."""
    return _compiled(statement, dialect, guards=True)


def compile_of_tenant(statement: Select[Any], dialect: Dialect) -> VisibleStatement:
    """Compiles a statement that nobody asks; see the module. Raises `UnscopedStatement` unless it and all it nests went
    through `of_tenant`, or `visible`."""
    return _compiled(statement, dialect, guards=False)


def _compiled(statement: Select[Any], dialect: Dialect, *, guards: bool) -> VisibleStatement:
    for nested in visitors.iterate(statement):
        if isinstance(nested, Select):
            _check(nested, guards=guards)
    compiled = statement.compile(dialect=dialect)
    fixed = {name: value for name, value in compiled.params.items() if value is not None}
    return VisibleStatement(text=str(compiled), fixed=fixed)


def _check(statement: Select[Any], *, guards: bool) -> None:
    # Only what is ANDed at the top counts: inside an OR, a NOT or a nested select it limits nothing here.
    asked = {condition.left for condition in statement._where_criteria if _asks_for_tenant(condition)}
    guarded = {column for condition in statement._where_criteria for column in _asked_for_guard(condition)}
    sources = _sources(statement)
    # What else a guard names is the row that it is asked about, which is looked at where that is read.
    for source in [each for each in sources if _is_the_guard(each)] or sources:
        if _tenant_of(source) not in asked:
            raise UnscopedStatement(f"A statement reads {source} without naming the tenant.")
        if guards and _is_guarded(source) and source.c.guarded not in guarded:
            raise UnscopedStatement(f"A statement reads {source} without asking who may see it.")


_CONTAINER: Table = ContainerRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it.


class _ShareRole(FunctionElement[bool]):
    """One of the roles in a JSON array is one of the caller's."""

    type = Boolean()
    name = "share_role"
    inherit_cache = True


@compiles(_ShareRole)
@compiles(_ShareRole, "sqlite")
def _share_role_on_sqlite(element: _ShareRole, compiler: SQLCompiler, **words: Any) -> str:
    column, given = (compiler.process(each, **words) for each in element.clauses)
    # Names of ours alone.
    listed = f"SELECT given_list.value FROM json_each({given}) AS given_list"  # noqa: S608
    return f"EXISTS (SELECT 1 FROM json_each({column}) AS roles_list WHERE roles_list.value IN ({listed}))"  # noqa: S608


@compiles(_ShareRole, "postgresql")
def _share_role_on_postgresql(element: _ShareRole, compiler: SQLCompiler, **words: Any) -> str:
    column, given = (compiler.process(each, **words) for each in element.clauses)
    return (
        f"EXISTS (SELECT json_array_elements_text({column})"
        f" INTERSECT SELECT json_array_elements_text(CAST({given} AS json)))"
    )


def _is_guarded(source: FromClause) -> bool:
    return "guarded" in source.c and not _is_the_guard(source)


def _is_the_guard(source: FromClause) -> bool:
    """Whether it is the container that is looked up to say who gets in."""
    return isinstance(source, Alias) and source.name == _GUARD


_GUARD = "guard"


def _unless_guarded(source: FromClause) -> ColumnElement[bool]:
    admin: ColumnElement[bool] = bindparam(ADMIN, type_=Boolean)
    open_to_all = source.c.guarded.is_(False)
    subject: ColumnElement[str] = bindparam(SUBJECT, type_=Text)
    if "container_id" not in source.c:
        return or_(open_to_all, admin, source.c.owner == subject, _shares(source.c.roles))
    guard = _CONTAINER.alias(_GUARD)
    entered: Select[Any] = (
        select(literal_column("1"))
        .select_from(guard)
        .where(
            _tenant_of(guard) == bindparam(TENANT),
            guard.c.id == source.c.container_id,
            or_(guard.c.guarded.is_(False), guard.c.owner == subject, _shares(guard.c.roles)),
        )
        .correlate(source)
    )
    made = or_(source.c.owner.is_(None), source.c.owner == subject)
    return or_(open_to_all, admin, and_(made, exists(entered)))


def _shares(roles: ColumnElement[Any]) -> ColumnElement[bool]:
    return _ShareRole(roles, bindparam(ROLES, type_=Text))


def _asked_for_guard(clause: object) -> list[ColumnElement[Any]]:
    """The columns of which `_unless_guarded` made this condition, if it did."""
    if not isinstance(clause, BooleanClauseList) or clause.operator is not any_of:
        return []
    first, second, *_ = clause.clauses
    names_admin = any(isinstance(each, BindParameter) and each.key == ADMIN for each in visitors.iterate(second))
    return [first.left] if names_admin and isinstance(first, BinaryExpression) else []


def _asks_for_tenant(clause: object) -> TypeGuard[BinaryExpression[Any]]:
    return (
        isinstance(clause, BinaryExpression)
        and clause.operator is eq
        and isinstance(clause.right, BindParameter)
        and clause.right.key == TENANT
    )


def _sources(statement: Select[Any]) -> list[FromClause]:
    """The tables of tenants' rows that a statement reads itself; what it nests is looked at by itself."""
    found: list[FromClause] = []
    waiting = list(statement.get_final_froms())
    while waiting:
        source = waiting.pop()
        if isinstance(source, Join):
            waiting += [source.left, source.right]
        elif isinstance(source, Table | Alias) and "tenant_id" in source.c:
            found.append(source)
    return found


def _tenant_of(source: FromClause) -> ColumnElement[Any]:
    return source.c.tenant_id
