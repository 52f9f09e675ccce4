"""What the use cases judge before and around the store: scopes, faults, and a dry run that writes nothing."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast

import pytest

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.commands import Changes, Create
from mnesis.domain.containers import ContainerDeletion, ContainerSettings, ContainerUpdate, NewContainer
from mnesis.domain.memory_types import MemoryType, WriteStatus
from mnesis.domain.refusals import ContainerNotEmpty, Forbidden, IdempotencyConflict, InvalidInput, NotFound
from mnesis.storage import containers
from mnesis.usecases import containers as use_cases
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Removal, RemovalCounts, RemovalStep, Store
from mnesis.usecases.requests import CreateContainer, CreateMemories, DeleteContainer, UpdateContainer

pytestmark = pytest.mark.anyio

ADA = Caller(tenant="acme", subject="ada", scopes=frozenset({Scope.ADMIN}))
WRITER = replace(ADA, scopes=frozenset({Scope.READ, Scope.WRITE}))
NOBODY = replace(ADA, scopes=frozenset())
NAMED = ContainerSettings(given={"name": "n"})
NEW = NewContainer(id="c", settings=NAMED)
CHANGED = ContainerUpdate(id="c", settings=NAMED)
GONE = ContainerDeletion(id="c", delete_memories=True)


async def fill(memories: Memories, count: int) -> None:
    for _ in range(count):
        fact = Create(changes=Changes(memory_type=MemoryType.LONG_TERM, given={"memory": "m"}), container_id="c")
        assert (await memories.create_memories(ADA, CreateMemories(items=(fact,)))).counts.created == 1


async def test_who_may_not_write_changes_no_containers(memories: Memories) -> None:
    forbidden = (Forbidden(required_scope=Scope.WRITE),)
    for caller in (replace(ADA, scopes=frozenset({Scope.READ})), NOBODY):
        assert (await memories.create_container(caller, CreateContainer(container=NEW))).refusals == forbidden
        assert (await memories.update_container(caller, UpdateContainer(container=CHANGED))).refusals == forbidden
        assert (await memories.delete_container(caller, DeleteContainer(container=GONE))).refusals == forbidden


async def test_of_what_nobody_owns_only_an_administrator_changes_anything(memories: Memories) -> None:
    await memories.create_container(replace(ADA, authenticated=False), CreateContainer(container=NEW))
    forbidden = (Forbidden(required_scope=Scope.ADMIN),)
    assert (await memories.update_container(WRITER, UpdateContainer(container=CHANGED))).refusals == forbidden
    assert (await memories.delete_container(WRITER, DeleteContainer(container=GONE))).refusals == forbidden
    unknown = DeleteContainer(container=replace(GONE, id="other"))
    assert [type(each) for each in (await memories.delete_container(WRITER, unknown)).refusals] == [NotFound]


async def test_of_what_can_be_no_container_there_are_no_memories(memories: Memories) -> None:
    assert await memories.count_memories_of(WRITER, ["default", "a\0"]) == {"default": 0, "a\0": 0}


async def test_everything_wrong_is_told_at_once(memories: Memories) -> None:
    bad = DeleteContainer(container=ContainerDeletion(id="a b"), reason="r" * 1_001, idempotency_key="")
    assert [refusal.path for refusal in (await memories.delete_container(ADA, bad)).refusals] == [
        ("reason",), ("idempotency_key",), ("id",),
    ]  # fmt: skip
    outcome = await memories.create_container(ADA, CreateContainer(container=NewContainer(id="", settings=NAMED)))
    assert (outcome.status, [type(refusal) for refusal in outcome.refusals]) == (WriteStatus.FAILED, [InvalidInput])


async def test_a_dry_run_tells_what_would_be_and_does_nothing(memories: Memories) -> None:
    trial = DeleteContainer(container=GONE, dry_run=True, idempotency_key="k")
    missing = NotFound(path=("id",), kind="container", id="c")
    assert (await memories.delete_container(ADA, trial)).refusals == (missing,)
    await memories.create_container(ADA, CreateContainer(container=NEW))
    await fill(memories, 2)
    would = await memories.delete_container(ADA, trial)
    assert (would.status, would.version, would.removed) == (WriteStatus.DELETED, 2, RemovalCounts(long_term=2))
    assert not (await memories.containers(ADA, ["c"]))["c"].deleted
    gone = await memories.delete_container(ADA, replace(trial, dry_run=False))
    assert (gone.removed, gone.replayed) == (would.removed, False)


async def test_a_deletion_that_finds_no_end_is_given_up(memories: Memories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "TAKEN_ALONG", 0)
    monkeypatch.setattr(use_cases, "ROUNDS", 1)
    await memories.create_container(ADA, CreateContainer(container=NEW))
    await fill(memories, 2)
    outcome = await memories.delete_container(ADA, DeleteContainer(container=GONE))
    assert outcome.refusals == (ContainerNotEmpty(path=("id",), id="c", memories=2),)
    assert outcome.removed == RemovalCounts(long_term=2)


async def test_a_key_of_another_request_is_told(memories: Memories) -> None:
    await memories.create_container(ADA, CreateContainer(container=NEW, idempotency_key="k"))
    again = await memories.create_container(ADA, CreateContainer(container=NEW, idempotency_key="k"))
    assert (again.version, again.replayed, again.container) == (1, True, None)
    for refused in (
        await memories.update_container(ADA, UpdateContainer(container=CHANGED, idempotency_key="k")),
        await memories.delete_container(ADA, DeleteContainer(container=GONE, idempotency_key="k")),
    ):
        assert refused.refusals == (IdempotencyConflict(path=("idempotency_key",)),)


class Slow:
    """A store that removes nothing before it is told to go on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.waits = asyncio.Event()
        self.goes_on = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def remove(self, caller: Caller, removal: Removal, ids: Collection[str], **more: Any) -> RemovalStep:
        self.waits.set()
        await self.goes_on.wait()
        return await self._store.remove(caller, removal, ids, **more)


async def test_a_deletion_that_another_with_its_key_overtook_answers_as_that_one(
    memories: Memories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "TAKEN_ALONG", 1)
    await memories.create_container(ADA, CreateContainer(container=NEW))
    await fill(memories, 3)
    store = Slow(memories._store)
    slow = Memories(store=cast(Store, store), reader=memories._reader, limits=memories.limits)
    request = DeleteContainer(container=GONE, idempotency_key="k")
    late = asyncio.ensure_future(slow.delete_container(ADA, request))
    await store.waits.wait()
    first = await memories.delete_container(ADA, request)
    store.goes_on.set()
    again = await late
    assert (first.version, first.removed, first.replayed) == (2, RemovalCounts(long_term=3), False)
    assert (again.version, again.removed, again.replayed) == (2, RemovalCounts(long_term=3), True)
