"""What callers have searched for: a log that each caller can look at and clear."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.ids import is_id
from mnesis.domain.json_values import JsonObject, text_fault
from mnesis.domain.refusals import Forbidden, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Something that a caller did, and what with."""

    id: str
    type: str
    data: JsonObject
    created_at: datetime


class TraceStore(Protocol):
    """Keeps traces for a while. Every method sees the caller's own only."""

    async def log(self, caller: Caller, kind: str, data: JsonObject) -> None:
        """Keeps one more."""
        ...

    async def listed(self, caller: Caller, *, size: int, skipped: int) -> tuple[Sequence[Trace], int]:
        """Some of them, the newest first, and how many there are."""
        ...

    async def deleted(self, caller: Caller, trace_id: str) -> Trace | None:
        """The trace that was deleted; None where there is none."""
        ...


class Traces:
    """Every method raises `Refused` for a caller without the scope."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    async def log(self, caller: Caller, kind: str, data: JsonObject) -> None:
        """Keeps a trace of what the caller was allowed to do; texts that cannot be stored are left out."""
        kept: JsonObject = {
            name: value for name, value in data.items() if not (isinstance(value, str) and text_fault(value))
        }
        await self._store.log(caller, kind, kept)

    async def listed(self, caller: Caller, *, size: int, skipped: int) -> tuple[Sequence[Trace], int]:
        """The caller's own, the newest first, and how many there are."""
        _check(caller, Scope.READ)
        return await self._store.listed(caller, size=size, skipped=skipped)

    async def deleted(self, caller: Caller, trace_id: str) -> Trace | None:
        """Deletes one of the caller's own."""
        _check(caller, Scope.WRITE)
        if not is_id(trace_id):
            return None
        return await self._store.deleted(caller, trace_id)


def _check(caller: Caller, scope: Scope) -> None:
    if not caller.may(scope):
        raise Refused(Forbidden(required_scope=scope))
