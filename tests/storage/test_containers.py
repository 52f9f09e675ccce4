"""Containers on real databases: settings, deletion with other writers in between, and ids that race."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from mnesis.domain.containers import (
    Container,
    ContainerDeletion,
    ContainerSettings,
    ContainerUpdate,
    NewContainer,
    RetentionRule,
)
from mnesis.domain.filters import MemoryFilter
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType, WriteStatus
from mnesis.domain.refusals import ContainerNotEmpty
from mnesis.storage import containers
from mnesis.storage.archive_checks import BadArchive
from mnesis.storage.database import engine_for
from mnesis.storage.exporting import NothingToExport
from mnesis.storage.importing import CannotImport, Import
from mnesis.usecases import containers as container_use_cases
from mnesis.usecases import removing
from mnesis.usecases.ports import ContainerOutcome, Cursor, MemoryQuery, PageRequest, RemovalCounts
from mnesis.usecases.requests import (
    CreateContainer,
    CreateMemories,
    DeleteContainer,
    DeleteMemory,
    EraseMemories,
    RestoreMemory,
    UpdateContainer,
)
from tests.storage.archives import exported, imported, sealed
from tests.storage.workbench import ANN, STRANGER, Bench, context, entry, fact, made, opened, session, update
from tests.storage.workbench import changed as changed_memory

pytestmark = pytest.mark.anyio

ALL = PageRequest(size=5_000)
RETENTION = {MemoryType.SESSION: RetentionRule(days=30, count=1000), MemoryType.HISTORY: RetentionRule(count=5)}
FULL: dict[str, Any] = {"name": "Work \U0001f9e0", "description": "d", "metadata": {"b": [1, None], "a": 1.5}}


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    async with opened(database_url) as bench:
        yield bench


async def create(
    bench: Bench, container_id: str | None = "c", key: str | None = None, **given: Any
) -> ContainerOutcome:
    command = NewContainer(id=container_id, settings=ContainerSettings(given=given))
    return await bench.memories.create_container(ANN, CreateContainer(container=command, idempotency_key=key))


async def change(bench: Bench, container_id: str = "c", key: str | None = None, **given: Any) -> ContainerOutcome:
    command = ContainerUpdate(id=container_id, settings=ContainerSettings(given=given))
    return await bench.memories.update_container(ANN, UpdateContainer(container=command, idempotency_key=key))


async def drop(bench: Bench, container_id: str = "c", *, key: str | None = None, **given: Any) -> ContainerOutcome:
    """With its memories, unless it is told otherwise."""
    dry_run, reason = given.pop("dry_run", False), given.pop("reason", None)
    command = ContainerDeletion(id=container_id, **{"delete_memories": True, **given})
    request = DeleteContainer(container=command, dry_run=dry_run, reason=reason, idempotency_key=key)
    return await bench.memories.delete_container(ANN, request)


async def stored(bench: Bench, container_id: str = "c") -> Container:
    return (await bench.memories.containers(ANN, [container_id]))[container_id]


def codes(outcome: Any) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


async def held(bench: Bench, container_id: str = "c") -> int:
    return (await bench.memories.count_memories_of(ANN, [container_id]))[container_id]


async def fill(bench: Bench, memories: int, container_id: str = "c") -> None:
    for start in range(0, memories, 1_000):
        items = tuple(
            replace(fact(f"f{n}"), container_id=container_id) for n in range(start, min(memories, start + 1_000))
        )
        outcome = await bench.memories.create_memories(ANN, CreateMemories(items=items))
        assert outcome.counts.created == len(items)


async def test_settings_come_back_as_they_were_given(bench: Bench) -> None:
    outcome = await create(bench, **FULL, retention=RETENTION)
    assert (outcome.status, outcome.version) == (WriteStatus.CREATED, 1)
    found = await stored(bench)
    assert found == outcome.container
    assert (found.name, found.description, found.metadata) == (FULL["name"], "d", FULL["metadata"])
    assert found.retention == RETENTION
    assert list(found.metadata or ()) == ["b", "a"]
    assert (await change(bench, name=FULL["name"])).status is WriteStatus.UNCHANGED
    cleared = await change(bench, description=None, metadata=None, retention={MemoryType.SESSION: None})
    assert (cleared.status, cleared.version) == (WriteStatus.UPDATED, 2)
    found = await stored(bench)
    assert found == cleared.container
    assert (found.description, found.metadata, set(found.retention)) == (None, None, {MemoryType.HISTORY})


async def test_the_default_container_can_be_set_but_not_deleted(bench: Bench) -> None:
    outcome = await change(bench, "default", retention=RETENTION)
    assert (outcome.status, outcome.version) == (WriteStatus.UPDATED, 2)
    refused = await drop(bench, "default")
    [refusal] = refused.refusals
    assert refusal.message == "The default container always exists and cannot be deleted."
    assert (await stored(bench, "default")).retention == RETENTION


async def test_a_container_with_memories_is_refused_with_their_number(bench: Bench) -> None:
    await create(bench)
    await made(bench.memories, replace(session("s"), container_id="c"))
    await bench.memories.update_context_memory(ANN, context("s", "1", "2"))
    for dry_run in (True, False):
        refused = await drop(bench, delete_memories=False, dry_run=dry_run)
        assert refused.refusals == (ContainerNotEmpty(path=("delete_memories",), id="c", memories=3),)
        assert (refused.status, refused.removed) == (WriteStatus.FAILED, RemovalCounts())
    dry = await drop(bench, dry_run=True)
    assert (dry.refusals, dry.version, dry.removed) == ((), 2, RemovalCounts(sessions=1, working=2))
    assert await held(bench) == 3
    assert codes(await drop(bench, "nowhere", dry_run=True)) == ["NOT_FOUND"]


async def test_a_deletion_takes_the_memories_along_in_one_transaction_where_they_are_few(bench: Bench) -> None:
    await create(bench)
    await made(bench.memories, replace(session("s"), container_id="c"), fact("stays"))
    await bench.memories.update_context_memory(ANN, context("s", "1", "2"))
    begun = bench.watched.begun()
    gone = await drop(bench, reason="No longer needed.")
    assert bench.watched.begun() == begun + 1
    assert (gone.status, gone.version, gone.removed) == (WriteStatus.DELETED, 2, RemovalCounts(sessions=1, working=2))
    assert (await stored(bench)).deleted
    assert await held(bench) == 0
    assert await held(bench, "default") == 1
    [record, *_] = (await bench.memories.histories(ANN, ["s"], ALL))["s"].rows
    assert (record.action, record.reason) == ("DELETE", "No longer needed.")


async def test_more_memories_go_in_steps_with_other_writers_in_between(bench: Bench) -> None:
    await create(bench)
    await fill(bench, 1_900)
    await made(bench.memories, replace(session("long"), container_id="c"))
    for start in range(0, 1_200, 600):
        keys = [f"e{number}" for number in range(start, start + 600)]
        await bench.memories.update_context_memory(ANN, context("long", *keys))
    deleting = asyncio.ensure_future(drop(bench))
    written = 0
    while not deleting.done():
        await made(bench.memories, fact("elsewhere"))
        written += 1
    gone = await deleting
    assert gone.removed == RemovalCounts(sessions=1, working=1_200, long_term=1_900)
    assert written > 1
    assert await held(bench, "default") == written
    assert (await held(bench), (await stored(bench)).deleted) == (0, True)


async def test_what_writes_while_a_container_goes_is_in_a_live_one_or_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few memories at a time, so that a small container goes in many steps.
    monkeypatch.setattr(removing, "STEP", 5)
    monkeypatch.setattr(containers, "TAKEN_ALONG", 5)
    await create(bench)
    await fill(bench, 60)
    fates: list[bool] = []

    async def write() -> None:
        while not fates or fates[-1]:
            outcome = await bench.memories.create_memories(
                ANN, CreateMemories(items=(replace(fact("late"), container_id="c"),))
            )
            fates.append(outcome.counts.created == 1)

    writing = asyncio.ensure_future(write())
    gone = await drop(bench)
    while codes(gone) == ["CONTAINER_NOT_EMPTY"]:
        gone = await drop(bench)
    await asyncio.wait_for(writing, 30)
    assert gone.status is WriteStatus.DELETED
    assert (await held(bench), (await stored(bench)).deleted) == (0, True)
    found = await bench.memories.count_memories(ANN, MemoryQuery(container_id="c"))
    assert found == 0


async def test_a_container_that_others_keep_filling_is_given_up_and_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "TAKEN_ALONG", 0)
    monkeypatch.setattr(container_use_cases, "ROUNDS", 1)
    await create(bench)
    await fill(bench, 3)
    given_up = await drop(bench, key="k")
    assert given_up.refusals == (ContainerNotEmpty(path=("id",), id="c", memories=3),)
    assert given_up.removed == RemovalCounts(long_term=3)
    # The same request goes on with the rest and tells of all.
    await fill(bench, 2)
    monkeypatch.setattr(containers, "TAKEN_ALONG", 2)
    gone = await drop(bench, key="k")
    assert (gone.status, gone.removed, gone.replayed) == (WriteStatus.DELETED, RemovalCounts(long_term=5), False)
    repeated = await drop(bench, key="k")
    assert (repeated.status, repeated.version, repeated.removed, repeated.replayed) == (
        WriteStatus.DELETED, 2, gone.removed, True,
    )  # fmt: skip


async def test_a_deleted_container_takes_nothing_in(bench: Bench) -> None:
    await create(bench)
    [memory] = await made(bench.memories, replace(fact("gone"), container_id="c"))
    await made(bench.memories, replace(session("s"), container_id="c"))
    await bench.memories.update_context_memory(ANN, context("s", "1"))
    await drop(bench)
    for item in (replace(fact(), container_id="c"), replace(session("t"), container_id="c"), entry("s", content="x")):
        outcome = await bench.memories.create_memories(ANN, CreateMemories(items=(item,)))
        assert codes(outcome.outcomes[0]) == ["NOT_FOUND"]
    claimed = await bench.memories.update_context_memory(ANN, replace(context("t", "1"), container_id="c"))
    assert codes(claimed) == ["NOT_FOUND"]
    assert codes((await update(bench.memories, changed_memory(memory, memory="x"))).outcomes[0]) == ["NOT_FOUND"]
    for memory_type, memory_id in ((MemoryType.LONG_TERM, memory.id), (MemoryType.SESSION, "s")):
        request = RestoreMemory(memory_type=memory_type, id=memory_id, version=1)
        [restored] = (await bench.memories.restore_memory(ANN, request)).outcomes
        [refusal] = restored.refusals
        assert refusal.message == 'The container "c" is deleted; create it again first.'
    assert await held(bench) == 0


async def test_a_deleted_id_goes_on_at_the_next_version_and_its_memories_can_come_back(bench: Bench) -> None:
    await create(bench, **FULL)
    [memory] = await made(bench.memories, replace(fact("gone"), container_id="c"))
    await drop(bench)
    for outcome in (await drop(bench), await change(bench, name="x")):
        assert codes(outcome) == ["NOT_FOUND"]
    again = await create(bench)
    assert (again.version, again.container and again.container.name) == (3, "c")
    assert await held(bench) == 0
    request = RestoreMemory(memory_type=MemoryType.LONG_TERM, id=memory.id, version=1)
    restored = await bench.memories.restore_memory(ANN, request)
    assert restored.outcomes[0].refusals == ()
    assert await held(bench) == 1


async def test_no_container_has_the_id_of_a_memory_nor_a_memory_that_of_a_container(bench: Bench) -> None:
    await made(bench.memories, session("s"), session("gone"))
    await bench.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.SESSION, id="gone"))
    for container_id, noun in (("s", "session"), ("gone", "deleted session"), ("default", "container")):
        [refusal] = (await create(bench, container_id)).refusals
        assert refusal.message == f'There is already a {noun} with the id "{container_id}".'
    await create(bench)
    await create(bench, "past")
    await drop(bench, "past")
    for container_id in ("c", "past"):
        outcome = await bench.memories.create_memories(ANN, CreateMemories(items=(session(container_id),)))
        assert codes(outcome.outcomes[0]) == ["ALREADY_EXISTS"]
        assert codes(await bench.memories.update_context_memory(ANN, context(container_id, "1"))) == ["ALREADY_EXISTS"]


@pytest.mark.parametrize("container_first", [True, False])
async def test_of_a_container_and_a_memory_that_race_for_an_id_one_gets_it(bench: Bench, container_first: bool) -> None:
    for number in range(10):
        one_id = f"id{number}"
        creation = asyncio.ensure_future(create(bench, one_id)) if container_first else None
        writing = asyncio.ensure_future(bench.memories.create_memories(ANN, CreateMemories(items=(session(one_id),))))
        container = await (creation or asyncio.ensure_future(create(bench, one_id)))
        memory = (await writing).outcomes[0]
        assert sorted([codes(container), codes(memory)]) == [[], ["ALREADY_EXISTS"]]


async def test_of_many_who_create_or_delete_a_container_one_does(bench: Bench) -> None:
    made_by = await asyncio.gather(*(create(bench) for _ in range(20)))
    assert sorted(codes(outcome) for outcome in made_by) == [[]] + [["ALREADY_EXISTS"]] * 19
    await fill(bench, 7)
    gone_by = await asyncio.gather(*(drop(bench) for _ in range(20)))
    assert sorted(codes(outcome) for outcome in gone_by) == [[]] + [["NOT_FOUND"]] * 19
    assert sum(outcome.removed.memories for outcome in gone_by) == 7


async def test_fifty_requests_with_one_key_write_once_and_answer_alike(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await asyncio.gather(*(create(bench, None, key="create", name="n") for _ in range(50)))
    assert len({(outcome.id, outcome.version, outcome.status) for outcome in created}) == 1
    assert sorted(outcome.replayed for outcome in created) == [False] + [True] * 49
    container_id = created[0].id
    assert container_id is not None
    updated = await asyncio.gather(*(change(bench, container_id, key="update", name="m") for _ in range(50)))
    assert {(outcome.version, outcome.status) for outcome in updated} == {(2, WriteStatus.UPDATED)}
    await fill(bench, 12, container_id)
    monkeypatch.setattr(removing, "STEP", 5)
    monkeypatch.setattr(containers, "TAKEN_ALONG", 5)
    deleted = await asyncio.gather(*(drop(bench, container_id, key="delete") for _ in range(50)))
    assert {(outcome.version, outcome.status, outcome.removed) for outcome in deleted} == {
        (3, WriteStatus.DELETED, RemovalCounts(long_term=12))
    }
    other = await create(bench, key="update")
    assert codes(other) == ["IDEMPOTENCY_CONFLICT"]
    assert await bench.memories.count_containers(ANN) == 1


async def test_a_refused_request_does_not_use_the_key_up(bench: Bench) -> None:
    await create(bench)
    await fill(bench, 1)
    assert codes(await drop(bench, delete_memories=False, key="k")) == ["CONTAINER_NOT_EMPTY"]
    gone = await drop(bench, key="k")
    assert (gone.status, gone.replayed) == (WriteStatus.DELETED, False)


async def test_a_key_that_is_taken_meanwhile_stops_a_deletion(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removing, "STEP", 5)
    monkeypatch.setattr(containers, "TAKEN_ALONG", 0)
    await create(bench)
    await create(bench, "d")
    await fill(bench, 12)
    await fill(bench, 12, "d")
    both = await asyncio.gather(drop(bench, "c", key="k"), drop(bench, "d", key="k"))
    [conflict] = [outcome for outcome in both if outcome.refusals]
    assert codes(conflict) == ["IDEMPOTENCY_CONFLICT"]
    assert conflict.removed == RemovalCounts()
    assert await held(bench, str(conflict.id)) == 12


async def test_pages_walk_all_containers_both_ways(bench: Bench) -> None:
    assert [each.id for each in (await bench.memories.list_containers(ANN, ALL)).rows] == ["default"]
    unwritten = await bench.memories.list_containers(ANN, PageRequest(size=1))
    assert (unwritten.cursors, unwritten.has_next) == ((Cursor(value=0, id="default"),), False)
    assert await bench.memories.count_containers(ANN) == 1
    for after, found in (("a", ["default"]), ("default", []), ("e", [])):
        page = await bench.memories.list_containers(ANN, PageRequest(size=9, after=Cursor(value=0, id=after)))
        assert [each.id for each in page.rows] == found
        before = PageRequest(size=9, before=Cursor(value=0, id=after), backward=True)
        assert [each.id for each in (await bench.memories.list_containers(ANN, before)).rows] == (
            ["default"] if after == "e" else []
        )
    names = [f"c{number}" for number in range(5)]
    for name in names:
        await create(bench, name)
    await drop(bench, "c2")
    order = ["c0", "c1", "c3", "c4", "default"]
    seen: list[str] = []
    page = await bench.memories.list_containers(ANN, PageRequest(size=2))
    seen += [each.id for each in page.rows]
    while page.has_next:
        page = await bench.memories.list_containers(ANN, PageRequest(size=2, after=page.cursors[-1]))
        assert page.has_previous
        seen += [each.id for each in page.rows]
    assert seen == order
    page = await bench.memories.list_containers(ANN, PageRequest(size=2, backward=True))
    assert ([each.id for each in page.rows], page.has_previous) == (["c4", "default"], True)
    page = await bench.memories.list_containers(ANN, PageRequest(size=9, backward=True, before=page.cursors[0]))
    assert ([each.id for each in page.rows], page.has_previous) == (["c0", "c1", "c3"], False)
    assert await bench.memories.count_containers(ANN) == 5
    assert [each.id for each in (await bench.memories.list_containers(STRANGER, ALL)).rows] == ["default"]


async def test_an_export_takes_settings_and_tombstones_along(bench: Bench, database_url: str, other_url: str) -> None:
    await create(bench, **FULL, retention=RETENTION)
    await change(bench, description="e")
    await made(bench.memories, replace(fact("kept"), container_id="c"))
    await create(bench, "past")
    [gone] = await made(bench.memories, replace(fact("gone"), container_id="past"))
    await drop(bench, "past")
    await bench.memories.erase_memories(ANN, EraseMemories(filter=MemoryFilter(ids=frozenset({gone.id}))))
    archive = exported(database_url)
    imported(other_url, archive)
    assert exported(other_url) == archive
    async with opened(other_url) as other:
        for container_id in ("c", "past", "default"):
            assert await stored(other, container_id) == await stored(bench, container_id)


async def test_an_import_into_a_container_that_is_or_was_there_goes_on_at_its_next_version(
    bench: Bench, database_url: str, other_url: str
) -> None:
    await create(bench, **FULL)
    await made(bench.memories, replace(fact("kept"), container_id="c"))
    archive = exported(database_url, "c")
    async with opened(other_url) as other:
        await create(other)
        await drop(other)
        await create(other)
        await create(other, "d")
        await drop(other, "d")
    imported(other_url, archive)
    async with opened(other_url) as other:
        found = await stored(other)
        assert (found.name, found.version, found.deleted, await held(other)) == (FULL["name"], 4, False, 1)
    archive = exported(database_url, "default")
    imported(other_url, archive, "d")
    async with opened(other_url) as other:
        found = await stored(other, "d")
        assert (found.name, found.version, found.deleted) == ("d", 3, False)


async def test_a_deleted_container_is_not_exported_by_itself(bench: Bench, database_url: str) -> None:
    await create(bench)
    await drop(bench)
    with pytest.raises(NothingToExport):
        exported(database_url, "c")


def damaged(line: bytes, **columns: Any) -> bytes:
    return orjson.dumps({**orjson.loads(line), **columns}, option=orjson.OPT_APPEND_NEWLINE)


@pytest.mark.parametrize(
    ("columns", "fact_told"),
    [
        ({"version": 0}, "Line 2 has a version that is not 1 or more"),
        ({"deleted": True, "id": "default"}, "Line 2 tells of a deleted default container"),
        ({"retention": {"SESSION": 1}}, "Line 2 has as retention what are not rules by type"),
        ({"retention": {"NOTHING": {"days": 1}}}, "Line 2 has as retention what are not rules by type"),
        ({"retention": {"SESSION": {"days": "1"}}}, "Line 2 has a rule of retention that is no number"),
        ({"retention": {"SESSION": {"days": 0}}}, r"Line 2 holds what cannot be stored in retention\.session\.days"),
        ({"metadata": [1]}, "Line 2 must have an object as metadata"),
        ({"description": "d" * 1_001}, "Line 2 holds what cannot be stored in description"),
        ({"deleted": True}, "Line 4 lies in the container c, which is deleted"),
    ],
)
async def test_a_container_that_cannot_be_is_not_imported(
    bench: Bench, database_url: str, other_url: str, columns: dict[str, Any], fact_told: str
) -> None:
    await create(bench)
    await made(bench.memories, replace(fact(), container_id="c"))
    lines = exported(database_url, "c").splitlines(keepends=True)
    lines[0] = lines[0].replace(b'"container"', b'"tenant"')
    with pytest.raises(BadArchive, match=fact_told):
        imported(other_url, sealed([lines[0], damaged(lines[1], **columns), *lines[2:-1]]))


async def test_an_export_of_one_container_holds_a_live_one(bench: Bench, database_url: str, other_url: str) -> None:
    await create(bench)
    lines = exported(database_url, "c").splitlines(keepends=True)
    with pytest.raises(BadArchive, match="Line 2 is a deleted container"):
        imported(other_url, sealed([lines[0], damaged(lines[1], deleted=True)]))


async def test_an_import_gives_no_memory_the_id_that_a_container_has_got_meanwhile(
    bench: Bench, database_url: str, other_url: str
) -> None:
    await made(bench.memories, session("s"))
    archive = io.BytesIO(exported(database_url, "default"))
    async with opened(other_url) as other:
        incoming = Import(engine_for(other_url, writer_lanes=1), Limits(), ANN, None)
        incoming.prepare(archive)
        incoming.check(archive)
        await create(other, "s")
        with pytest.raises(CannotImport, match="A container of the tenant acme has got the id s meanwhile"):
            incoming.write(archive)
        assert await held(other, "default") == 0


async def test_an_import_deletes_no_container_that_is_there(bench: Bench, database_url: str, other_url: str) -> None:
    await create(bench)
    await drop(bench)
    async with opened(other_url) as other:
        await create(other, name="mine")
    imported(other_url, exported(database_url))
    async with opened(other_url) as other:
        found = await stored(other)
        assert (found.name, found.deleted, found.version) == ("mine", False, 1)
