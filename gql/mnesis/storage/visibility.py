"""The one place that says what of the stored memories a caller may see.

Every statement that reads goes through `compile_visible`, which refuses one that reads a table without asking.
"""

from dataclasses import dataclass, field
from typing import Any, TypeGuard

from sqlalchemy import Alias, ColumnElement, FromClause, Join, Select, Table, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter
from sqlalchemy.sql.operators import eq

from mnesis.domain.caller import Caller

TENANT = "tenant"


class UnscopedStatement(Exception):
    """A statement would read rows without asking whose they are: a fault in the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleStatement:
    """A compiled statement that reads only what its caller may see; ``fixed`` are parameters it brings itself."""

    text: str
    fixed: dict[str, Any] = field(default_factory=dict)


def visible(statement: Select[Any]) -> Select[Any]:
    """The statement, limited to what the caller may see: everything of the caller's tenant."""
    for source in _sources(statement):
        statement = statement.where(_tenant_of(source) == bindparam(TENANT))
    return statement


def caller_parameters(caller: Caller) -> dict[str, Any]:
    """What `visible` compares with."""
    return {TENANT: caller.tenant}


def compile_visible(statement: Select[Any], dialect: Dialect) -> VisibleStatement:
    """Compiles a statement once. Raises `UnscopedStatement` unless it and all it nests went through `visible`."""
    for nested in visitors.iterate(statement):
        if isinstance(nested, Select):
            _check(nested)
    compiled = statement.compile(dialect=dialect)
    fixed = {name: value for name, value in compiled.params.items() if value is not None}
    return VisibleStatement(text=str(compiled), fixed=fixed)


def _check(statement: Select[Any]) -> None:
    # Only what is ANDed at the top counts: inside an OR, a NOT or a nested select it limits nothing here.
    asked = {condition.left for condition in statement._where_criteria if _asks_for_tenant(condition)}
    for source in _sources(statement):
        if _tenant_of(source) not in asked:
            raise UnscopedStatement(f"A statement reads {source} without naming the tenant.")


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
