"""What the use cases judge before and around the store: scopes, types, limits, reasons, idempotency keys."""

from dataclasses import replace
from typing import Any

import pytest

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.commands import BatchOutcome, Changes, Create, Delete
from mnesis.domain.entries import ContextEntry
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType, ObjectMode, WriteMode
from mnesis.domain.refusals import Forbidden, ImmutableMemory, LimitExceeded, MemoryTypeMismatch
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, PageRequest
from mnesis.usecases.requests import (
    CreateMemories,
    DeleteMemory,
    DeleteSeveral,
    MemoryUpdate,
    UpdateContextMemory,
    UpdateMemories,
)

pytestmark = pytest.mark.anyio

SESSION, WORKING, LONG_TERM = MemoryType.SESSION, MemoryType.WORKING, MemoryType.LONG_TERM
HISTORY = MemoryType.HISTORY
ANN = Caller(tenant="acme", subject="ann", scopes=frozenset({Scope.WRITE}))
READER = replace(ANN, scopes=frozenset({Scope.READ}))
SUMMARY = Changes(memory_type=SESSION, given={"summary": "x"})
NEW_SESSION = Create(id="s1", changes=SUMMARY)
BAD_SESSION = Create(id="a b", changes=Changes(memory_type=SESSION, given={"pinned": None}))
PAGE = PageRequest(size=100)


def update(memory_id: str = "s1", changes: Changes = SUMMARY, **more: Any) -> MemoryUpdate:
    return MemoryUpdate(memory_type=more.pop("memory_type", SESSION), id=memory_id, changes=changes, **more)


def updates(*items: MemoryUpdate, **more: Any) -> UpdateMemories:
    return UpdateMemories(items=items, **more)


def creation(*items: Create, **more: Any) -> CreateMemories:
    return CreateMemories(items=items, **more)


def put(*entries: ContextEntry, **more: Any) -> UpdateContextMemory:
    return UpdateContextMemory(session_id=more.pop("session_id", "s1"), entries=entries, **more)


def said(key: str | None = "m1", content: str | None = "Hi") -> ContextEntry:
    return ContextEntry(id=key, given={} if content is None else {"content": content})


def codes(outcome: BatchOutcome) -> list[tuple[str, tuple[str, ...]]]:
    return [(refusal.code, refusal.path) for refusal in outcome.refusals]


def told(outcome: BatchOutcome) -> list[tuple[str, list[tuple[str, tuple[str, ...]]]]]:
    return [
        (each.status.value, [(refusal.code, refusal.path) for refusal in each.refusals]) for each in outcome.outcomes
    ]


async def everything(memories: Memories) -> tuple[Memory, ...]:
    page = await memories.list_memories(ANN, MemoryQuery(), PAGE)
    return page.rows


async def test_a_memory_is_created_changed_and_deleted(memories: Memories) -> None:
    made = await memories.create_memories(ANN, creation(NEW_SESSION))
    assert told(made) == [("CREATED", [])]
    changed = await memories.update_memories(ANN, updates(update(changes=replace(SUMMARY, given={"summary": "y"}))))
    assert (told(changed), changed.outcomes[0].version) == ([("UPDATED", [])], 2)
    session = (await memories.memories(ANN, ["s1"]))["s1"]
    assert session == changed.outcomes[0].memory
    assert (session.values["summary"], session.updated_by) == ("y", "ann")
    deleted = await memories.delete_memory(ANN, DeleteMemory(memory_type=SESSION, id="s1", if_version=2))
    assert (told(deleted), deleted.outcomes[0].version, deleted.counts.deleted) == ([("DELETED", [])], 3, 1)
    assert await memories.memories(ANN, ["s1"]) == {}


async def test_entries_are_put_into_a_session(memories: Memories) -> None:
    outcome = await memories.update_context_memory(ANN, put(said(), said(None), create_session=True, reason="A chat."))
    assert told(outcome) == [("CREATED", []), ("CREATED", [])]
    assert (outcome.session_version, outcome.session) == (1, (await memories.memories(ANN, ["s1"]))["s1"])
    metadata = ContextEntry(id="m1", given={"metadata": {"a": 1}})
    await memories.update_context_memory(ANN, put(metadata))
    merged = replace(metadata, given={"metadata": {"b": 2}})
    outcome = await memories.update_context_memory(ANN, put(merged, object_mode=ObjectMode.MERGE, if_version=2))
    entry = outcome.outcomes[0].memory
    assert entry is not None
    assert (entry.values["metadata"], outcome.session_version) == ({"a": 1, "b": 2}, 3)
    stale = await memories.update_context_memory(ANN, put(said("m9"), if_version=2))
    assert (codes(stale), told(stale)) == ([("VERSION_CONFLICT", ("if_version",))], [("ROLLED_BACK", [])])


async def test_a_session_that_is_made_for_its_entries_gets_a_namespace_and_metadata(memories: Memories) -> None:
    given: dict[str, Any] = {"create_session": True, "namespace": {"g": ["a"]}, "session_metadata": {"b": 1}}
    outcome = await memories.update_context_memory(ANN, put(said(), **given))
    assert outcome.session is not None
    assert (outcome.session.namespace, outcome.session.values["metadata"]) == ({"g": ["a"]}, {"b": 1})
    entry = outcome.outcomes[0].memory
    assert entry is not None
    assert entry.namespace == {"g": ["a"]}
    again = await memories.update_context_memory(
        ANN, put(said("m2"), create_session=True, namespace={"g": ["c"]}, session_metadata={"d": 2})
    )
    assert again.session is not None
    assert (again.session.namespace, again.session.values["metadata"]) == ({"g": ["a"]}, {"b": 1})


async def test_several_memories_are_deleted_together(memories: Memories) -> None:
    await memories.create_memories(ANN, creation(NEW_SESSION, Create(id="s2", changes=SUMMARY)))
    items = tuple(Delete(memory_type=SESSION, id=each) for each in ("s1", "nobody", "s2"))
    outcome = await memories.delete_several(ANN, DeleteSeveral(items=items))
    assert told(outcome) == [("ROLLED_BACK", []), ("FAILED", [("NOT_FOUND", ("id",))]), ("ROLLED_BACK", [])]
    outcome = await memories.delete_several(ANN, DeleteSeveral(items=items, mode=WriteMode.PER_ENTRY))
    assert told(outcome) == [("DELETED", []), ("FAILED", [("NOT_FOUND", ("id",))]), ("DELETED", [])]
    refused = await memories.delete_several(READER, DeleteSeveral(items=()))
    assert refused.refusals == (Forbidden(required_scope=Scope.WRITE),)


@pytest.mark.parametrize("scopes", [frozenset[Scope](), frozenset({Scope.READ})])
async def test_changing_needs_the_scope_to_write(memories: Memories, scopes: frozenset[Scope]) -> None:
    await memories.create_memories(ANN, creation(NEW_SESSION))
    before = await everything(memories)
    caller = replace(ANN, scopes=scopes)
    for outcome in (
        await memories.create_memories(caller, creation(Create(changes=SUMMARY))),
        await memories.update_memories(caller, updates(update())),
        await memories.delete_memory(caller, DeleteMemory(memory_type=SESSION, id="s1")),
        await memories.update_context_memory(caller, put(said())),
    ):
        assert outcome.refusals == (Forbidden(required_scope=Scope.WRITE),)
        assert told(outcome) == [("ROLLED_BACK", [])]
    assert await everything(memories) == before


@pytest.mark.parametrize("scope", [Scope.WRITE, Scope.ADMIN])
async def test_each_scope_that_includes_writing_will_do(memories: Memories, scope: Scope) -> None:
    outcome = await memories.create_memories(replace(ANN, scopes=frozenset({scope})), creation(NEW_SESSION))
    assert outcome.counts.created == 1


async def test_another_tenant_finds_and_changes_nothing(memories: Memories) -> None:
    await memories.create_memories(ANN, creation(NEW_SESSION))
    stranger = replace(ANN, tenant="other")
    assert told(await memories.update_memories(stranger, updates(update()))) == [("FAILED", [("NOT_FOUND", ("id",))])]
    made = await memories.create_memories(stranger, creation(NEW_SESSION))
    assert made.outcomes[0].version == 1


async def test_history_is_never_changed_whatever_the_input_says(memories: Memories) -> None:
    refusal = ImmutableMemory(path=("type",), memory_type=HISTORY)
    changed = await memories.update_memories(ANN, updates(update("s1~1", memory_type=HISTORY)))
    deleted = await memories.delete_memory(ANN, DeleteMemory(memory_type=HISTORY, id="s1~1", if_version=-1))
    for outcome in (changed, deleted):
        assert [(each.status, each.id, each.refusals) for each in outcome.outcomes] == [("FAILED", "s1~1", (refusal,))]


async def test_the_named_type_and_the_input_must_agree(memories: Memories) -> None:
    outcome = await memories.update_memories(ANN, updates(update(memory_type=LONG_TERM)))
    mismatch = MemoryTypeMismatch(path=("type",), requested=LONG_TERM, actual=SESSION, given_input=True)
    assert outcome.outcomes[0].refusals == (mismatch,)
    assert outcome.outcomes[0].id == "s1"


async def test_the_named_type_and_the_stored_memory_must_agree(memories: Memories) -> None:
    await memories.create_memories(ANN, creation(NEW_SESSION))
    changes = Changes(memory_type=LONG_TERM, given={"pinned": True})
    outcome = await memories.update_memories(ANN, updates(update(changes=changes, memory_type=LONG_TERM)))
    assert outcome.outcomes[0].refusals == (MemoryTypeMismatch(path=("type",), requested=LONG_TERM, actual=SESSION),)


async def test_what_the_store_and_what_the_domain_refuse_is_told_together(memories: Memories) -> None:
    items = [update("nobody"), update(changes=replace(SUMMARY, given={})), update(if_version=-1)]
    assert told(await memories.update_memories(ANN, updates(*items))) == [
        ("FAILED", [("NOT_FOUND", ("id",))]),
        ("FAILED", [("INVALID_INPUT", ())]),
        ("FAILED", [("INVALID_INPUT", ("if_version",))]),
    ]
    outcome = await memories.create_memories(ANN, creation(BAD_SESSION, NEW_SESSION))
    assert told(outcome) == [
        ("FAILED", [("INVALID_INPUT", ("id",)), ("INVALID_INPUT", ("pinned",))]),
        ("ROLLED_BACK", []),
    ]
    assert [each.id for each in outcome.outcomes] == ["a b", "s1"]
    assert await everything(memories) == ()


async def test_per_entry_writes_what_is_not_refused(memories: Memories) -> None:
    mode = WriteMode.PER_ENTRY
    made = await memories.create_memories(ANN, creation(BAD_SESSION, NEW_SESSION, mode=mode))
    changed = await memories.update_memories(ANN, updates(update("nobody"), update(), mode=mode))
    entries = await memories.update_context_memory(ANN, put(said("m1", None), said("m2"), mode=mode))
    assert [each.status for outcome in (made, changed, entries) for each in outcome.outcomes] == [
        "FAILED", "CREATED", "FAILED", "UNCHANGED", "FAILED", "CREATED",
    ]  # fmt: skip


async def test_a_call_brings_no_more_commands_than_allowed(memories: Memories) -> None:
    too_many = LimitExceeded(path=("items",), unit="items", limit=3, actual=4)
    for outcome in (
        await memories.create_memories(ANN, creation(*[Create(changes=SUMMARY)] * 4)),
        await memories.update_memories(ANN, updates(*[update()] * 4)),
    ):
        assert outcome.refusals == (too_many,)
        assert told(outcome) == [("ROLLED_BACK", [])] * 4
    entries = [said(f"m{number}") for number in range(4)]
    outcome = await memories.update_context_memory(ANN, put(*entries, create_session=True))
    assert outcome.refusals == (LimitExceeded(path=("entries",), unit="entries", limit=3, actual=4),)
    assert (told(outcome), outcome.counts.submitted) == ([("ROLLED_BACK", [])] * 4, 4)
    assert await everything(memories) == ()
    outcome = await memories.update_context_memory(ANN, put(*entries[:3], create_session=True))
    assert outcome.counts.created == 3


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"reason": "r" * 1001}, ("reason",)),
        ({"reason": "\0"}, ("reason",)),
        ({"idempotency_key": ""}, ("idempotency_key",)),
        ({"idempotency_key": "k" * 256}, ("idempotency_key",)),
    ],
)
async def test_a_reason_or_a_key_that_cannot_be_kept_refuses_every_kind_of_request(
    memories: Memories, more: dict[str, str], path: tuple[str, ...]
) -> None:
    for outcome in (
        await memories.create_memories(ANN, creation(NEW_SESSION, **more)),
        await memories.update_memories(ANN, updates(update(), **more)),
        await memories.delete_memory(ANN, DeleteMemory(memory_type=SESSION, id="s1", **more)),  # type: ignore[arg-type]  # Only texts.
        await memories.update_context_memory(ANN, put(said(), create_session=True, **more)),
    ):
        assert (codes(outcome), told(outcome)) == ([("INVALID_INPUT", path)], [("ROLLED_BACK", [])])
    assert await everything(memories) == ()


async def test_a_refused_request_still_tells_what_is_wrong_inside_it(memories: Memories) -> None:
    request = put(said(content=None), said(content=""), session_id="a b", create_session=True, reason="\0")
    outcome = await memories.update_context_memory(ANN, request)
    assert codes(outcome) == [("INVALID_INPUT", ("reason",)), ("INVALID_INPUT", ("session_id",))]
    assert told(outcome) == [
        ("ROLLED_BACK", []),
        ("FAILED", [("INVALID_INPUT", ("content",)), ("INVALID_INPUT", ("id",))]),
    ]
    assert [each.entry_id for each in outcome.outcomes] == ["m1", "m1"]


@pytest.mark.parametrize("bad", ["a\0b", "\ud800", ""])
async def test_texts_that_no_database_reads_find_nothing(memories: Memories, bad: str) -> None:
    missing = ("NOT_FOUND", ("id",))
    changed = await memories.update_memories(ANN, updates(update(bad)))
    deleted = await memories.delete_memory(ANN, DeleteMemory(memory_type=SESSION, id=bad))
    assert told(changed) == told(deleted) == [("FAILED", [missing])]
    entries = await memories.update_context_memory(ANN, put(said(), session_id=bad))
    assert codes(entries) == [("NOT_FOUND", ("session_id",))]
    made = await memories.create_memories(ANN, creation(Create(changes=SUMMARY, container_id=bad)))
    assert told(made) == [("FAILED", [("NOT_FOUND", ("container_id",))])]


async def test_an_equal_request_with_the_same_key_is_applied_once(memories: Memories) -> None:
    request = put(said(None), create_session=True, idempotency_key="k")
    first = await memories.update_context_memory(ANN, request)
    again = await memories.update_context_memory(ANN, request)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.counts, again.session_version) == (first.counts, first.session_version)
    assert [(each.id, each.version) for each in again.outcomes] == [(first.outcomes[0].id, 1)]
    assert len(await everything(memories)) == 2


async def test_a_key_used_for_anything_else_is_a_conflict(memories: Memories) -> None:
    await memories.create_memories(ANN, creation(NEW_SESSION, idempotency_key="k"))
    for outcome in (
        await memories.create_memories(ANN, creation(replace(NEW_SESSION, id="s2"), idempotency_key="k")),
        await memories.update_memories(ANN, updates(update(), idempotency_key="k")),
        await memories.delete_memory(ANN, DeleteMemory(memory_type=SESSION, id="s1", idempotency_key="k")),
        await memories.update_context_memory(ANN, put(said(), idempotency_key="k")),
    ):
        assert codes(outcome) == [("IDEMPOTENCY_CONFLICT", ("idempotency_key",))]
        assert told(outcome) == [("ROLLED_BACK", [])]
    assert [memory.version for memory in await everything(memories)] == [1]
    bob = replace(ANN, subject="bob")
    made = await memories.create_memories(bob, creation(replace(NEW_SESSION, id="s2"), idempotency_key="k"))
    assert made.counts.created == 1


async def test_a_refused_request_can_be_mended_and_sent_again_with_its_key(memories: Memories) -> None:
    refused = await memories.update_context_memory(ANN, put(said(), idempotency_key="k"))
    assert codes(refused) == [("NOT_FOUND", ("session_id",))]
    mended = await memories.update_context_memory(ANN, put(said(), create_session=True, idempotency_key="k"))
    assert (mended.replayed, mended.counts.created) == (False, 1)


async def test_a_session_made_without_entries_is_remembered_by_its_key(memories: Memories) -> None:
    request = put(create_session=True, idempotency_key="k")
    assert not (await memories.update_context_memory(ANN, request)).replayed
    assert (await memories.update_context_memory(ANN, request)).replayed


async def test_json_that_nests_without_end_is_refused_with_a_key_too(memories: Memories) -> None:
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"a": deep}
    entry = ContextEntry(id="m1", given={"content": "x", "metadata": deep})
    outcome = await memories.update_context_memory(ANN, put(entry, create_session=True, idempotency_key="k"))
    assert [(each.status, each.refusals[0].path[0]) for each in outcome.outcomes] == [("FAILED", "metadata")]


async def test_the_reason_and_the_caller_are_in_the_history(memories: Memories) -> None:
    await memories.create_memories(ANN, creation(NEW_SESSION, reason="A start."))
    await memories.delete_memory(ANN, DeleteMemory(memory_type=SESSION, id="s1", reason="Asked for."))
    page = (await memories.histories(ANN, ["s1"], PAGE))["s1"]
    assert [(record.action, record.actor, record.reason) for record in page.rows] == [
        ("DELETE", "ann", "Asked for."),
        ("CREATE", "ann", "A start."),
    ]
