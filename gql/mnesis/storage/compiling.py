"""Statements are compiled once for each kind of database, however many databases a process opens.

Compiling them all takes a quarter of a second, which a server that starts, and each of thousands of tests, would feel.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from sqlalchemy.engine import Dialect

from mnesis.storage.engines import Engine

_T = TypeVar("_T")

_compiled: dict[tuple[Callable[[Engine], Any], type[Engine], type[Dialect]], Any] = {}


def compiled_for(statements: Callable[[Engine], _T], engine: Engine) -> _T:
    """What ``statements`` makes of an engine; what it makes may depend on the engine's kind only."""
    # An engine may be wrapped, whatever its dialect.
    key = (statements, type(engine), type(engine.dialect))
    if key not in _compiled:
        # Two threads may both compile; what they make is the same.
        _compiled[key] = statements(engine)
    return cast(_T, _compiled[key])
