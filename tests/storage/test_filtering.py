"""Filters on real databases: they find what plain Python finds, in every order, and nothing gets out of its value."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnesis.domain.fields import Message
from mnesis.domain.filters import MemoryFilter, MemoryOrder, TimeRange
from mnesis.domain.json_values import contains
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import Refused
from mnesis.storage.database import engine_for
from mnesis.storage.filtering import SHAPES_KEPT, sought
from mnesis.usecases.ports import MemoryQuery, PageRequest, RecordQuery
from mnesis.usecases.requests import DeleteMemory
from tests.storage.workbench import (
    ANN,
    Bench,
    changed,
    context,
    entry,
    fact,
    made,
    opened,
    raw,
    session,
    update,
    working,
)

pytestmark = pytest.mark.anyio

START = datetime(2026, 5, 1, tzinfo=UTC)
SCALARS = (None, True, False, 0, 1, 1.0, 1.5, -0.0, 2**60, float(2**60), "", "a", "A", "1", "%")
TEXTS = ("", "a", "B", "ab", "Ä_", "100% é", "back\\slash", "'quote\"", "ЯЁ", "x\ny", "NULL", ":f0", "%(f0)s")
KEYS = ("a", "b", "'", "$.a", "ключ")


def some_json(rng: random.Random, levels: int) -> Any:
    kind = rng.random()
    if levels == 0 or kind < 0.5:
        return rng.choice(SCALARS)
    if kind < 0.75:
        return [some_json(rng, levels - 1) for _ in range(rng.randrange(4))]
    return some_object(rng, levels)


def some_object(rng: random.Random, levels: int = 3) -> dict[str, Any]:
    return {rng.choice(KEYS): some_json(rng, levels - 1) for _ in range(rng.randrange(3))}


def some_memories(rng: random.Random) -> list[Any]:
    def maybe(given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if rng.random() < 0.6}

    items: list[Any] = [
        session(
            f"s{number}",
            namespace=some_object(rng),
            **maybe(
                {"summary": rng.choice(TEXTS), "metadata": some_object(rng), "pinned": rng.random() < 0.5},
            ),
        )
        for number in range(8)
    ]
    for _ in range(30):
        items.append(
            fact(
                rng.choice(TEXTS[1:]),
                namespace=some_object(rng),
                **maybe({"tags": some_object(rng), "pinned": rng.random() < 0.5}),
            )
        )
        messages = (
            Message(role="user", text=rng.choice(TEXTS)),
            Message(role="user", parts=({"text": rng.choice(TEXTS)}, {"text": 5}, {"text": ["a"]}, {"image": "B"})),
        )
        given = maybe(
            {
                "content": rng.choice(TEXTS[1:]),
                "messages": messages[: rng.randrange(3)],
                "tags": some_object(rng),
                "metadata": some_object(rng),
            }
        )
        given = given or {"content": "a"}
        if rng.random() < 0.5:
            items.append(entry(f"s{rng.randrange(8)}", **given))
        else:
            items.append(working(namespace=some_object(rng), **given))
    return items


def some_filter(rng: random.Random, known: list[Memory], levels: int = 3) -> MemoryFilter:
    memory = rng.choice(known)
    moment = {name: getattr(memory, name) for name in ("created_at", "updated_at", "content_updated_at")}
    value = {name: memory.values.get(name) for name in ("tags", "metadata")}
    choices: dict[str, Callable[[], Any]] = {
        "types": lambda: frozenset(rng.sample(list(MemoryType)[:3], rng.randrange(3))),
        "ids": lambda: frozenset({memory.id, rng.choice(known).id, "nothing", "\0", "\ud800"}),
        "container_id": lambda: rng.choice(["default", "elsewhere", "\0"]),
        "session_id": lambda: rng.choice(["s0", "s1", "s2", "' OR 1=1 --", "\ud800"]),
        "namespace": lambda: rng.choice([memory.namespace, some_object(rng), {}]),
        "tags": lambda: rng.choice([value["tags"] or {}, some_object(rng), {}]),
        "metadata": lambda: rng.choice([value["metadata"] or {}, some_object(rng), {}]),
        "pinned": lambda: rng.random() < 0.5,
        **{
            name: (
                lambda name=name: rng.choice(  # type: ignore[misc]  # mypy cannot type a default of a lambda.
                    [
                        TimeRange(start=moment[name]),
                        TimeRange(end=moment[name]),
                        TimeRange(start=START, end=moment[name]),
                    ]
                )
            )
            for name in moment
        },
        "text": lambda: rng.choice([text.swapcase() for text in TEXTS if text] + ["%", "_", "\\"]),
    }
    given = {name: choices[name]() for name in rng.sample(list(choices), rng.randrange(3))}
    if levels > 1:
        below = [some_filter(rng, known, levels - 1) for _ in range(rng.randrange(3))]
        more = {"every": tuple(below), "either": tuple(below), "never": below[0] if below else MemoryFilter()}
        given |= {name: more[name] for name in rng.sample(list(more), rng.randrange(2))}
    return MemoryFilter(**given)


def passes(memory: Memory, wanted: MemoryFilter) -> bool:
    """What a filter means, said once more without a database."""
    values = memory.values
    said = [values.get(name) for name in ("summary", "content", "memory")]
    messages: Any = values.get("messages") or ()
    for message in messages:
        said += [message.text, *(part.get("text") for part in message.parts or ())]
    texts = [text.lower() for text in said if isinstance(text, str)]

    def inside(name: str) -> bool:
        times: TimeRange = getattr(wanted, name)
        moment: datetime = getattr(memory, name)
        after: Any = times.start
        before: Any = times.end
        return (after is None or after <= moment) and (before is None or moment < before)

    def holds(stored: Any, part: Any) -> bool:
        return stored is not None and contains(stored, part)

    checks: dict[str, Callable[[], bool]] = {
        "types": lambda: memory.type in (wanted.types or ()),
        "ids": lambda: memory.id in (wanted.ids or ()),
        "container_id": lambda: memory.container_id == wanted.container_id,
        "session_id": lambda: memory.session_id == wanted.session_id,
        "namespace": lambda: holds(memory.namespace, wanted.namespace),
        "tags": lambda: holds(values.get("tags"), wanted.tags),
        "metadata": lambda: holds(values.get("metadata"), wanted.metadata),
        "pinned": lambda: values.get("pinned") is wanted.pinned,
        "created_at": lambda: inside("created_at"),
        "updated_at": lambda: inside("updated_at"),
        "content_updated_at": lambda: inside("content_updated_at"),
        "text": lambda: any((wanted.text or "").lower() in text for text in texts),
        "every": lambda: all(passes(memory, each) for each in wanted.every or ()),
        "either": lambda: any(passes(memory, each) for each in wanted.either or ()),
        "never": lambda: not passes(memory, wanted.never or MemoryFilter()),
    }
    return all(check() for name, check in checks.items() if getattr(wanted, name) is not None)


async def found(bench: Bench, wanted: MemoryFilter) -> set[str]:
    query = MemoryQuery(**{name: getattr(wanted, name) for name in MemoryFilter.__dataclass_fields__})
    page = await bench.memories.list_memories(ANN, query, PageRequest(size=500))
    assert await bench.memories.count_memories(ANN, query) == len(page.rows)
    return {memory.id for memory in page.rows}


async def filled(bench: Bench, seed: int) -> list[Memory]:
    rng = random.Random(seed)
    ticks = iter(range(1_000_000))
    items = some_memories(rng)
    for start in range(0, len(items), 5):
        await made(bench.memories, *items[start : start + 5])
    page = await bench.memories.list_memories(ANN, MemoryQuery(), PageRequest(size=500))
    for memory in rng.sample(page.rows, 15):
        name = {MemoryType.SESSION: "agents", MemoryType.WORKING: "structured_data"}.get(memory.type, "tags")
        given: dict[str, Any] = {name: {"n": next(ticks)}}
        await update(bench.memories, changed(memory, **given))
    page = await bench.memories.list_memories(ANN, MemoryQuery(), PageRequest(size=500))
    doomed = next(memory for memory in page.rows if memory.type is MemoryType.LONG_TERM)
    await bench.memories.delete_memory(ANN, DeleteMemory(memory_type=doomed.type, id=doomed.id))
    return [memory for memory in page.rows if memory.id != doomed.id]


async def test_a_filter_finds_what_plain_python_finds(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = await filled(bench, seed=7)
        rng = random.Random(11)
        hits = 0
        for _ in range(300):
            wanted = some_filter(rng, memories)
            expected = {memory.id for memory in memories if passes(memory, wanted)}
            assert await found(bench, wanted) == expected, wanted
            rest = await found(bench, MemoryFilter(never=wanted))
            assert rest == {memory.id for memory in memories} - expected, wanted
            hits += 0 < len(expected) < len(memories)
        assert hits > 80, "Filters that let all or nothing pass show little."


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
    | st.sampled_from([0, 1, 1.0, 2**60, float(2**60), 1152921504606847000, 1e22, 10**18, 1e18]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "", "'"]), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)


def part_of(value: Any, draw: Any) -> Any:
    """Something that the value probably contains."""
    if isinstance(value, dict):
        return {key: part_of(each, draw) for key, each in value.items() if draw(st.booleans())}
    if isinstance(value, list):
        return [part_of(each, draw) for each in value if draw(st.booleans())]
    return value


@st.composite
def pairs(draw: Any) -> tuple[Any, Any]:
    whole = draw(OBJECTS)
    return whole, part_of(whole, draw) if draw(st.booleans()) else draw(OBJECTS)


def test_json_is_contained_exactly_where_postgresql_says_so(postgresql_url: str) -> None:
    with raw(postgresql_url) as connection:

        @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
        @given(pairs())
        def check(pair: tuple[Any, Any]) -> None:
            whole, part = (json.dumps(each, ensure_ascii=False) for each in pair)
            [[expected]] = connection.execute("SELECT %s::jsonb @> %s::jsonb", [whole, part]).fetchall()
            assert contains(*pair) is expected

        check()


@pytest.mark.parametrize("order", MemoryOrder)
@pytest.mark.parametrize("backward", [False, True], ids=["forwards", "backwards"])
async def test_what_does_not_change_is_neither_skipped_nor_repeated(
    database_url: str, order: MemoryOrder, backward: bool
) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, *(session(f"s{number}") for number in range(60)))
        everything = (await bench.memories.list_memories(ANN, MemoryQuery(), PageRequest(size=100))).rows
        restless = [memory for memory in everything if int(memory.id[1:]) % 3 == 0]
        for memory in everything[::7]:
            await update(bench.memories, changed(memory, summary="before"))
        everything = (await bench.memories.list_memories(ANN, MemoryQuery(order=order), PageRequest(size=100))).rows
        keys = [(getattr(memory, order.column), memory.arrival) for memory in everything]
        assert keys == sorted(keys, reverse=not order.ascending)
        seen: list[Memory] = []
        place = None
        numbers = iter(range(1_000))
        while True:
            sides: dict[str, Any] = {"before": place, "backward": True} if backward else {"after": place}
            page = await bench.memories.list_memories(ANN, MemoryQuery(order=order), PageRequest(size=7, **sides))
            seen = [*page.rows, *seen] if backward else [*seen, *page.rows]
            if not (page.has_previous if backward else page.has_next):
                break
            place = page.cursors[0 if backward else -1]
            number = next(numbers)
            await update(bench.memories, changed(restless[number % len(restless)], summary=f"while {number}"))
            await made(bench.memories, session(f"new{number}"))
            if number > 40:
                break
        calm = {memory.id for memory in everything} - {memory.id for memory in restless}
        expected = [memory.id for memory in everything if memory.id in calm]
        assert [memory.id for memory in seen if memory.id in calm] == expected


async def test_history_is_listed_by_container_session_and_time(database_url: str) -> None:
    async with opened(database_url) as bench:
        await bench.memories.update_context_memory(ANN, context("s", "1", "2"))
        await bench.memories.update_context_memory(ANN, context("s", "1", text="new"))
        await bench.memories.update_context_memory(ANN, context("t", "1"))
        everything = list((await bench.memories.list_records(ANN, RecordQuery(), PageRequest(size=50))).rows)
        entries = [each.id for each in (await bench.memories.entries(ANN, ["s"], PageRequest(size=9)))["s"].rows]
        of_session = [each for each in everything if each.memory_id in {"s", *entries}]
        middle = of_session[2].created_at
        for query, expected in [
            (RecordQuery(session_id="s"), of_session),
            (RecordQuery(session_id="s", container_id="default"), of_session),
            (RecordQuery(session_id="s", container_id="elsewhere"), []),
            (RecordQuery(container_id="default"), everything),
            (
                RecordQuery(session_id="s", created_at=TimeRange(end=middle)),
                [each for each in of_session if each.created_at < middle],
            ),
            (
                RecordQuery(created_at=TimeRange(start=middle)),
                [each for each in everything if each.created_at >= middle],
            ),
        ]:
            for backward in (False, True):
                walked: list[Any] = []
                place = None
                while True:
                    sides: dict[str, Any] = {"before": place, "backward": True} if backward else {"after": place}
                    page = await bench.memories.list_records(ANN, query, PageRequest(size=2, **sides))
                    walked = [*page.rows, *walked] if backward else [*walked, *page.rows]
                    if not (page.has_previous if backward else page.has_next):
                        break
                    place = page.cursors[0 if backward else -1]
                assert walked == expected, query
            assert await bench.memories.count_records(ANN, query) == len(expected)


INJECTIONS = ("'", '"', "' OR '1'='1", "'; DROP TABLE memory; --", "%", "_", "\\", "%s", "%(tenant)s", ":tenant", "{}")


async def test_no_value_becomes_a_part_of_the_statement(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, fact("plain"), *(fact(f"<{text}>", tags={text: text}) for text in INJECTIONS))
        for text in INJECTIONS:
            for wanted in (MemoryFilter(text=f"<{text}>"), MemoryFilter(tags={text: text})):
                assert len(await found(bench, wanted)) == 1, wanted
            for wanted in (
                MemoryFilter(session_id=text),
                MemoryFilter(container_id=text),
                MemoryFilter(ids=frozenset({text})),
                MemoryFilter(namespace={text: text}),
            ):
                assert await found(bench, wanted) == set()
        sent = " ".join(statement.text for statement in bench.watched.sent)
        assert "DROP" not in sent
        assert "<" not in sent.replace("<>", "").replace("< ", "").replace("<= ", "")


async def test_statements_are_remembered_by_shape_and_no_more_than_so_many(sqlite_url: str) -> None:
    async with opened(sqlite_url) as bench:
        remembered = bench.reader._statements.list_memories
        # What other databases of this process have asked for is remembered too.
        remembered.cache_clear()
        for number in range(5):
            await found(bench, MemoryFilter(text=f"t{number}", tags={"a": number}))
        assert remembered.cache_info().currsize == 1
        for number in range(SHAPES_KEPT + 20):
            digits = f"{number:09b}"
            nested = tuple(MemoryFilter(text="a") if digit == "1" else MemoryFilter(pinned=True) for digit in digits)
            await found(bench, MemoryFilter(either=nested))
        assert remembered.cache_info().currsize == SHAPES_KEPT


def test_equal_filters_have_equal_shapes() -> None:
    engine = engine_for("sqlite:///x", writer_lanes=1)
    one = sought(MemoryFilter(text="a", never=MemoryFilter(types=frozenset({MemoryType.SESSION}))), engine)
    other = sought(MemoryFilter(text="b", never=MemoryFilter(types=frozenset({MemoryType.WORKING}))), engine)
    assert one.shape == other.shape
    assert one.values != other.values
    assert one.names("text")
    assert not one.names("type")


async def test_a_faulty_filter_is_refused_by_every_list(sqlite_url: str) -> None:
    inverted = TimeRange(start=START + timedelta(1), end=START)
    async with opened(sqlite_url) as bench:
        query = MemoryQuery(created_at=inverted)
        with pytest.raises(Refused):
            await bench.memories.list_memories(ANN, query, PageRequest(size=1))
        with pytest.raises(Refused):
            await bench.memories.count_memories(ANN, query)
        with pytest.raises(Refused):
            bench.memories.record_query(ANN, MemoryFilter(types=frozenset({MemoryType.HISTORY}), created_at=inverted))
        with pytest.raises(Refused):
            bench.memories.record_query(ANN, MemoryFilter(types=frozenset({MemoryType.HISTORY}), pinned=True))
