"""Several operations in one request, as a list: they run in order and are answered in order.

Each has its own answer. What is wrong with one is told in its place and leaves the others alone. Mutations of which
nobody can tell are begun before the one before them has ended, so that they share a transaction.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, TypeAlias

from mnesis.domain.caller import Caller
from mnesis.graph.body import BadRequest, Operation, operation_from
from mnesis.graph.faults import BAD_USER_INPUT, LIMIT_EXCEEDED, internal_error, request_error
from mnesis.graph.operations import Operations
from mnesis.graph.prepare import NotPrepared, Prepared
from mnesis.usecases.together import asked_together

Answer: TypeAlias = dict[str, Any]


class BadBatch(Exception):
    """The list as a whole is refused, and nothing of it was run; ``error`` is ready to be sent."""

    def __init__(self, message: str, code: str = BAD_USER_INPUT, **extensions: object) -> None:
        super().__init__(message)
        self.error = request_error(message, code, **extensions)


async def answer_batch(operations: Operations, asked: list[Any], caller: Caller) -> list[Answer]:
    """One answer for each of the operations, in their order. Raises `BadBatch`."""
    most = operations.limits.batch_operations
    if not asked:
        raise BadBatch("The list holds no operation.")
    if len(asked) > most:
        raise BadBatch(f"A list may hold at most {most} operations.", LIMIT_EXCEEDED, limit=most)
    found: list[Answer | asyncio.Task[Answer]] = []
    with asked_together():
        for each in asked:
            ready = _ready(operations, each, caller)
            if isinstance(ready, _Ready) and ready.overlaps:
                # Tasks take their first steps in the order in which they are made, and each comes to its lane in one.
                found.append(asyncio.create_task(_answer(operations, ready, caller)))
                continue
            if isinstance(ready, _Ready):
                # It may rely on what those before it have written.
                await _ended(found)
                # The wait is no part of what it takes, which is measured from here.
                ready = _ready(operations, each, caller)
            found.append(await _answer(operations, ready, caller) if isinstance(ready, _Ready) else ready)
        await _ended(found)
    return [each.result() if isinstance(each, asyncio.Task) else each for each in found]


@dataclass(frozen=True, slots=True)
class _Ready:
    """An operation that can be run; ``overlaps`` tells whether it may be begun before those before it have ended."""

    operation: Operation
    prepared: Prepared
    overlaps: bool


def _ready(operations: Operations, asked: Any, caller: Caller) -> _Ready | Answer:
    """The operation, or the answer to it."""
    name: str | None = None
    try:
        operation = operation_from(asked)
        name = operation.name
        prepared = operations.prepare(operation, caller)
        if prepared.watches:
            raise BadRequest("A subscription has many answers and no place in a list; send it alone.")
        return _Ready(operation, prepared, operations.overlaps(prepared, operation.variables))
    except BadRequest as bad:
        error = request_error(str(bad))
        operations.refused(name, caller, error)
        return {"errors": [error]}
    except NotPrepared as refused:
        return {"errors": refused.errors}
    except Exception as fault:
        return {"errors": [internal_error(fault)]}


async def _answer(operations: Operations, ready: _Ready, caller: Caller) -> Answer:
    try:
        return await operations.answer(ready.prepared, ready.operation.variables, caller)
    except Exception as fault:
        return {"errors": [internal_error(fault)]}


async def _ended(found: list[Answer | asyncio.Task[Answer]]) -> None:
    """When this is cancelled, so are they."""
    await asyncio.gather(*(each for each in found if isinstance(each, asyncio.Task) and not each.done()))
