"""An archive brings back what was there, on either database, or nothing at all."""

import asyncio
import gc
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.entries import ContextEntry
from mnesis.domain.history import replay
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType, WriteStatus
from mnesis.domain.searching import query_stems
from mnesis.storage import importing
from mnesis.storage.archive_checks import BadArchive
from mnesis.storage.database import engine_for
from mnesis.storage.exporting import NothingToExport, exporting
from mnesis.storage.importing import CannotImport, Import, ImportStopped
from mnesis.usecases.ports import MemoryQuery, PageRequest, SearchRequest
from mnesis.usecases.requests import DeleteMemory, UpdateContextMemory
from tests.storage.archives import EVERYTHING, add_container, exported, fill, imported, sealed, state
from tests.storage.workbench import ANN, STRANGER, changed, context, fact, is_sqlite, made, opened, raw, rows, session
from tests.storage.workbench import update as update_as_ann

pytestmark = pytest.mark.anyio

Damage = Callable[[list[bytes]], list[bytes]]


@pytest.fixture
def third_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A SQLite file of its own."""
    shutil.copy(sqlite_template, tmp_path / "third.db")
    return f"sqlite:///{tmp_path / 'third.db'}"


async def test_a_tenant_goes_to_the_other_database_and_back_and_is_the_same(
    database_url: str, other_url: str, third_url: str
) -> None:
    await fill(database_url)
    await fill(database_url, entries=3, container_id="notes")
    archive = exported(database_url)
    assert imported(other_url, archive).whole_tenant
    again = exported(other_url)
    assert again == archive
    imported(third_url, again)
    assert exported(third_url) == archive
    async with opened(database_url) as before, opened(other_url) as after:
        memories, records = await state(before.memories)
        assert len(memories) > 1_000
        assert len(records) > 1_100
        assert repr(await state(after.memories)) == repr((memories, records))
    assert rows(database_url, "SELECT * FROM container ORDER BY id") == rows(
        other_url, "SELECT * FROM container ORDER BY id"
    )
    assert rows(other_url, "SELECT count(*) FROM idempotency") == [(0,)]


async def test_a_container_comes_back_beside_others_and_under_another_name(database_url: str, third_url: str) -> None:
    await fill(database_url, entries=20)
    await fill(database_url, entries=20, container_id="notes")
    archive = exported(database_url, "notes")
    assert b"default-long" not in archive
    async with opened(third_url) as bench:
        [there] = await made(bench.memories, fact("was there before"))
        imported(third_url, archive, "minutes")
        memories, records = await state(bench.memories, container_id="minutes")
        async with opened(database_url) as source:
            originals, told = await state(source.memories, container_id="notes")
        # The same but for the container, and for numbers that are the tenant's own.
        assert [replace(each, arrival=0, change=0) for each in memories] == [
            replace(each, container_id="minutes", arrival=0, change=0) for each in originals
        ]
        assert [(each.id, each.changes, each.actor, each.reason, each.created_at) for each in records] == [
            (each.id, each.changes, each.actor, each.reason, each.created_at) for each in told
        ]
        # The change feed sees it after what was there, in the order in which it happened.
        places = [(each.change, each.position) for each in records]
        assert places == sorted(places)
        assert min(places) > (there.change, 0)
        assert [each.arrival for each in sorted(memories, key=lambda each: each.arrival)] == [
            each.arrival for each in memories_in_order_of(memories, originals)
        ]
        await made(bench.memories, fact("is there after"))
        assert (await state(bench.memories))[1][-1].change > places[-1][0]
    assert exported(third_url, "minutes").replace(b'"minutes"', b'"notes"')[:2_000] == archive[:2_000]


async def test_what_was_taken_in_is_found_by_its_words(database_url: str, other_url: str) -> None:
    async with opened(database_url) as bench:
        kept, gone = await made(bench.memories, fact("The lighthouse is blue."), fact("The lighthouse was red."))
        request = DeleteMemory(memory_type=gone.type, id=gone.id)
        assert (await bench.memories.delete_memory(ANN, request)).counts.deleted == 1
    imported(other_url, exported(database_url))
    async with opened(other_url) as bench:
        asked = SearchRequest(stems=query_stems("Where are the lighthouses?"), size=10, candidates=100)
        found = await bench.memories.search_memories(ANN, MemoryQuery(), asked)
        assert [hit.memory.id for hit in found.hits] == [kept.id]


def memories_in_order_of(memories: list[Any], originals: list[Any]) -> list[Any]:
    by_id = {each.id: each for each in memories}
    return [by_id[each.id] for each in sorted(originals, key=lambda each: each.arrival)]


async def test_life_goes_on_after_an_import(database_url: str, other_url: str) -> None:
    await fill(database_url, entries=5)
    imported(other_url, exported(database_url))
    async with opened(other_url) as bench:
        memories, _ = await state(bench.memories)
        for memory_id in [memory.id for memory in memories]:
            # Read again, since every change of an entry raises its session.
            memory = (await bench.memories.memories(ANN, [memory_id]))[memory_id]
            page = (await bench.memories.histories(ANN, [memory.id], EVERYTHING))[memory.id]
            assert [record.version for record in page.rows] == list(range(memory.version, 0, -1))
            assert repr(replay(page.rows[::-1])) == repr(memory.values)
            outcome = await update_as_ann(bench.memories, changed(memory, if_version=memory.version, **_new(memory)))
            assert outcome.outcomes[0].version == memory.version + 1, outcome
        # An entry is found by its key, and a deleted session comes back as its next version.
        entry = ContextEntry(id="e1", given={"content": "changed here"})
        answer = await bench.memories.update_context_memory(
            ANN, UpdateContextMemory(session_id="default-long", entries=(entry,))
        )
        assert answer.outcomes[0].status is WriteStatus.UPDATED
        [again] = await made(bench.memories, session("default-gone-False"))
        assert again.version == 4
        answer = await bench.memories.update_context_memory(ANN, context("default-gone-False", "a"))
        assert answer.outcomes[0].version == 3


def _new(memory: Any) -> dict[str, Any]:
    return {"metadata" if memory.type is MemoryType.SESSION else "tags": {"changed": "here"}}


async def test_memories_whose_history_was_cut_travel_too(database_url: str, other_url: str) -> None:
    await fill(database_url, entries=5)
    with raw(database_url) as connection:
        connection.execute("DELETE FROM history WHERE version = 1")
        connection.execute("DELETE FROM history WHERE memory_id = 'default-long'")
        # As an erased memory leaves it.
        connection.execute("DELETE FROM memory WHERE id = 'default-gone-False'")
        connection.execute("DELETE FROM history WHERE memory_id = 'default-gone-False'")
        connection.execute(
            "INSERT INTO history SELECT tenant_id, 'default-gone-False', 3, memory_type, container_id, session_id,"
            " namespace, change + 10000, 0, 'ERASE', '[]', actor, reason, created_at, content_updated_at, owner,"
            " guarded FROM history WHERE memory_type = 'SESSION' LIMIT 1"
        )
    for container_id in (None, "default"):
        archive = exported(database_url, container_id)
        caller = Caller(tenant=f"of {container_id}", subject="ann", scopes=EVERY_SCOPE)
        imported(other_url, archive, caller=caller)
        assert exported(other_url, container_id, caller) == archive
        assert archive.count(b'"action":"ERASE"') == 1


async def test_an_empty_container_travels(database_url: str, other_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, fact())
    add_container(database_url, "empty")
    archive = exported(database_url, "empty")
    imported(other_url, archive)
    assert exported(other_url, "empty") == archive


async def test_an_export_is_of_one_moment_and_of_one_tenant(database_url: str) -> None:
    await fill(database_url, entries=200)
    before = exported(database_url)
    async with opened(database_url) as bench:
        await made(bench.memories, fact("of somebody else"), caller=STRANGER)
        with exporting(engine_for(database_url, writer_lanes=1), ANN, None) as export:
            lines = export.lines()
            taken = [next(lines) for _ in range(3)]
            await made(bench.memories, fact("too late"))
            await bench.memories.update_context_memory(ANN, context("default-long", "e1", text="too late"))
            taken += lines
    assert b"".join(taken) == before
    assert b"of somebody else" not in exported(database_url)
    assert b"too late" in exported(database_url)


async def test_what_is_not_there_is_not_exported(database_url: str) -> None:
    with pytest.raises(NothingToExport, match=r"There is no tenant acme\."):
        exported(database_url)
    async with opened(database_url) as bench:
        await made(bench.memories, fact())
    with pytest.raises(NothingToExport, match=r"There is no container notes in the tenant acme\."):
        exported(database_url, "notes")
    with pytest.raises(NothingToExport, match=r"There is no container default in the tenant globex\."):
        exported(database_url, "default", STRANGER)


def changed_line(number: int, was: str, now: str) -> Damage:
    def damage(lines: list[bytes]) -> list[bytes]:
        line = lines[number - 1].decode()
        assert re.search(was, line), line
        return [*lines[: number - 1], re.sub(was, now, line, count=1).encode("utf-8", "surrogatepass"), *lines[number:]]

    return damage


BAD: dict[str, tuple[Damage, str]] = {
    "not JSON": (lambda lines: [*lines[:3], b"what?\n", *lines[4:]], r"Line 4 is not JSON"),
    "not UTF-8": (lambda lines: [*lines[:3], b'{"kind":"\xff"}\n', *lines[4:]], r"Line 4 is not JSON"),
    "no object": (lambda lines: [*lines[:3], b"[]\n", *lines[4:]], r"Line 4 is not a JSON object"),
    "NaN": (changed_line(4, r'"version":1', '"version":NaN'), r"Line 4 is not JSON"),
    "a lone surrogate": (changed_line(4, r'"memory":"[^"]*"', r'"memory":"\\ud800"'), r"Line 4 is not JSON"),
    "other spelling": (changed_line(4, r'"version":1', '"version": 1'), r"Line 4 is not written as mnesis export"),
    "a key twice": (changed_line(4, r'"version":1', '"version":1,"version":1'), r"Line 4 is not written as"),
    "unknown kind": (changed_line(4, r'"kind":"memory"', '"kind":"note"'), r"Line 4 is of the unknown kind note"),
    "unknown member": (changed_line(4, r'"version":1', '"version":1,"x":1'), r"Line 4 has an unknown member x"),
    "another format": (changed_line(1, "mnesis", "other"), r"Line 1 does not begin an export"),
    "a later version": (changed_line(1, r'"version":1', '"version":2'), r"Line 1 says that this is version 2 of the"),
    "holding nothing known": (changed_line(1, '"tenant"', '"world"'), r"Line 1 must say whether"),
    "no header": (lambda lines: lines[1:], r"Line 1 must be the header"),
    "two headers": (lambda lines: [lines[0], *lines], r"Line 2 must not be the header"),
    "no container": (lambda lines: [lines[0], *lines[2:]], r"Line 2 must be a container"),
    "a container twice": (lambda lines: [*lines[:2], *lines[1:]], r"Line 3 is the container default a second time"),
    "a late container": (lambda lines: [*lines, lines[1]], r"is a container after the first record"),
    "two in a container's": (
        lambda lines: [lines[0].replace(b'"tenant"', b'"container"'), lines[1], lines[1], *lines[2:]],
        r"Line 3 is a second container",
    ),
    "a container without a name": (changed_line(2, r'"name":"default",', ""), r"Line 2 must have a value as name"),
    "a duplicated record": (lambda lines: [*lines[:3], lines[2], *lines[3:]], r"Line 4 stands after a later change"),
    "a duplicated memory": (lambda lines: [*lines[:4], lines[3], *lines[4:]], r"Line 5 is the memory .* a second time"),
    "reordered": (lambda lines: [*lines[:4], *lines[6:], *lines[4:6]], r"stands after a later change"),
    "a missing version": (lambda lines: [*lines[:12], *lines[13:]], r"Line 13 is version 3 of .* version 2 must come"),
    "a wrong version": (changed_line(4, r'"version":1', '"version":7'), r"Line 4 is version 7, and the history ends"),
    "a wrong change": (changed_line(4, r'"change":1', '"change":2'), r"Line 4 is not of the change that made its last"),
    "a missing memory": (lambda lines: [*lines[:3], *lines[4:]], r"Line 3 tells of .*, which the file does not hold"),
    "version 0": (changed_line(3, r'"version":1', '"version":0'), r"Line 3 has a version that is not between 1 and"),
    "version true": (changed_line(3, r'"version":1', '"version":true'), r"Line 3 must have a whole number as version"),
    "no id": (changed_line(4, r'"id":"[^"]*"', '"id":"no id"'), r"Line 4 has as id what cannot be an id"),
    "a container's id": (changed_line(4, r'"id":"[^"]*"', '"id":"default"'), r"Line 4 has the id of a container"),
    "an unknown container": (
        changed_line(4, r'"container_id":"default"', '"container_id":"nowhere"'), r"Line 4 names the container nowhere",
    ),
    "no time": (changed_line(3, r'"created_at":"[^"]*"', '"created_at":"today"'), r"Line 3 must have a time"),
    "a time that never was": (
        changed_line(3, r'"created_at":"\d{4}-\d\d', '"created_at":"2026-13'), r"Line 3 must have a time",
    ),
    "an unknown type": (changed_line(3, r'"LONG_TERM"', '"SHORT"'), r"Line 3 has the unknown word SHORT"),
    "a type without fields": (changed_line(3, r'"LONG_TERM"', '"HISTORY"'), r"Line 3 has a memory_type that has no"),
    "a value of another type": (changed_line(4, r'"pinned":false', '"pinned":"no"'), r"Line 4 has a value of the"),
    "a change of another type": (
        changed_line(3, r'"after":"[^"]*"', '"after":7'), r"Line 3 has a value of the wrong type as memory",
    ),
    "no change": (changed_line(3, r'"changes":\[', '"changes":[7,'), r"Line 3 has in changes what is not an object"),
    "NUL": (changed_line(4, r'"memory":"[^"]*"', r'"memory":"\\u0000"'), r"Line 4 holds what cannot be stored in mem"),
    "NUL in the history": (changed_line(3, r'"after":"[^"]*"', r'"after":"\\u0000"'), r"Line 3 holds what cannot be"),
    "nothing remembered": (changed_line(4, r'"memory":"[^"]*"', '"memory":""'), r"Line 4 holds what cannot be"),
    "an entry without a session": (changed_line(4, r'"namespace"', '"entry_id":"e","namespace"'), r"Line 4 must"),
    "an entry of no session": (
        changed_line(10, r'"session_id":"s"', '"session_id":"t"'),
        r"Line 10 is an entry of the session t, which the file does not hold",
    ),
    "an entry twice": (changed_line(11, r'"entry_id":"e2"', '"entry_id":"e1"'), r"Line 11 is the entry e1 of the"),
    "an arrival twice": (changed_line(11, r'"arrival":\[3,1\]', '"arrival":[3,0]'), r"Line 11 has the arrival of"),
    "an arrival to come": (changed_line(4, r'"arrival":\[1,0\]', '"arrival":[9,0]'), r"Line 4 must have an arrival"),
}  # fmt: skip


@pytest.fixture
async def small(database_url: str) -> bytes:
    """A fact (lines 3 to 7, three versions and another between), and a session with two entries."""
    async with opened(database_url) as bench:
        [first] = await made(bench.memories, fact("first"))
        outcome = await bench.memories.update_context_memory(ANN, context("s"))
        assert outcome.session is not None
        await bench.memories.update_context_memory(ANN, context("s", "e1", "e2"))
        [second] = await made(bench.memories, fact("second"))
        for number in range(2):
            await update_as_ann(bench.memories, changed(second, tags={"n": number}))
        assert first.version == 1
    return exported(database_url)


@pytest.mark.parametrize("name", BAD)
async def test_what_export_would_not_have_written_is_refused(small: bytes, third_url: str, name: str) -> None:
    damage, fact_told = BAD[name]
    lines = small.splitlines(keepends=True)[:-1]
    refused(third_url, sealed(damage(lines)), fact_told)
    # The table says where the fault is, not that the rest is at fault.
    assert sealed(lines) == small


BAD_ANYWHERE: dict[str, tuple[str, str, str]] = {
    "no base64": (r'"binary_data":"[^"]+"', '"binary_data":"?"', r"has as binary_data what is not base64\."),
    "loose base64": (r'"binary_data":"[^"]+"', '"binary_data":"AB=="', r"has as binary_data what is not base64\."),
    "no base64 in the history": (
        r'"field":"binary_data","after":"[^"]+"', '"field":"binary_data","after":"?"', r"has as binary_data what is",
    ),
    "an unknown payload": (r'"payload_type":"DATA"', '"payload_type":"X"', r"has the unknown word X as payload_type\."),
    "no message": (r'"messages":\[\{"role":"user","text":""\}', '"messages":[{"role":"user"}', r"has in messages what"),
    "a message and more": (r'\{"role":"user","text":""\}', '{"role":"user","text":"","x":1}', r"has in messages what"),
    "parts that are none": (r'"parts":\[\]', '"parts":[1]', r"has in messages what is not a message\."),
    "no number of messages": (r'"kind":"APPEND","before":\d+', '"kind":"APPEND","before":-1', r"has no number of"),
    "nothing appended": (
        r'"kind":"APPEND","before":\d+,"after":\[[^]]*\]', '"kind":"APPEND","before":1', r"has appended messages with",
    ),
    "text that is appended": (
        r'"field":"content","before":"[^"]*","after"', '"field":"content","kind":"APPEND","before":1,"after"',
        r"appends to content, which is no list of messages\.",
    ),
    "a change of no time": (
        r'"field":"created_at","before":"[^"]*"', '"field":"created_at","before":7', r"must have a time such as",
    ),
    "a namespace that is none": (
        r'"field":"namespace","before":\{\}', '"field":"namespace","before":"x"', r"wrong type as namespace\.",
    ),
    "counts in a list": (
        r'"field":"entries","kind":"ENTRIES","after":\{[^}]*\}', '"field":"entries","kind":"ENTRIES","after":[]',
        r"has a value of the wrong type as entries\.",
    ),
    "a type that is no memory's": (r'"type":"SESSION"', '"type":"HISTORY"', r"has a type that is no memory's\."),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ANYWHERE)
async def test_values_that_export_would_not_have_written_are_refused(
    sqlite_url: str, third_url: str, name: str
) -> None:
    was, now, fact_told = BAD_ANYWHERE[name]
    await fill(sqlite_url, entries=3)
    archive = exported(sqlite_url).decode()
    assert re.search(was, archive)
    damaged = re.sub(was, now, archive, count=1).encode()
    refused(third_url, sealed(damaged.splitlines(keepends=True)[:-1]), rf"Line \d+ .*{fact_told}")


def refused(url: str, archive: bytes, fact_told: str, **options: Any) -> None:
    before = contents(url)
    with pytest.raises((BadArchive, CannotImport), match=fact_told) as told:
        imported(url, archive, **options)
    assert str(told.value).endswith(".")
    assert "\n" not in str(told.value)
    assert contents(url) == before


def contents(url: str) -> list[Any]:
    tables = ("tenant", "container", "memory", "history", "idempotency")
    return [rows(url, f"SELECT * FROM {table}") for table in tables]


@pytest.mark.parametrize(
    ("damage", "fact_told"),
    [
        (lambda archive: b"", r"The file is empty\."),
        (lambda archive: archive[:-10], r"Line 16 is cut off\."),
        (lambda archive: b"".join(archive.splitlines(keepends=True)[:-1]), r"The file ends after line 15 without"),
        (lambda archive: archive.replace(b"second", b"sec0nd"), r"Line 16 has another checksum"),
        (lambda archive: archive + archive, r"Line 17 comes after the end\."),
        (lambda archive: archive + b"\n", r"Line 17 is not JSON"),
        (lambda archive: archive.replace(b'"memories":5', b'"memories":6'), r"counts 1 containers, 8 records and 6"),
        (lambda archive: b"\x00" * 40_000_000, r"Line 1 is longer than a memory can be\."),
        (lambda archive: b"[" * 100_000 + b"\n", r"Line 1 is not JSON"),
    ],
)  # fmt: skip
async def test_a_file_that_is_not_whole_is_refused(
    small: bytes, third_url: str, damage: Callable[[bytes], bytes], fact_told: str
) -> None:
    refused(third_url, damage(small), fact_told)


async def test_only_an_empty_place_is_filled(small: bytes, database_url: str, other_url: str) -> None:
    refused(database_url, small, r"The tenant acme is not empty")
    part = exported(database_url, "default")
    refused(database_url, part, r"The container default of the tenant acme is not empty")
    refused(database_url, part, r"Line 3 has the id .*, which a memory in the tenant acme has", container_id="other")
    refused(database_url, part, r"A memory of the tenant acme has the id s already", container_id="s")
    refused(other_url, small, r"The file holds a whole tenant: leave out --container\.", container_id="other")
    refused(other_url, part, r"Line 5 has the id s, as the container has\.", container_id="s")
    imported(other_url, part)
    add_container(database_url, "free")
    async with opened(database_url) as bench:
        await made(bench.memories, fact("of a stranger"), caller=STRANGER)
    refused(database_url, part, r"The container default of the tenant globex is not empty", caller=STRANGER)
    imported(database_url, part, "free", caller=STRANGER)
    assert rows(database_url, "SELECT name FROM container WHERE tenant_id = 'globex' ORDER BY id") == [
        ("default",), ("free",),
    ]  # fmt: skip


async def test_an_id_that_a_container_has_is_refused(small: bytes, third_url: str) -> None:
    async with opened(third_url) as bench:
        [there] = await made(bench.memories, fact())
    add_container(third_url, "s")
    part = small.splitlines(keepends=True)[:-1]
    part[0] = part[0].replace(b"tenant", b"container")
    refused(third_url, sealed(part), r"Line 5 has the id s, which a container in the tenant acme", container_id="new")
    assert there.version == 1


async def test_what_is_larger_than_the_limits_allow_is_refused(small: bytes, third_url: str) -> None:
    refused(third_url, small, r"Line 4 holds what cannot be stored in memory: .* 4", limits=Limits(text_bytes=4))
    refused(third_url, small, r"Line 4 holds what cannot be stored: .* 4", limits=Limits(memory_bytes=4))


async def test_what_an_import_wrote_goes_when_the_database_refuses_the_rest(database_url: str, other_url: str) -> None:
    await fill(database_url, entries=1_200)
    archive = exported(database_url)
    last = orjson.loads(archive.splitlines()[-2])  # The tombstone of the last one deleted.
    meddler = Meddler(other_url, after_bytes=len(archive) - 2_000, memory_id=last["id"])
    if is_sqlite(other_url):
        # Nobody else can write to SQLite in the middle of a transaction.
        with raw(other_url) as connection:
            connection.execute(
                f"CREATE TRIGGER refusal BEFORE INSERT ON memory WHEN new.id = '{last['id']}'"
                " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            )
    with pytest.raises(ImportStopped, match=r"The import stopped, and nothing of it is left: .*\.$"):
        imported(other_url, archive, advance=meddler)
    assert meddler.committed > 500
    # Only what somebody else wrote meanwhile is there.
    assert rows(other_url, "SELECT id FROM memory") == ([] if is_sqlite(other_url) else [(last["id"],)])
    assert rows(other_url, "SELECT count(*) FROM history") == [(0,)]
    assert rows(other_url, "SELECT count(*) FROM idempotency") == [(0,)]
    assert rows(other_url, "SELECT id FROM container") == [("default",)]


class Meddler:
    """Writes a memory with an id that the archive holds too, once so much of it was read."""

    def __init__(self, url: str, *, after_bytes: int, memory_id: str) -> None:
        self._id = memory_id
        self.committed = 0
        self._url = url
        self._left = after_bytes

    def __call__(self, read_bytes: int) -> None:
        was, self._left = self._left, self._left - read_bytes
        if was > 0 >= self._left:
            self.committed = rows(self._url, "SELECT count(*) FROM memory")[0][0]
            if is_sqlite(self._url):
                return
            with raw(self._url) as connection:
                connection.execute(
                    "INSERT INTO memory (tenant_id, id, memory_type, container_id, namespace, version, created_at,"
                    " updated_at, content_updated_at, arrival, change, deleted, memory)"
                    " VALUES ('acme', %s, 'LONG_TERM', 'default', '{}', 1, 0, 0, 0, 0, 0, false, 'x')",
                    [self._id],
                )


async def test_an_import_that_is_interrupted_leaves_nothing(database_url: str, other_url: str) -> None:
    await fill(database_url, entries=1_200)
    archive = exported(database_url)
    left = len(archive) - 5_000

    def interrupt(read_bytes: int) -> None:
        nonlocal left
        left -= read_bytes
        if left < 0:
            assert rows(other_url, "SELECT count(*) FROM memory")[0][0] > 500
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imported(other_url, archive, advance=interrupt)
    assert contents(other_url)[2:] == [[], [], []]
    imported(other_url, archive)
    assert exported(other_url) == archive


KILLED = """
import os, sys
from tests.storage.archives import imported
archive = open(sys.argv[2], "rb").read()
left = len(archive) - 5_000
def advance(read_bytes):
    global left
    left -= read_bytes
    if left < 0:
        os._exit(9)
imported(sys.argv[1], archive, advance=advance)
"""


async def test_what_a_killed_import_left_is_removed_by_the_next_one(
    database_url: str, other_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(database_url, entries=1_200)
    archive = exported(database_url)
    (tmp_path / "archive").write_bytes(archive)
    command = [sys.executable, "-c", KILLED, other_url, str(tmp_path / "archive")]
    killed = await asyncio.to_thread(lambda: subprocess.run(command, cwd=Path(__file__).parents[2]))
    assert killed.returncode == 9
    assert rows(other_url, "SELECT count(*) FROM memory")[0][0] > 500
    refused(other_url, archive, r"An import into the same place wrote \d+ seconds ago and may be running")
    refused(other_url, exported(database_url, "default"), r"may be running")
    monkeypatch.setattr(importing, "RUNNING_S", 0.0)
    # What is changed meanwhile goes too, with its new history.
    async with opened(other_url) as bench:
        [memory] = (await bench.memories.list_memories(ANN, MemoryQuery(), PageRequest(size=1))).rows
        await update_as_ann(bench.memories, changed(memory, **_new(memory)))
    imported(other_url, archive)
    assert exported(other_url) == archive
    assert contents(other_url)[4] == []


async def test_others_write_while_an_import_runs_and_the_order_of_changes_holds(
    database_url: str, other_url: str
) -> None:
    await fill(database_url, entries=1_200)
    part = exported(database_url, "default")
    order = "SELECT change, position FROM history ORDER BY change, position"
    async with opened(other_url) as bench:
        own = [(await made(bench.memories, fact("before")))[0].change]
        importing_it = asyncio.create_task(asyncio.to_thread(imported, other_url, part, "new"))
        seen: list[Any] = []
        while not importing_it.done():
            own.append((await made(bench.memories, fact("meanwhile")))[0].change)
            found = rows(other_url, order)
            # Whoever follows the changes misses none: what is new comes at the end.
            assert found[: len(seen)] == seen
            seen = found
        await importing_it
        memories, records = await state(bench.memories, container_id="new")
    async with opened(database_url) as bench:
        originals, told = await state(bench.memories)
    assert [each.id for each in memories] == [each.id for each in originals]
    assert [each.id for each in records] == [each.id for each in told]
    assert [each.id for each in sorted(memories, key=lambda each: each.arrival)] == [
        each.id for each in sorted(originals, key=lambda each: each.arrival)
    ]
    assert {record.change for record in records}.isdisjoint(own)
    if not is_sqlite(other_url):  # It asks for its lock now and then, and may come last.
        assert any(records[0].change < change < records[-1].change for change in own)


async def test_memory_stays_flat(database_url: str, other_url: str) -> None:
    text = "Twenty kilobytes of what somebody said. " * 500
    async with opened(database_url) as bench:
        for _ in range(15):
            await made(bench.memories, *(fact(text) for _ in range(150)))
    with tempfile.TemporaryFile() as archive:
        with exporting(engine_for(database_url, writer_lanes=1), ANN, None) as export, sampled() as sample:
            for line in export.lines():
                archive.write(line)
                sample(0)
        assert archive.tell() > 85_000_000
        assert sample.most < 40
        incoming = Import(engine_for(other_url, writer_lanes=1), Limits(), ANN, None)
        with sampled() as sample:
            incoming.prepare(archive)
            incoming.check(archive, advance=sample)
            incoming.write(archive, advance=sample)
        assert sample.most < 40
    assert exported(other_url) == exported(database_url)


@contextmanager
def sampled() -> Iterator["Growth"]:
    gc.collect()
    yield Growth()


class Growth:
    """How much more memory the process has had, in MB, than at first."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._at_first = self._process.memory_info().rss
        self._calls = 0
        self.most = 0.0

    def __call__(self, read_bytes: int) -> None:
        self._calls += 1
        if self._calls % 50 == 0:
            self.most = max(self.most, (self._process.memory_info().rss - self._at_first) / 1e6)
