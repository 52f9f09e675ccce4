"""What history records hold, and that they lead back to every version and forward to the present."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mnesis.domain.commands import Changes, Update
from mnesis.domain.fields import Message
from mnesis.domain.history import FieldChange, entries_change, replay, step_back
from mnesis.domain.json_values import same
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import ChangeKind
from tests.domain.workbench import (
    NOON,
    WORKING,
    Workbench,
    change,
    delete,
    entry,
    merge,
    new_fact,
    new_session,
    new_working,
)

ONE, TWO, THREE = (Message(role="user", text=str(number)) for number in (1, 2, 3))
PART = Message(role="user", parts=({"n": 1},))


def last_change(bench: Workbench, memory: Memory) -> FieldChange:
    [made] = bench.history(memory.id)[-1].changes
    return made


def test_a_creation_tells_of_the_fields_that_are_not_empty() -> None:
    bench = Workbench()
    bench.run(new_session(summary="x", metadata={"a": 1}, pinned=False))
    assert bench.history("s1")[0].changes == (
        FieldChange(field="summary", kind=ChangeKind.SET, before=None, after="x"),
        FieldChange(field="metadata", kind=ChangeKind.SET, before=None, after={"a": 1}),
    )


def test_only_the_keys_of_an_object_that_differ_are_recorded() -> None:
    bench = Workbench()
    session = bench.made(new_session(metadata={"same": 1, "typed": 1, "gone": 2, "deep": {"a": 1}}))
    bench.run(change(session, metadata={"same": 1, "typed": True, "deep": {"a": 2}, "new": None}))
    told = last_change(bench, session)
    assert (told.field, told.kind) == ("metadata", ChangeKind.SET)
    assert same(told.before, {"typed": 1, "gone": 2, "deep": {"a": 1}})
    assert same(told.after, {"typed": True, "deep": {"a": 2}, "new": None})


def test_only_the_fields_that_differ_are_recorded() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x", metadata={"a": 1}))
    bench.run(change(session, summary="y", metadata={"a": 1}, pinned=False, agents={}))
    assert [(told.field, told.before, told.after) for told in bench.history("s1")[-1].changes] == [
        ("summary", "x", "y"),
        ("agents", None, {}),
    ]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ((ONE,), (ONE, TWO, THREE), (ChangeKind.APPEND, 1, (TWO, THREE))),
        ((ONE, PART), (ONE, PART, TWO), (ChangeKind.APPEND, 2, (TWO,))),
        ((), (ONE,), (ChangeKind.SET, (), (ONE,))),
        ((ONE, TWO), (ONE,), (ChangeKind.SET, (ONE, TWO), (ONE,))),
        ((ONE,), (TWO, ONE), (ChangeKind.SET, (ONE,), (TWO, ONE))),
        ((ONE,), (), (ChangeKind.SET, (ONE,), ())),
        ((PART,), (replace(PART, parts=({"n": 1.0},)), ONE), (ChangeKind.SET, (PART,), (PART, ONE))),
    ],
)
def test_appended_messages_are_recorded_alone_with_the_number_before(
    before: tuple[Message, ...], after: tuple[Message, ...], told: tuple[ChangeKind, Any, Any]
) -> None:
    bench = Workbench()
    memory = bench.made(new_working(messages=before))
    bench.run(change(memory, messages=after))
    recorded = last_change(bench, memory)
    assert (recorded.kind, recorded.before, recorded.after) == told


def test_the_record_of_an_append_does_not_grow_with_the_conversation() -> None:
    bench = Workbench()
    memory = bench.made(new_working(messages=(ONE,) * 500))
    bench.run(Update(id=memory.id, changes=Changes(memory_type=WORKING, given={}, append_messages=(TWO,))))
    recorded = last_change(bench, memory)
    assert (recorded.kind, recorded.before, recorded.after) == (ChangeKind.APPEND, 500, (TWO,))


def test_a_deletion_has_a_record_without_changes() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x"))
    bench.run(delete(session))
    assert [(record.version, record.changes) for record in bench.history("s1")][1:] == [(2, ())]


def test_a_memory_made_again_records_all_that_differs_from_its_tombstone() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x", metadata={"a": 1, "b": 2}, pinned=True))
    bench.run(delete(session))
    bench.run(replace(new_session(metadata={"a": 1}, container_id="travel"), namespace={"u": 1}))
    told = {each.field: (each.before, each.after) for each in bench.history("s1")[-1].changes}
    assert told == {
        "summary": ("x", None),
        "metadata": ({"b": 2}, {}),
        "pinned": (True, False),
        "container_id": ("default", "travel"),
        "namespace": ({}, {"u": 1}),
        "created_at": (session.created_at, bench.now),
    }


def test_the_counts_of_entries_are_no_field_of_the_session() -> None:
    told = entries_change(created=1, updated=2, deleted=3)
    assert (told.field, told.kind, told.before) == ("entries", ChangeKind.ENTRIES, None)
    assert told.after == {"created": 1, "updated": 2, "deleted": 3}


def states(bench: Workbench, memory_id: str, *commands: Any) -> list[Memory]:
    """The memory after each command, each a batch of its own."""
    seen = []
    for number, command in enumerate(commands):
        bench.one(command, actor=f"actor-{number}")
        seen.append(bench.stored(memory_id))
    assert [memory.version for memory in seen] == list(range(1, len(commands) + 1))
    return seen


def leads_to_every_version(bench: Workbench, seen: list[Memory]) -> None:
    records = bench.history(seen[0].id)
    assert [record.version for record in records] == list(range(1, len(seen) + 1))
    memory = seen[-1]
    for version in range(len(seen) - 1, 0, -1):
        memory = step_back(memory, records[version], records[version - 1])
        # The arrival is the place of the memory as it is now; it tells nothing about a version.
        expected = replace(seen[version - 1], arrival=memory.arrival)
        assert memory == expected
        assert all(same(value, expected.values[name]) for name, value in memory.values.items())
    for version in range(1, len(seen) + 1):
        assert replay(records[:version]) == seen[version - 1].values


def test_every_version_of_a_session_can_be_read_again() -> None:
    bench = Workbench()
    made = new_session(summary="x", metadata={"a": 1, "b": {"c": 2}})
    session = Workbench().made(made)
    moved = replace(new_session(agents={"z": 1}, container_id="travel"), namespace={"u": 1})
    leads_to_every_version(
        bench,
        states(
            bench,
            "s1",
            made,
            change(session, summary=None, metadata={"a": True, "d": None}),
            merge(session, metadata={"d": 1.0, "e": {"f": 1}}),
            change(session, pinned=True),
            change(session, metadata=None),
            change(session, metadata={}),
            delete(session),
            moved,
            change(session, summary="again"),
            delete(session),
            new_session(),
        ),
    )


def test_every_version_of_a_working_memory_can_be_read_again() -> None:
    bench = Workbench()
    first = bench.made(new_working(messages=(ONE,), binary_data=b"1"))
    append = Update(id=first.id, changes=Changes(memory_type=WORKING, given={}, append_messages=(PART, TWO)))
    seen = [first]
    for command in (
        append,
        change(first, messages=(TWO,), structured_data={"a": [1]}),
        append,
        change(first, messages=()),
        append,
        change(first, binary_data=None, tags={"t": 1}),
        change(first, structured_data={"a": [1.0]}),
        delete(first),
    ):
        bench.one(command, actor="bob")
        seen.append(bench.stored(first.id))
    leads_to_every_version(bench, seen)


def test_every_version_of_an_entry_and_of_its_session_can_be_read_again() -> None:
    bench = Workbench()
    seen: dict[str, list[Memory]] = {"s1": [], "made-1": []}
    older = replace(entry("m1", "b"), created_at=NOON - timedelta(days=3))
    steps: list[Callable[[], object]] = [
        lambda: bench.put("s1", entry("m1", "a", metadata={"x": 1}), create=True),
        lambda: bench.put("s1", older),
        lambda: bench.put("s1", entry("m1", role="assistant", metadata={"x": 1, "y": 2})),
        lambda: bench.run(delete(bench.stored("s1"))),
        lambda: bench.put("s1", entry("m1", "c"), create=True, container_id="travel"),
    ]
    for step in steps:
        step()
        for memory_id, states_seen in seen.items():
            states_seen.append(bench.stored(memory_id))
    leads_to_every_version(bench, seen["s1"])
    leads_to_every_version(bench, seen["made-1"])


def test_stepping_back_needs_the_record_of_that_very_version() -> None:
    bench = Workbench()
    fact = bench.made(new_fact())
    bench.run(change(fact, pinned=True))
    first, second = bench.history(fact.id)
    with pytest.raises(ValueError, match="made-1~2 did not make version 1 of made-1"):
        step_back(fact, second, first)
    bench.run(new_session())
    with pytest.raises(ValueError, match="made-1~1 did not make version 1 of s1"):
        step_back(bench.stored("s1"), first, first)


def test_no_history_adds_up_to_nothing() -> None:
    assert replay([]) == {}
