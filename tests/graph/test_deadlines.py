"""One timer ends each operation at its own time, and ends nothing else."""

import asyncio
import time

import pytest

from mnesis.graph.deadlines import Deadlines

MOST_S = 0.3
NEAR_S = 0.25


async def took_s(deadlines: Deadlines, work_s: float, *, after_s: float = 0) -> tuple[bool, float]:
    """Whether work that takes so long came to its end, and after how long it was left."""
    await asyncio.sleep(after_s)
    began = time.monotonic()
    done = False
    with deadlines.begin():
        await asyncio.sleep(work_s)
        done = True
    # Nothing of the end is left that would meet what the task does next.
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    return done, time.monotonic() - began


def test_each_ends_at_its_own_time() -> None:
    async def all_of_them() -> list[tuple[bool, float]]:
        deadlines = Deadlines(MOST_S)
        given = [(5, 0), (0.01, 0.05), (5, 0.1), (0.01, 0.1), (5, 0.15)]
        return await asyncio.gather(*[took_s(deadlines, work, after_s=after) for work, after in given])

    found = asyncio.run(all_of_them())
    assert [done for done, _ in found] == [False, True, False, True, False]
    for done, seconds in found:
        assert (0.01 if done else MOST_S) - 0.005 <= seconds < (0.01 if done else MOST_S) + NEAR_S


def test_there_is_an_end_again_after_all_have_ended() -> None:
    async def twice() -> None:
        deadlines = Deadlines(MOST_S)
        for work_s in (0.001, 5, 0.001, 5):
            assert (await took_s(deadlines, work_s))[0] is (work_s < 1)
            # Until there is no timer any more.
            await asyncio.sleep(MOST_S + NEAR_S)

    asyncio.run(twice())


def test_an_event_loop_that_has_ended_leaves_nothing_to_the_next() -> None:
    deadlines = Deadlines(MOST_S)

    async def left() -> None:
        with deadlines.begin():
            await asyncio.sleep(5)

    ended = asyncio.new_event_loop()
    lost = ended.create_task(left())
    ended.run_until_complete(asyncio.sleep(0))
    ended.close()
    assert asyncio.run(took_s(deadlines, 0.001))[0]
    assert not asyncio.run(took_s(deadlines, 5))[0]
    # Closed as the collector would close it, when the loop is no more.
    with pytest.raises(RuntimeError):
        lost.get_coro().throw(RuntimeError)
    lost._log_destroy_pending = False  # type: ignore[attr-defined]  # It is lost on purpose.


@pytest.mark.parametrize("also_over", [False, True])
def test_who_is_cancelled_by_others_ends(also_over: bool) -> None:
    async def cancelled() -> None:
        work = asyncio.create_task(took_s(Deadlines(0.05), 5))
        await asyncio.sleep(0)
        if also_over:
            # The deadline comes meanwhile, and both are there in the task's next step.
            time.sleep(0.07)  # noqa: ASYNC251
            asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(work.cancel))
            await asyncio.wait([work])
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(cancelled())


def test_a_fault_of_the_work_goes_on() -> None:
    async def fail() -> None:
        with Deadlines(5).begin():
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(fail())


def test_one_may_stand_within_another() -> None:
    async def nested() -> tuple[bool, bool]:
        outer, inner = Deadlines(2 * MOST_S), Deadlines(MOST_S)
        came_out = False
        with outer.begin():
            with inner.begin():
                await asyncio.sleep(5)
            came_out = True
            await asyncio.sleep(5)
        return came_out, True

    assert asyncio.run(nested()) == (True, True)
