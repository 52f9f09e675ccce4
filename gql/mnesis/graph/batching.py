"""Several operations in one request, as a list: they run in order and are answered in order.

Each has its own transactions and its own answer. What is wrong with one is told in its place and leaves the others
alone.
"""

from typing import Any

from mnesis.domain.caller import Caller
from mnesis.graph.body import BadRequest, operation_from
from mnesis.graph.faults import BAD_USER_INPUT, LIMIT_EXCEEDED, internal_error, request_error
from mnesis.graph.operations import Operations
from mnesis.graph.prepare import NotPrepared


class BadBatch(Exception):
    """The list as a whole is refused, and nothing of it was run; ``error`` is ready to be sent."""

    def __init__(self, message: str, code: str = BAD_USER_INPUT, **extensions: object) -> None:
        super().__init__(message)
        self.error = request_error(message, code, **extensions)


async def answer_batch(operations: Operations, asked: list[Any], caller: Caller) -> list[dict[str, Any]]:
    """One answer for each of the operations, in their order. Raises `BadBatch`."""
    most = operations.limits.batch_operations
    if not asked:
        raise BadBatch("The list holds no operation.")
    if len(asked) > most:
        raise BadBatch(f"A list may hold at most {most} operations.", LIMIT_EXCEEDED, limit=most)
    # One after the other, because the second may rely on what the first has written.
    return [await _answer(operations, each, caller) for each in asked]


async def _answer(operations: Operations, asked: Any, caller: Caller) -> dict[str, Any]:
    name: str | None = None
    try:
        operation = operation_from(asked)
        name = operation.name
        prepared = operations.prepare(operation, caller)
        if prepared.watches:
            raise BadRequest("A subscription has many answers and no place in a list; send it alone.")
        return await operations.answer(prepared, operation.variables, caller)
    except BadRequest as bad:
        error = request_error(str(bad))
        operations.refused(name, caller, error)
        return {"errors": [error]}
    except NotPrepared as refused:
        return {"errors": refused.errors}
    except Exception as fault:
        return {"errors": [internal_error(fault)]}
