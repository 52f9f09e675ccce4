"""What one request looks up is looked up together."""

import asyncio

import pytest

from mnesis.graph.gathering import Gathered

pytestmark = pytest.mark.anyio


class Doubles:
    """Looks up twice a number, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.begun = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.loader = Gathered(self.look_up)

    async def look_up(self, keys: list[int]) -> dict[int, int]:
        self.asked.append(keys)
        self.begun.set()
        await self.may_answer.wait()
        if 13 in keys:
            raise ValueError(str(keys))
        return {key: 2 * key for key in keys if key > 0}


async def test_each_key_is_looked_up_once_and_together_with_the_others() -> None:
    doubles = Doubles()
    assert await asyncio.gather(*[doubles.loader.load(key) for key in (1, 2, 1, 3)]) == [2, 4, 2, 6]
    assert await doubles.loader.load(2) == 4
    assert doubles.asked == [[1, 2, 3]]
    assert await doubles.loader.load(4) == 8
    assert await doubles.loader.load(-1) is None
    doubles.loader.forget()
    assert await doubles.loader.load(2) == 4
    assert doubles.asked[1:] == [[4], [-1], [2]]


async def test_what_is_asked_while_another_look_up_runs_is_looked_up_after_it_was_asked() -> None:
    doubles = Doubles()
    doubles.may_answer.clear()
    first = doubles.loader.load(1)
    await doubles.begun.wait()
    doubles.loader.forget()
    again = doubles.loader.load(1)
    doubles.loader.forget()
    anew = doubles.loader.load(1)
    doubles.may_answer.set()
    assert [await first, await again, await anew] == [2, 2, 2]
    assert doubles.asked == [[1], [1, 1]]


async def test_what_nothing_else_comes_with_is_looked_up_at_once_and_once() -> None:
    doubles = Doubles()
    assert await doubles.loader.load_alone(1) == 2
    assert await doubles.loader.load_alone(1) == await doubles.loader.load(1) == 2
    assert await doubles.loader.load(3) == await doubles.loader.load_alone(3) == 6
    assert await doubles.loader.load_alone(-1) is None
    assert doubles.asked == [[1], [3], [-1]]
    with pytest.raises(ValueError, match="13"):
        await doubles.loader.load_alone(13)
    doubles.loader.forget()
    assert await doubles.loader.load_alone(1) == 2
    assert doubles.asked[3:] == [[13], [1]]


async def test_everybody_is_told_of_a_fault() -> None:
    doubles = Doubles()
    found = await asyncio.gather(*map(doubles.loader.load, (12, 13)), return_exceptions=True)
    assert [str(each) for each in found] == ["[12, 13]"] * 2


async def test_who_goes_away_leaves_the_others_alone() -> None:
    doubles = Doubles()
    gone, stays = doubles.loader.load(1), doubles.loader.load(2)
    gone.cancel()
    assert await stays == 4
    assert doubles.asked == [[2]]
    # A look-up that was given up is none to wait for.
    assert await doubles.loader.load(1) == 2
    doubles.loader.load(3).cancel()
    await asyncio.sleep(0.01)
    assert doubles.asked == [[2], [1]]


@pytest.mark.parametrize("key", [5, 13])
async def test_who_goes_away_while_it_is_looked_up_leaves_the_others_alone(key: int) -> None:
    doubles = Doubles()
    doubles.may_answer.clear()
    gone, stays = doubles.loader.load(4), doubles.loader.load(key)
    await doubles.begun.wait()
    gone.cancel()
    doubles.may_answer.set()
    [found] = await asyncio.gather(stays, return_exceptions=True)
    assert found == 10 or isinstance(found, ValueError)
