"""Memories that were read: like any others, though most of a row is read later, and JSON comes back as written."""

import copy
import json
import random
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from mnesis.domain.fields import Message
from mnesis.domain.json_values import JsonObject
from mnesis.domain.memory import FIELDS, Memory
from mnesis.domain.memory_types import PayloadType
from mnesis.domain.times import instant_text
from mnesis.storage.instants import from_microseconds, stored_instant_text, to_microseconds
from mnesis.storage.rows import memory_row
from mnesis.storage.stored_memory import StoredMemory, stored_memory_from, whole_memory_from
from tests.storage.workbench import ANN, fact, made, opened, raw, session, working

pytestmark = pytest.mark.anyio

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

ODD: JsonObject = {
    "z": 1,
    "a": [1.0, 1e300, -0.0, 2**63 - 1, -(2**63), 0.1, True, None, {}],
    "ü\u2028": {"b": "\u0001\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")},
}


def plain(memory: Memory) -> Memory:
    """The same memory with everything read."""
    return Memory(**{each.name: getattr(memory, each.name) for each in fields(Memory)})


async def test_what_is_read_is_what_was_written(database_url: str) -> None:
    async with opened(database_url) as bench:
        conversation: Any = (Message(role="user", text="Hi."), Message(role="agent", parts=({"text": "Ho."},)))
        written = await made(
            bench.memories,
            session("s", namespace={"user": "ann"}, summary="Talk", metadata=ODD, agents={}, pinned=True),
            working(messages=conversation, payload_type=PayloadType.CONVERSATIONAL, tags={"n": 1}, binary_data=b"\0x"),
            fact("Likes tea.", tags=ODD),
        )
        found = await bench.memories.memories(ANN, [memory.id for memory in written])
        for memory in written:
            read = found[memory.id]
            assert isinstance(read, StoredMemory)
            assert read == memory
            assert memory == read
            assert read == found[memory.id]
            assert read != replace(memory, version=7)
            assert (read == "a text", read != "a text") == (False, True)
            for name in (*(each.name for each in fields(Memory) if each.name != "values"), *FIELDS[memory.type]):
                handed_on = getattr(read.written, name)
                kept = getattr(memory.written, name)
                if isinstance(handed_on, orjson.Fragment):
                    assert orjson.dumps(handed_on) == orjson.dumps(kept)
                elif isinstance(kept, datetime):
                    assert handed_on == instant_text(kept)
                else:
                    assert handed_on == kept
            assert isinstance(read.written.namespace, orjson.Fragment)
            for shown in (read.written, memory.written):
                with pytest.raises(AttributeError):
                    _ = shown.nothing


async def test_what_is_made_of_a_memory_has_its_own_values(sqlite_url: str) -> None:
    async with opened(sqlite_url) as bench:
        [written] = await made(bench.memories, session("s", metadata={"n": 1}))
        read = (await bench.memories.memories(ANN, ["s"]))["s"]
        changed = replace(read, version=2, namespace={"user": "eve"}, values={**read.values, "metadata": {"n": 2}})
        assert changed.written.metadata == {"n": 2}
        assert changed.written.namespace == {"user": "eve"}
        assert copy.deepcopy(read) == read == written
        row = memory_row("acme", plain(read))
        assert stored_memory_from(row) == read
        assert whole_memory_from(row) == read
        with pytest.raises(AttributeError):
            _ = read.nothing  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            _ = changed.nothing  # type: ignore[attr-defined]


async def test_json_is_handed_on_as_it_was_written(database_url: str) -> None:
    # Nothing of ours writes this; it shows that nobody reads and writes it again.
    odd = '{"b": 1.50, "a": 123456789012345678901234567890, "b": 2, "c": "\\u00fc"}'
    async with opened(database_url) as bench:
        await made(bench.memories, session("s", metadata={}))
        with raw(database_url) as connection:
            connection.execute(f"UPDATE memory SET metadata = '{odd}'")
        read = (await bench.memories.memories(ANN, ["s"]))["s"]
        assert orjson.dumps(read.written.metadata).decode() == odd
        assert read.written.agents is None
        assert read.values["metadata"] == {**json.loads(odd), "a": 1.2345678901234568e29}


def test_times_are_texts_as_they_would_be_by_way_of_a_datetime() -> None:
    chosen = random.Random(7)
    far = [chosen.randrange(to_microseconds(FIRST), to_microseconds(LAST)) for _ in range(5_000)]
    near = [chosen.randrange(-5_000_000, 5_000_000) for _ in range(1_000)]
    edges = [second * 1_000_000 + part for second in range(-3, 4) for part in (0, 1, 999_999)]
    for stored in (*far, *near, *edges, to_microseconds(FIRST), to_microseconds(LAST)):
        assert stored_instant_text(stored) == instant_text(from_microseconds(stored))
    for beyond in (to_microseconds(FIRST) - 1, to_microseconds(LAST) + 1):
        for told in (from_microseconds, stored_instant_text):
            with pytest.raises(OverflowError):
                told(beyond)
