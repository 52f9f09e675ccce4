"""Telling apart what is there from what has to be awaited, and awaiting it.

Tasks are made exactly where graphql-core makes them: so data loaders see the same keys together, and errors arrive in
the same order.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from types import CoroutineType, FunctionType, GeneratorType
from typing import Any

from graphql import Undefined
from graphql.pyutils import gather_with_cancel
from strawberry.execution import optimized_is_awaitable

PLAIN: set[type] = {str, int, float, bool, bytes, list, tuple, dict}
"""Types whose instances are values: neither null, nor exceptions, nor to be awaited. It grows as types are met."""

_MOST_TYPES = 10_000
_background: set[asyncio.Future[Any]] = set()


def is_awaitable(value: object) -> bool:
    """Whether the value has to be awaited; of its type it is remembered if that cannot be."""
    kind = type(value)
    if kind is CoroutineType:
        return True
    if value is None:
        return False
    if _never_awaitable(kind):
        if len(PLAIN) < _MOST_TYPES:
            PLAIN.add(kind)
        return False
    return optimized_is_awaitable(value)


def _never_awaitable(kind: type) -> bool:
    return (
        not issubclass(kind, (Exception, GeneratorType))
        and kind is not type(Undefined)
        and not hasattr(kind, "__await__")
        and not hasattr(kind, "__getattr__")
        and not isinstance(kind.__getattribute__, FunctionType)
    )


def settle(values: Sequence[Any]) -> None:
    """Lets those of the values that are awaitable come to their end, whatever it is, without anybody's waiting."""
    awaitables = [value for value in values if optimized_is_awaitable(value)]
    if awaitables:
        future = asyncio.gather(*awaitables, return_exceptions=True)
        _background.add(future)
        future.add_done_callback(_background.discard)


def gather(values: Sequence[Awaitable[Any]]) -> Awaitable[list[Any]]:
    """All of them, concurrently; when one fails, the others are cancelled."""
    return gather_with_cancel(*values)


async def filled(target: Any, keys: list[Any]) -> Any:
    """The object or list itself, after what is awaitable at these keys has been replaced by what it gives."""
    if len(keys) == 1:
        [key] = keys
        target[key] = await target[key]
    else:
        for key, value in zip(keys, await gather_with_cancel(*[target[key] for key in keys]), strict=True):
            target[key] = value
    return target


async def raising(error: Exception) -> Any:
    """Raises the error when it is awaited: for functions that Strawberry would not call any sooner."""
    raise error
