"""Gathers what the fields of one request look up, as Strawberry's `DataLoader` does, which costs several times more."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class Gathered(Generic[K, T]):
    """Looks things up together that are asked for in the same turns of the event loop, and each of them once.

    ``look_up`` is given the keys; where it has no answer for one, that is None. When it fails, everybody is told.
    """

    __slots__ = ("_known", "_look_up", "_under_way", "_waiting")

    def __init__(self, look_up: Callable[[list[K]], Awaitable[Mapping[K, T]]]) -> None:
        self._look_up = look_up
        self._known: dict[K, asyncio.Future[T]] = {}
        self._waiting: list[tuple[K, asyncio.Future[T]]] = []
        # Tasks that nobody holds may be collected before they end.
        self._under_way: set[asyncio.Task[None]] = set()

    def load(self, key: K) -> "asyncio.Future[T]":
        """What there is for the key."""
        known = self._known.get(key)
        if known is not None and not known.cancelled():
            return known
        loop = asyncio.get_running_loop()
        answer = self._known[key] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._begin)
        self._waiting.append((key, answer))
        return answer

    async def load_alone(self, key: K) -> T:
        """The same where nothing else is asked for meanwhile: without waiting for company."""
        known = self._known.get(key)
        if known is not None and not known.cancelled():
            return await known
        found = await self._look_up([key])
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._known[key] = answer
        answer.set_result(found.get(key))  # type: ignore[arg-type]  # As below.
        return await answer

    def forget(self) -> None:
        """Looks everything up anew that is asked for from now on."""
        self._known.clear()

    def _begin(self) -> None:
        task = asyncio.create_task(self._answer())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer(self) -> None:
        # What was asked for until now, which is a turn after the first: resolvers that begin one another come along.
        waiting, self._waiting = self._waiting, []
        wanted = [(key, answer) for key, answer in waiting if not answer.cancelled()]
        if not wanted:
            return
        try:
            found = await self._look_up([key for key, _ in wanted])
        except Exception as fault:
            for _, answer in wanted:
                if not answer.done():
                    answer.set_exception(fault)
            return
        for key, answer in wanted:
            if not answer.done():
                # Where keys may lead nowhere, T admits None.
                answer.set_result(found.get(key))  # type: ignore[arg-type]
