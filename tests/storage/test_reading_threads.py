"""Threads that read: as many as are needed and allowed, in order, each question answered in its event loop."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from mnesis.storage.reading_threads import ReadingThreads
from mnesis.usecases.ports import StoreFault

pytestmark = pytest.mark.anyio


@pytest.fixture
def threads() -> Iterator[ReadingThreads]:
    made = ReadingThreads(2)
    yield made
    made.close()


async def test_a_question_is_answered_in_another_thread(threads: ReadingThreads) -> None:
    assert await threads.answered(threading.get_ident) != threading.get_ident()


async def test_what_a_question_raises_is_raised(threads: ReadingThreads) -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await threads.answered(fail)
    assert await threads.answered(lambda: 1) == 1


async def test_so_many_questions_are_answered_at_the_same_time(threads: ReadingThreads) -> None:
    both = threading.Barrier(2)

    def meet() -> str:
        both.wait(10)
        return name()

    names = await asyncio.gather(*[threads.answered(meet) for _ in range(2)])
    assert sorted(names) == ["mnesis-reader_0", "mnesis-reader_1"]
    again = await asyncio.gather(*[threads.answered(name) for _ in range(20)])
    assert set(again) <= set(names)


async def test_a_question_that_nobody_waits_for_is_not_asked(threads: ReadingThreads) -> None:
    begun, ended = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        begun.release()
        ended.wait(10)

    waits = [asyncio.create_task(threads.answered(wait)) for _ in range(2)]
    for _ in waits:
        await asyncio.to_thread(begun.acquire)
    asked: list[str] = []
    given_up = asyncio.create_task(threads.answered(lambda: asked.append("given up")))
    kept = asyncio.create_task(threads.answered(lambda: asked.append("kept")))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    # Those under way are given up too, which only they themselves notice.
    waits[0].cancel()
    await asyncio.sleep(0)
    ended.set()
    await kept
    await waits[1]
    assert asked == ["kept"]


async def test_closing_answers_what_waits_and_refuses_what_comes(threads: ReadingThreads) -> None:
    waiting = [asyncio.create_task(threads.answered(lambda: 1)) for _ in range(20)]
    await asyncio.sleep(0)
    threads.close()
    threads.close()
    assert await asyncio.gather(*waiting) == [1] * 20
    with pytest.raises(StoreFault, match="closed"):
        await threads.answered(lambda: 1)


async def test_a_machine_without_threads_is_a_fault_of_the_store(
    threads: ReadingThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        with pytest.raises(StoreFault, match="new thread"):
            await threads.answered(lambda: 1)
    assert await threads.answered(name) == "mnesis-reader_0"
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        # The one that is there does it all.
        assert await asyncio.gather(*[threads.answered(name) for _ in range(5)]) == ["mnesis-reader_0"] * 5


def test_a_loop_that_is_gone_is_not_told(threads: ReadingThreads) -> None:
    begun, ended = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        begun.release()
        ended.wait(10)

    async def ask() -> None:
        asyncio.create_task(threads.answered(wait))  # noqa: RUF006  # It is left behind.
        await asyncio.to_thread(begun.acquire)

    asyncio.run(ask())
    ended.set()
    assert asyncio.run(threads.answered(lambda: 1)) == 1


def name() -> str:
    return threading.current_thread().name
