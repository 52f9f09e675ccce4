"""What an erasure leaves: identity, the next version, and one record that tells nothing but that it happened."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mnesis.domain.erasure import erase
from mnesis.domain.history import step_back
from mnesis.domain.memory import EMPTY_VALUES, Memory
from mnesis.domain.memory_types import HistoryAction, MemoryType

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def memory(memory_id: str, memory_type: MemoryType, **given: object) -> Memory:
    values = {"values": EMPTY_VALUES[memory_type], **given}
    return Memory(
        id=memory_id,
        type=memory_type,
        container_id="c",
        version=4,
        created_at=NOON,
        updated_at=NOON,
        content_updated_at=NOON,
        updated_by="bob",
        arrival=9,
        change=3,
        **values,  # type: ignore[arg-type]  # Fields of a memory.
    )


FACT = memory(
    "f", MemoryType.LONG_TERM, namespace={"user": "bob"}, values={**EMPTY_VALUES[MemoryType.LONG_TERM], "memory": "x"}
)
SESSION = memory("s", MemoryType.SESSION, values={**EMPTY_VALUES[MemoryType.SESSION], "summary": "kept"})
ENTRY = memory("e", MemoryType.WORKING, session_id="s", entry_id="m1")
GONE = memory("g", MemoryType.WORKING, session_id="s", entry_id="m2", deleted=True)


def test_identity_stays_and_content_goes() -> None:
    [left], [record] = erase([FACT], [], change=7, now=NOON, actor="ann", reason="asked to")
    assert (left.id, left.type, left.container_id, left.arrival, left.created_at) == (
        "f", MemoryType.LONG_TERM, "c", 9, NOON,
    )  # fmt: skip
    assert (left.version, left.deleted, left.namespace, left.values) == (5, True, {}, EMPTY_VALUES[FACT.type])
    assert (left.updated_by, left.change, left.updated_at) == ("ann", 7, NOON + TICK)
    assert (record.action, record.version, record.changes, record.namespace) == (HistoryAction.ERASE, 5, (), {})
    assert (record.actor, record.reason, record.change, record.position) == ("ann", "asked to", 7, 0)


def test_a_session_that_stays_tells_how_many_live_entries_it_lost() -> None:
    after, records = erase([ENTRY, GONE], [SESSION], change=7, now=NOON + TICK * 5, actor="ann", reason=None)
    assert [each.id for each in after] == ["e", "g", "s"]
    assert [(each.action, each.position) for each in records] == [
        (HistoryAction.ERASE, 0),
        (HistoryAction.ERASE, 1),
        (HistoryAction.UPDATE, 2),
    ]
    assert (after[0].session_id, after[0].entry_id) == ("s", "m1")
    assert (after[2].values, after[2].version, after[2].deleted) == (SESSION.values, 5, False)
    assert records[2].changes[0].after == {"created": 0, "updated": 0, "deleted": 1}
    assert {each.updated_at for each in after} == {NOON + TICK * 5}


def test_stepping_back_to_an_erasure_finds_a_tombstone() -> None:
    [left], [record] = erase([FACT], [], change=7, now=NOON, actor="ann", reason=None)
    again = replace(left, version=6, deleted=False)
    later = replace(record, version=6, action=HistoryAction.CREATE)
    assert step_back(again, later, record).deleted
