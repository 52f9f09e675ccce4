"""Threads that read, and the ways to have them do so: a third of what an executor of the standard library costs."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from mnesis.usecases.ports import StoreFault

T = TypeVar("T")


class ReadingThreads:
    """At most ``most`` threads, begun as they are needed, that do in order what they are handed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def hand_over(self, task: Callable[[], None]) -> None:
        """Has a thread do it, which must not raise. Raises `StoreFault` when they are closed."""
        with self._lock:
            if self._closed:
                raise StoreFault("The store is closed.")
            if not self._threads:
                try:
                    self._begin()
                except RuntimeError as fault:
                    raise StoreFault(str(fault)) from fault
                self._tasks.put(task)
                return
            self._tasks.put(task)
            # While something waits, whoever was idle is on the way to it, or nobody was.
            if len(self._threads) < self._most and not self._tasks.empty():
                # Where no more can be had, those that are there will do it.
                with suppress(RuntimeError):
                    self._begin()

    def _begin(self) -> None:
        name = f"mnesis-reader_{len(self._threads)}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    async def answered(self, question: Callable[[], T]) -> T:
        """What a function gives that blocks. It is not called when nobody waits any more before it begins."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def answer_it() -> None:
            if answer.cancelled():
                return
            given: T | None = None
            fault: BaseException | None = None
            try:
                given = question()
            except BaseException as raised:
                fault = raised
            # Not `suppress`, which takes longer than all else here.
            try:  # noqa: SIM105
                loop.call_soon_threadsafe(_tell, answer, given, fault)
            except RuntimeError:
                # A loop that was closed meanwhile has nobody left who waits.
                pass

        self.hand_over(answer_it)
        return await answer

    def close(self) -> None:
        """Does what was handed over, then ends the threads. Blocks."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            # What the last task held is not kept until the next one comes.
            del task


def _tell(answer: "asyncio.Future[Any]", given: object, fault: BaseException | None) -> None:
    if answer.done():
        return
    if fault is None:
        answer.set_result(given)
    else:
        answer.set_exception(fault)
