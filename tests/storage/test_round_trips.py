"""Whatever is written is read as it was: values, their types and the order of their keys."""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest

from mnesis.domain.caller import Scope
from mnesis.domain.commands import Batch, Changes, Command, Create, Idempotency, PutEntry, Rejected, SessionClaim
from mnesis.domain.fields import Field, FieldKind, Message
from mnesis.domain.history import creation_changes, field_changes, replay, step_back
from mnesis.domain.ids import RecordId
from mnesis.domain.memory import FIELDS
from mnesis.domain.memory_types import HistoryAction, MemoryType, PayloadType, WriteMode, WriteStatus
from mnesis.domain.refusals import (
    AlreadyExists,
    ContainerNotEmpty,
    Forbidden,
    IdempotencyConflict,
    ImmutableMemory,
    InvalidInput,
    LimitExceeded,
    MemoryTypeMismatch,
    NotFound,
    QuotaExceeded,
    Refusal,
    VersionConflict,
)
from mnesis.usecases.ports import PageRequest
from mnesis.usecases.requests import DeleteMemory, MemoryUpdate
from tests.storage.workbench import ANN, fact, made, opened, session, update

pytestmark = pytest.mark.anyio

JSON: dict[str, Any] = {
    "z": 1.0,
    "a": [1, 1e16, -0.0, 5e-324, 0.1, True, False, None, "", [], {}],
    "largest": 2**63 - 1,
    "least": -(2**63),
    "e\u0301 \u00e9 \U0001f9e0": "\u2028 \\ \" ' \t \n \x01 \x7f {NULL} %s :a $1",
    "": {"deep": {"er": [{"b": 2, "a": 1}]}},
}
TEXT = 'NULL {,} \\ \\" \' " %s :a $1 \t\r\n\x01 \u00e9 \U0001f468\u200d\U0001f469 \ufeff'
SAMPLES: dict[FieldKind, list[Any]] = {
    FieldKind.TEXT: [TEXT, "", "NULL"],
    FieldKind.ROLE: ["assistant", "\U0001f916"],
    FieldKind.FLAG: [True, False],
    FieldKind.OBJECT: [JSON, {}, {"null": None}],
    FieldKind.MESSAGES: [
        (Message(role="user", text=""), Message(role="tool", parts=(JSON, {})), Message(role="x", parts=())),
        (),
        (Message(role="user", text=TEXT),),
    ],
    FieldKind.BINARY: [bytes(range(256)), b"", b"\\x00"],
    FieldKind.PAYLOAD: [PayloadType.DATA, PayloadType.CONVERSATIONAL],
}


def sample(field: Field, number: int) -> Any:
    kinds = SAMPLES[field.kind]
    value = kinds[number % len(kinds)]
    return "x" if value == "" and not field.blank else value


def values_of(memory_type: MemoryType, number: int, *, fixed: bool) -> dict[str, Any]:
    fields = FIELDS[memory_type].values()
    return {field.name: sample(field, number) for field in fields if fixed or not field.fixed}


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("memory_type", list(FIELDS))
async def test_every_field_of_a_memory_comes_back_as_it_was_written(
    database_url: str, memory_type: MemoryType, number: int
) -> None:
    given = values_of(memory_type, number, fixed=True)
    async with opened(database_url) as bench:
        create = Create(changes=Changes(memory_type=memory_type, given=given), namespace=JSON)
        [written] = await made(bench.memories, create)
        read = (await bench.memories.memories(ANN, [written.id]))[written.id]
        assert repr(read) == repr(written)  # 1 == 1.0 == True, and dicts are equal in any order.
        assert {name: repr(value) for name, value in read.values.items()} == {
            name: repr(value) for name, value in given.items()
        }
        assert repr(read.namespace) == repr(JSON)
        # What the writer loads is what the reader reads.
        clear = {field.name: None for field in FIELDS[memory_type].values() if field.clearable and not field.fixed}
        changes = Changes(memory_type=memory_type, given=clear)
        outcome = await update(bench.memories, MemoryUpdate(memory_type=memory_type, id=read.id, changes=changes))
        assert outcome.outcomes[0].memory is not None
        assert repr(step_back_once(outcome.outcomes[0].memory, *await history(bench.memories, read.id))) == repr(read)


@pytest.mark.parametrize("memory_type", list(FIELDS))
async def test_history_records_come_back_as_they_were_written(database_url: str, memory_type: MemoryType) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        first = Create(changes=Changes(memory_type=memory_type, given=values_of(memory_type, 0, fixed=True)))
        versions = await made(memories, first)
        for number in (1, 2):
            given = values_of(memory_type, number, fixed=False)
            append = None
            if number == 2 and "messages" in given:
                del given["messages"]
                append = (Message(role="user", parts=(JSON,)), Message(role="user", text="2"))
            changes = Changes(memory_type=memory_type, given=given, append_messages=append)
            item = MemoryUpdate(memory_type=memory_type, id=versions[0].id, changes=changes)
            outcome = await update(memories, item)
            assert outcome.outcomes[0].memory is not None, outcome
            versions.append(outcome.outcomes[0].memory)
        records = (await memories.histories(ANN, [versions[0].id], PageRequest(size=9)))[versions[0].id].rows[::-1]
        assert repr(list(records[0].changes)) == repr(creation_changes(versions[0], None))
        for (before, after), record in zip(pairwise(versions), records[1:], strict=True):
            assert repr(list(record.changes)) == repr(field_changes(before.values, after.values))
            assert repr(step_back(after, record, records[before.version - 1])) == repr(before)
        assert repr(replay(records)) == repr(versions[-1].values)
        by_id = await memories.records(ANN, [RecordId(record.memory_id, record.version) for record in records])
        assert [by_id[RecordId(record.memory_id, record.version)] for record in records] == list(records)


async def test_a_session_made_again_tells_in_its_record_what_differs_from_the_deleted_one(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        [first] = await made(memories, replace(session("s", summary="one"), namespace=JSON))
        await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.SESSION, id="s", reason="\U0001f5d1"))
        [second] = await made(memories, replace(session("s", summary="two"), namespace={}))
        records = (await memories.histories(ANN, ["s"], PageRequest(size=9)))["s"].rows
        assert [(record.version, record.action) for record in records] == [
            (3, HistoryAction.CREATE),
            (2, HistoryAction.DELETE),
            (1, HistoryAction.CREATE),
        ]
        assert records[1].reason == "\U0001f5d1"
        tombstone = step_back(second, records[0], records[1])
        assert tombstone.deleted
        assert repr(replace(step_back(tombstone, records[1], records[2]), arrival=0)) == repr(replace(first, arrival=0))


async def test_times_of_any_offset_come_back_as_the_same_instant(database_url: str) -> None:
    moments = [
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(9999, 12, 30, tzinfo=UTC),
    ]
    async with opened(database_url) as bench:
        commands = tuple(
            PutEntry(
                session_id="s",
                entry_id=str(number),
                changes=Changes(memory_type=MemoryType.WORKING, given={"content": "x"}, created_at=moment),
            )
            for number, moment in enumerate(moments)
        )
        claim = SessionClaim(session_id="s", create=True)
        await bench.store.apply(ANN, Batch(commands=commands, session=claim, actor="ann"))
        page = (await bench.memories.entries(ANN, ["s"], PageRequest(size=9)))["s"]
        assert [entry.created_at for entry in page.rows] == moments


REFUSALS: dict[type[Refusal], list[Refusal]] = {
    AlreadyExists: [AlreadyExists(path=("id",), kind="session", id=TEXT)],
    ContainerNotEmpty: [ContainerNotEmpty(path=("delete_memories",), id="c", memories=2)],
    Forbidden: [Forbidden(required_scope=scope) for scope in Scope],
    IdempotencyConflict: [IdempotencyConflict(path=("idempotency_key",))],
    ImmutableMemory: [ImmutableMemory(path=("type",), memory_type=MemoryType.HISTORY)],
    InvalidInput: [InvalidInput(path=("tags", "a \U0001f9e0", "0"), text=TEXT), InvalidInput(text="x")],
    LimitExceeded: [
        LimitExceeded(unit="bytes", limit=1, actual=2**40, advice="Less."),
        LimitExceeded(unit="x", limit=1, actual=2),
    ],
    MemoryTypeMismatch: [
        MemoryTypeMismatch(requested=MemoryType.SESSION, actual=MemoryType.HISTORY),
        MemoryTypeMismatch(requested=MemoryType.WORKING, actual=MemoryType.LONG_TERM, given_input=True),
    ],
    NotFound: [NotFound(path=("id",), kind="session", id="s")],
    QuotaExceeded: [QuotaExceeded(unit="memories", limit=1, used=1)],
    VersionConflict: [VersionConflict(path=("if_version",), expected=1, actual=2, current=None)],
}


def classes_of(refusal: Any) -> list[type[Refusal]]:
    below = [deeper for known in refusal.__subclasses__() for deeper in (known, *classes_of(known))]
    # A dataclass with slots is made anew, and the class it was made from is still known to its base.
    return [known for known in below if getattr(sys.modules[known.__module__], known.__name__) is known]


@pytest.mark.parametrize("refusal", classes_of(Refusal), ids=lambda refusal: refusal.__name__)
async def test_a_repeated_answer_repeats_every_kind_of_refusal(database_url: str, refusal: type[Refusal]) -> None:
    commands: tuple[Command | Rejected, ...] = (
        fact(),
        *(Rejected(refusals=(each,), id="x", entry_id="y") for each in REFUSALS[refusal]),
    )
    key = Idempotency(key="k", fingerprint="f")
    batch = Batch(commands=commands, mode=WriteMode.PER_ENTRY, idempotency=key, actor="ann")
    async with opened(database_url) as bench:
        first = await bench.store.apply(ANN, batch)
        again = await bench.store.apply(ANN, batch)
        assert again == replace(
            first, replayed=True, outcomes=tuple(replace(outcome, memory=None) for outcome in first.outcomes)
        )
        assert [outcome.refusals for outcome in again.outcomes[1:]] == [(each,) for each in REFUSALS[refusal]]


async def test_a_repeated_answer_keeps_a_refused_key_that_is_no_valid_text(database_url: str) -> None:
    commands = (fact(), Rejected(refusals=(InvalidInput(text="x"),), entry_id="\ud800 \0"))
    key = Idempotency(key="k", fingerprint="f")
    batch = Batch(commands=commands, mode=WriteMode.PER_ENTRY, idempotency=key, actor="ann")
    async with opened(database_url) as bench:
        await bench.store.apply(ANN, batch)
        again = await bench.store.apply(ANN, batch)
        assert again.replayed
        assert again.outcomes[1].entry_id == "\ud800 \0"


async def test_a_repeated_answer_keeps_the_session_s_version_and_what_a_deletion_took_along(database_url: str) -> None:
    async with opened(database_url) as bench:
        claim = SessionClaim(session_id="s", create=True)
        changes = Changes(memory_type=MemoryType.WORKING, given={"content": "x"})
        put = PutEntry(session_id="s", entry_id="1", changes=changes)
        key = Idempotency(key="put", fingerprint="f")
        batch = Batch(commands=(put,), session=claim, idempotency=key, actor="ann")
        assert [(await bench.store.apply(ANN, batch)).session_version for _ in range(2)] == [1, 1]
        deletion = DeleteMemory(memory_type=MemoryType.SESSION, id="s", idempotency_key="delete")
        answers = [await bench.memories.delete_memory(ANN, deletion) for _ in range(2)]
        assert [dict(answer.cascaded) for answer in answers] == [{0: 1}, {0: 1}]
        assert answers[1].outcomes[0].status is WriteStatus.DELETED


async def history(memories: Any, memory_id: str) -> Any:
    return (await memories.histories(ANN, [memory_id], PageRequest(size=9)))[memory_id].rows


def step_back_once(memory: Any, *records: Any) -> Any:
    return step_back(memory, records[0], records[1])
