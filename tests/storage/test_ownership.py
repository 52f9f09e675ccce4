"""Owners, roles and shared containers on real databases: what SQL lets be read is what the domain lets be written."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from mnesis.domain.access import may_enter, may_see
from mnesis.domain.caller import Caller, Scope
from mnesis.domain.commands import Batch, Changes, Create, Update
from mnesis.domain.containers import ContainerDeletion, ContainerSettings, ContainerUpdate, NewContainer
from mnesis.domain.entries import ContextEntry
from mnesis.domain.ids import RecordId
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType, WriteMode, WriteStatus
from mnesis.domain.refusals import Refusal
from mnesis.usecases.ports import ContainerOutcome, MemoryQuery, PageRequest, RecordQuery, SearchRequest
from mnesis.usecases.requests import (
    CreateContainer,
    CreateMemories,
    DeleteContainer,
    DeleteMemory,
    MemoryUpdate,
    RestoreMemory,
    UpdateContainer,
    UpdateContextMemory,
    UpdateMemories,
)
from tests.storage.archives import exported, imported
from tests.storage.workbench import ANN, Bench, made, opened

pytestmark = pytest.mark.anyio

ALL = PageRequest(size=5_000)
ROLES = ("readers", "team:a", "a+b=c,d.@-_/")
WRITES = frozenset({Scope.WRITE})
ADA = Caller(tenant="acme", subject="ada", scopes=WRITES)
BOB = Caller(tenant="acme", subject="bob", scopes=WRITES)
MATE = Caller(tenant="acme", subject="mate", scopes=WRITES, roles=frozenset({"readers"}))


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    async with opened(database_url) as bench:
        yield bench


async def container(
    bench: Bench, caller: Caller = ADA, container_id: str = "own", *, shared: bool = False, roles: tuple[str, ...] = ()
) -> ContainerOutcome:
    settings = ContainerSettings(given={"roles": roles})
    new = NewContainer(id=container_id, settings=settings, shared=shared)
    return await bench.memories.create_container(caller, CreateContainer(container=new))


def note(container_id: str = "own", text: str = "a note") -> Create:
    changes = Changes(memory_type=MemoryType.LONG_TERM, given={"memory": text})
    return Create(container_id=container_id, changes=changes)


def conversation(session_id: str = "talk", container_id: str = "own") -> Create:
    return Create(
        id=session_id,
        container_id=container_id,
        changes=Changes(memory_type=MemoryType.SESSION, given={"summary": "s"}),
    )


def said(session_id: str, key: str, *, create: bool = False) -> UpdateContextMemory:
    entries = (ContextEntry(id=key, given={"content": "said"}),)
    return UpdateContextMemory(session_id=session_id, entries=entries, create_session=create, container_id="own")


async def touched(bench: Bench, caller: Caller, memory: Memory) -> tuple[str, ...]:
    """Changes a memory; the codes of what forbade it."""
    changes = Changes(memory_type=memory.type, given={"pinned": True} if memory.type is not MemoryType.WORKING else {})
    item = MemoryUpdate(memory_type=memory.type, id=memory.id, changes=changes)
    outcome = await bench.memories.update_memories(caller, UpdateMemories(items=(item,)))
    return tuple(refusal.code for refusal in outcome.outcomes[0].refusals)


def codes(refusals: tuple[Refusal, ...]) -> list[str]:
    return [refusal.code for refusal in refusals]


async def test_what_may_be_read_is_what_may_be_written(bench: Bench) -> None:
    """Generated: containers of every kind, memories of every owner, callers with and without roles."""
    dice = random.Random(8)
    callers = [
        Caller(
            tenant="acme",
            subject=subject,
            scopes=frozenset({Scope.ADMIN}) if admin else WRITES,
            roles=frozenset(dice.sample(ROLES, dice.randint(0, 2))),
            authenticated=authenticated,
        )
        for subject, admin, authenticated in (
            ("ada", False, True),
            ("bob", False, True),
            ("cy", False, True),
            ("root", True, True),
            ("local", True, False),
        )
    ]
    places = ["default"]
    for number in range(12):
        maker = dice.choice(callers)
        roles = tuple(dice.sample(ROLES, dice.randint(0, 3)))
        made_one = await container(bench, maker, f"c{number}", shared=dice.random() < 0.25, roles=roles)
        assert made_one.refusals == ()
        places.append(f"c{number}")
    stored: list[Memory] = []
    for number in range(60):
        items = (note(dice.choice(places)), conversation(f"s{number}", dice.choice(places)))
        outcome = await bench.memories.create_memories(
            dice.choice(callers), CreateMemories(items=items, mode=WriteMode.PER_ENTRY)
        )
        stored += [each.memory for each in outcome.outcomes if each.memory is not None]
    # What the service makes by itself is nobody's.
    alone = Batch(commands=tuple(map(note, places)), actor="service")
    stored += [each.memory for each in (await bench.store.apply(ANN, alone)).outcomes if each.memory is not None]
    known = await bench.reader.containers(ANN, places)
    assert len(stored) > 80
    answers = set()
    for caller in callers:
        enters = {place for place in places if may_enter(caller, known[place].access)}
        assert set(await bench.reader.containers(caller, places)) == enters
        assert {each.id for each in (await bench.reader.list_containers(caller, ALL)).rows} == enters
        assert await bench.reader.count_containers(caller) == len(enters)
        sees = {
            memory.id
            for memory in stored
            if may_see(caller, owner=memory.owner, guarded=memory.guarded, container=known[memory.container_id].access)
        }
        assert set(await bench.reader.memories(caller, [memory.id for memory in stored])) == sees
        assert {each.id for each in (await bench.reader.list_memories(caller, MemoryQuery(), ALL)).rows} == sees
        assert await bench.reader.count_memories(caller, MemoryQuery()) == len(sees)
        listed = await bench.reader.list_records(caller, RecordQuery(), ALL)
        assert {record.memory_id for record in listed.rows} == sees
        assert await bench.reader.count_records(caller, RecordQuery()) == len(listed.rows)
        records = await bench.reader.records(caller, [RecordId(memory.id, 1) for memory in stored])
        assert {record.memory_id for record in records} == sees
        request = SearchRequest(stems=("note",), size=200, candidates=500)
        found = await bench.reader.search_memories(caller, MemoryQuery(), request)
        assert {hit.memory.id for hit in found.hits} == {
            memory.id for memory in stored if memory.id in sees and memory.type is MemoryType.LONG_TERM
        }
        for memory in stored:
            forbidden = await touched(bench, caller, memory)
            assert forbidden == (() if memory.id in sees else ("NOT_FOUND",)), (caller, memory)
            answers.add(forbidden)
    assert len(answers) == 2


async def test_a_guarded_memory_is_there_for_nobody_else_by_any_command(bench: Bench) -> None:
    await container(bench, roles=("readers",))
    talk, own = await made(bench.memories, conversation(), note(), caller=ADA)
    await bench.memories.update_context_memory(ADA, said("talk", "m1"))
    for stranger in (BOB, MATE):
        writes: list[Any] = [
            await bench.memories.update_context_memory(stranger, said("talk", "m1")),
            await bench.memories.delete_memory(stranger, DeleteMemory(memory_type=MemoryType.SESSION, id="talk")),
            await bench.memories.restore_memory(
                stranger, RestoreMemory(memory_type=MemoryType.LONG_TERM, id=own.id, version=1)
            ),
            await bench.memories.create_memories(
                stranger,
                CreateMemories(
                    items=(
                        Create(
                            session_id="talk", changes=Changes(memory_type=MemoryType.WORKING, given={"content": "x"})
                        ),
                    )
                ),
            ),
        ]
        for outcome in writes:
            refusals = outcome.refusals or outcome.outcomes[0].refusals
            assert codes(refusals) == ["NOT_FOUND"], outcome
        # The id is taken all the same, and that is all that is told.
        taken = await bench.memories.update_context_memory(stranger, said("talk", "m1", create=True))
        assert codes(taken.refusals) == ["ALREADY_EXISTS"]
        again = await bench.memories.create_memories(stranger, CreateMemories(items=(conversation("talk", "default"),)))
        assert codes(again.outcomes[0].refusals) == ["ALREADY_EXISTS"]
        assert await bench.reader.past_memory(stranger, own.id, version=1) is None
        assert dict(await bench.reader.count_entries(stranger, ["talk"])) == {"talk": 0}
        assert dict(await bench.reader.count_histories(stranger, [own.id])) == {own.id: 0}
    assert codes((await bench.memories.create_memories(BOB, CreateMemories(items=(note(),)))).outcomes[0].refusals) == [
        "NOT_FOUND"
    ]
    # Who has the role adds memories, which are then theirs alone.
    [theirs] = await made(bench.memories, note(text="of a mate"), caller=MATE)
    assert (theirs.owner, theirs.guarded) == ("mate", True)
    assert set(await bench.reader.memories(ADA, [theirs.id, own.id])) == {own.id}
    stored = await bench.reader.memories(ADA, [talk.id, own.id])
    assert stored["talk"].version == 2
    assert stored[own.id].version == 1


async def test_what_was_deleted_in_a_guarded_container_comes_back_only_there_and_for_its_owner(bench: Bench) -> None:
    await container(bench)
    await made(bench.memories, conversation(), caller=ADA)
    await bench.memories.delete_memory(ADA, DeleteMemory(memory_type=MemoryType.SESSION, id="talk"))

    for caller, place in ((BOB, "default"), (ADA, "default")):
        refused = await bench.memories.create_memories(caller, CreateMemories(items=(conversation("talk", place),)))
        assert codes(refused.outcomes[0].refusals) == ["ALREADY_EXISTS"]
    opened_again = await bench.memories.update_context_memory(
        ADA, replace(said("talk", "m1", create=True), container_id="default")
    )
    assert codes(opened_again.refusals) == ["ALREADY_EXISTS"]

    [again] = await made(bench.memories, conversation(), caller=ADA)
    assert (again.version, again.guarded) == (3, True)


async def test_an_entry_of_somebody_else_is_not_overwritten(bench: Bench) -> None:
    """A session that nobody made is open to all who may enter; the entries in it are whose they are."""
    await container(bench, roles=("readers",))
    alone = Batch(commands=(conversation(),), actor="service")
    await bench.store.apply(ANN, alone)
    assert (await bench.memories.update_context_memory(ADA, said("talk", "m1"))).refusals == ()

    put = await bench.memories.update_context_memory(MATE, said("talk", "m1"))
    assert codes(put.outcomes[0].refusals) == ["ALREADY_EXISTS"]
    new = Create(
        session_id="talk", entry_id="m1", changes=Changes(memory_type=MemoryType.WORKING, given={"content": "x"})
    )
    created = await bench.memories.create_memories(MATE, CreateMemories(items=(new,)))
    assert codes(created.outcomes[0].refusals) == ["ALREADY_EXISTS"]
    assert (await bench.memories.update_context_memory(MATE, said("talk", "m2"))).refusals == ()


async def test_only_its_owner_and_administrators_change_and_delete_a_container(bench: Bench) -> None:
    await container(bench, roles=("readers",))
    await made(bench.memories, note(), caller=ADA)
    await made(bench.memories, note(), caller=MATE)
    renamed = UpdateContainer(container=ContainerUpdate(id="own", settings=ContainerSettings(given={"roles": None})))
    gone = DeleteContainer(container=ContainerDeletion(id="own", delete_memories=True))
    for caller, code in ((BOB, "NOT_FOUND"), (MATE, "FORBIDDEN")):
        assert codes((await bench.memories.update_container(caller, renamed)).refusals) == [code]
        assert codes((await bench.memories.delete_container(caller, gone)).refusals) == [code]
    closed = await bench.memories.update_container(ADA, renamed)
    assert (closed.status, closed.container and closed.container.roles) == (WriteStatus.UPDATED, ())
    assert await bench.reader.containers(MATE, ["own"]) == {}

    tried = await bench.memories.delete_container(ADA, replace(gone, dry_run=True))
    deleted = await bench.memories.delete_container(ADA, gone)
    # Whoever made them.
    assert (tried.removed.memories, deleted.removed.memories) == (2, 2)
    assert deleted.status is WriteStatus.DELETED

    assert codes((await container(bench, BOB)).refusals) == ["ALREADY_EXISTS"]
    assert codes((await container(bench, ADA, shared=True)).refusals) == ["INVALID_INPUT"]
    assert (await container(bench, ADA)).status is WriteStatus.CREATED
    default = UpdateContainer(container=ContainerUpdate(id="default", settings=ContainerSettings(given={"name": "x"})))
    assert codes((await bench.memories.update_container(ADA, default)).refusals) == ["FORBIDDEN"]


async def test_a_shared_container_is_everybodys_but_to_change(bench: Bench) -> None:
    await container(bench, shared=True)
    [own] = await made(bench.memories, note(), caller=ADA)
    assert (own.owner, own.guarded) == ("ada", False)
    assert await touched(bench, BOB, own) == ()
    gone = DeleteContainer(container=ContainerDeletion(id="own", delete_memories=True))
    assert codes((await bench.memories.delete_container(BOB, gone)).refusals) == ["FORBIDDEN"]


async def test_owners_and_roles_travel(database_url: str, other_url: str) -> None:
    async with opened(database_url) as bench:
        await container(bench, roles=("readers",))
        own, talk = await made(bench.memories, note(), conversation(), caller=ADA)
    imported(other_url, exported(database_url))
    async with opened(other_url) as bench:
        assert set(await bench.reader.memories(ADA, [own.id, talk.id])) == {own.id, talk.id}
        assert await bench.reader.memories(MATE, [own.id, talk.id]) == {}
        there = await bench.reader.containers(MATE, ["own"])
        assert (there["own"].owner, there["own"].roles, there["own"].guarded) == ("ada", ("readers",), True)
        listed = await bench.reader.list_records(ADA, RecordQuery(), ALL)
        assert {(record.owner, record.guarded) for record in listed.rows} == {("ada", True)}


def test_an_update_names_no_owner() -> None:
    """Owners follow from credentials alone."""
    assert "owner" not in Update.__dataclass_fields__
    assert "owner" not in Create.__dataclass_fields__
