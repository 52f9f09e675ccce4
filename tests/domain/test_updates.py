"""What creating, changing and deleting one memory means: keep and clear, versions, times, tombstones."""

from dataclasses import replace
from typing import Any

import pytest

from mnesis.domain.commands import Changes, Create, Delete, Update
from mnesis.domain.fields import Message
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import ChangeKind, HistoryAction, MemoryType, ObjectMode, PayloadType
from mnesis.domain.refusals import AlreadyExists, LimitExceeded, MemoryTypeMismatch, VersionConflict
from tests.domain.workbench import (
    LONG_TERM,
    MICROSECOND,
    NOON,
    SECOND,
    SESSION,
    WORKING,
    Asked,
    Workbench,
    change,
    codes,
    delete,
    merge,
    new_fact,
    new_session,
    new_working,
)

HELLO, THERE = Message(role="user", text="Hello"), Message(role="assistant", parts=({"text": "there"},))


def append(memory_id: str, *messages: Message, **given: Any) -> Update:
    changes = Changes(memory_type=WORKING, given=given, append_messages=messages)
    return Update(id=memory_id, changes=changes)


def test_a_new_memory_has_version_1_and_empty_fields_where_nothing_was_given() -> None:
    bench = Workbench()
    made = bench.one(new_session("s1", summary="About tea", pinned=True), actor="bob")
    assert (made.status, made.id, made.entry_id, made.version, made.refusals) == ("CREATED", "s1", None, 1, ())
    session = bench.stored("s1")
    assert session == made.memory
    assert session.values == {
        "summary": "About tea", "metadata": None, "agents": None, "additional_info": None, "pinned": True,
    }  # fmt: skip
    assert (session.container_id, session.namespace, session.updated_by) == ("default", {}, "bob")
    assert session.created_at == session.updated_at == session.content_updated_at == bench.now
    assert not session.deleted


def test_the_server_makes_the_ids_that_are_not_chosen() -> None:
    bench = Workbench()
    ids = [outcome.id for outcome in bench.run(new_session(None), new_fact(), new_working()).outcomes]
    assert ids == ["made-1", "made-2", "made-3"]


def test_a_memory_lies_in_the_container_and_the_namespace_it_was_made_in() -> None:
    bench = Workbench()
    made = bench.made(replace(new_fact(), container_id="travel", namespace={"user": "u1"}))
    assert (made.container_id, made.namespace) == ("travel", {"user": "u1"})


def test_an_unknown_container_is_not_found() -> None:
    bench = Workbench()
    assert codes(bench.one(new_session(container_id="nowhere")).refusals) == [("NOT_FOUND", ("container_id",))]


def test_containers_share_the_ids_of_memories() -> None:
    bench = Workbench()
    assert codes(bench.one(new_session("travel")).refusals) == [("ALREADY_EXISTS", ("id",))]


@pytest.mark.parametrize(
    ("given", "payload"),
    [
        ({}, PayloadType.CONVERSATIONAL),
        ({"messages": (HELLO,)}, PayloadType.CONVERSATIONAL),
        ({"structured_data": {"a": 1}}, PayloadType.DATA),
        ({"binary_data": b"1"}, PayloadType.DATA),
        ({"binary_data": b"1", "content": "x"}, PayloadType.CONVERSATIONAL),
        ({"structured_data": {}, "messages": (HELLO,)}, PayloadType.CONVERSATIONAL),
        ({"structured_data": {}, "payload_type": PayloadType.CONVERSATIONAL}, PayloadType.CONVERSATIONAL),
        ({"payload_type": PayloadType.DATA}, PayloadType.DATA),
    ],
)
def test_what_a_working_memory_carries_follows_from_what_was_given(given: dict[str, Any], payload: PayloadType) -> None:
    assert Workbench().made(new_working(**given)).values["payload_type"] is payload


def test_messages_can_be_appended_at_creation_too() -> None:
    made = Workbench().made(Create(changes=Changes(memory_type=WORKING, given={}, append_messages=(HELLO,))))
    assert made.values["messages"] == (HELLO,)


def test_what_is_left_out_is_kept_and_null_clears() -> None:
    bench = Workbench()
    fact = bench.made(new_fact("Likes tea.", tags={"a": 1}, strategy="SEMANTIC", pinned=True))
    changed = bench.one(change(fact, tags=None))
    assert (changed.status, changed.version) == ("UPDATED", 2)
    assert bench.stored(fact.id).values == {
        "memory": "Likes tea.", "tags": None, "strategy": "SEMANTIC", "pinned": True,
    }  # fmt: skip


def test_replace_puts_a_given_object_in_place_of_the_stored_one() -> None:
    bench = Workbench()
    session = bench.made(new_session(metadata={"a": 1, "b": {"c": 2}}, agents={"x": 1}))
    changed = bench.made(change(session, metadata={"b": None}))
    assert (changed.values["metadata"], changed.values["agents"]) == ({"b": None}, {"x": 1})


def test_merge_applies_a_patch_to_each_given_object() -> None:
    bench = Workbench()
    session = bench.made(new_session(metadata={"a": 1, "b": {"c": 2, "d": 3}}, agents={"x": 1}))
    changed = bench.made(merge(session, metadata={"a": None, "b": {"c": 4}}, additional_info={"new": 1, "no": None}))
    assert changed.values["metadata"] == {"b": {"c": 4, "d": 3}}
    assert changed.values["additional_info"] == {"new": 1}
    assert changed.values["agents"] == {"x": 1}


def test_merge_still_clears_a_whole_object_with_null_and_sets_what_is_no_object() -> None:
    bench = Workbench()
    session = bench.made(new_session(metadata={"a": 1}, summary="Old"))
    changed = bench.made(merge(session, metadata=None, summary="New"))
    assert (changed.values["metadata"], changed.values["summary"]) == (None, "New")


def test_messages_are_appended_at_the_end() -> None:
    bench = Workbench()
    memory = bench.made(new_working(messages=(HELLO,)))
    changed = bench.made(append(memory.id, THERE, HELLO, tags={"a": 1}))
    assert changed.values["messages"] == (HELLO, THERE, HELLO)
    assert changed.values["tags"] == {"a": 1}


def test_appending_no_message_changes_nothing() -> None:
    bench = Workbench()
    memory = bench.made(new_working(messages=(HELLO,)))
    assert bench.one(append(memory.id)).status == "UNCHANGED"


@pytest.mark.parametrize(
    ("made", "given"),
    [
        (new_session(summary="x", metadata={"a": 1}), {"summary": "x"}),
        (new_session(metadata={"a": 1, "b": 2}), {"metadata": {"b": 2, "a": 1}}),
        (new_session(), {"summary": None, "metadata": None, "pinned": False}),
        (new_working(messages=(HELLO, THERE)), {"messages": (HELLO, replace(THERE, parts=({"text": "there"},)))}),
        (new_working(binary_data=b"12"), {"binary_data": b"12"}),
    ],
)
def test_what_changes_nothing_moves_neither_version_nor_times(made: Create, given: dict[str, Any]) -> None:
    bench = Workbench()
    memory = bench.made(made)
    outcome = bench.one(change(memory, **given), actor="bob")
    assert (outcome.status, outcome.version, outcome.memory) == ("UNCHANGED", 1, memory)
    assert bench.stored(memory.id) == memory
    assert len(bench.history(memory.id)) == 1
    assert (bench.decision.memories, bench.decision.records) == ((), ())


@pytest.mark.parametrize(
    ("stored", "given"), [(1, True), (1, 1.0), (0, False), ("1", 1), ([1], [1.0]), (None, 0), ({"x": 1}, {"x": True})]
)
def test_a_value_of_another_type_is_a_change(stored: Any, given: Any) -> None:
    bench = Workbench()
    session = bench.made(new_session(metadata={"a": stored}))
    assert bench.one(change(session, metadata={"a": given})).status == "UPDATED"
    now = bench.stored("s1").values["metadata"]
    assert isinstance(now, dict)
    assert type(now["a"]) is type(given)


def test_a_message_with_another_type_in_its_parts_is_a_change() -> None:
    bench = Workbench()
    memory = bench.made(new_working(messages=(Message(role="user", parts=({"n": 1},)),)))
    for messages in (
        (Message(role="user", parts=({"n": True},)),),
        (Message(role="user", text="n"),),
        (Message(role="other", text="n"),),
        (),
    ):
        assert bench.one(change(memory, messages=messages)).status == "UPDATED"


def test_a_dialect_can_count_an_update_that_changes_nothing() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x"))
    always = replace(change(session, summary="x"), always=True)
    assert (bench.one(always).status, bench.stored("s1").version) == ("UPDATED", 2)
    assert bench.history("s1")[1].changes == ()
    assert bench.stored("s1").updated_at == bench.now
    # Content that is given counts as new, and nothing else does.
    moved = bench.stored("s1").content_updated_at
    assert moved > session.content_updated_at
    for other in (change(session, metadata={"a": 1}), change(session)):
        assert bench.one(replace(other, always=True)).status == "UPDATED"
        assert bench.stored("s1").content_updated_at == moved
    assert bench.stored("s1").version == 4


def test_a_memory_in_another_container_than_the_named_one_is_not_there() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x"))
    for command in (change(session, summary="y"), delete(session)):
        elsewhere = bench.one(replace(command, container_id="elsewhere"))
        assert [refusal.code for refusal in elsewhere.refusals] == ["NOT_FOUND"]
        assert bench.one(replace(command, container_id=session.container_id)).status in ("UPDATED", "DELETED")


@pytest.mark.parametrize(
    ("made", "given", "content"),
    [
        (new_session(), {"summary": "x"}, True),
        (new_session(), {"metadata": {"a": 1}}, False),
        (new_session(), {"agents": {"a": 1}}, False),
        (new_session(), {"additional_info": {"a": 1}}, False),
        (new_session(), {"pinned": True}, False),
        (new_session(), {"pinned": True, "summary": "x"}, True),
        (new_working(), {"messages": (HELLO,)}, True),
        (new_working(), {"content": "x"}, True),
        (new_working(), {"structured_data": {}}, True),
        (new_working(), {"binary_data": b""}, True),
        (new_working(), {"tags": {}}, False),
        (new_working(), {"metadata": {}}, False),
        (new_working(), {"role": "user"}, False),
        (new_fact(), {"memory": "Likes coffee."}, True),
        (new_fact(), {"tags": {}}, False),
        (new_fact(), {"pinned": True}, False),
    ],
)
def test_the_content_time_moves_only_with_content(made: Create, given: dict[str, Any], content: bool) -> None:
    bench = Workbench()
    memory = bench.made(made)
    changed = bench.made(change(memory, **given), actor="bob")
    assert (changed.updated_at, changed.updated_by, changed.version) == (bench.now, "bob", 2)
    assert changed.content_updated_at == (bench.now if content else memory.content_updated_at)
    assert changed.created_at == memory.created_at


def test_content_that_is_given_but_not_changed_does_not_move_its_time() -> None:
    bench = Workbench()
    memory = bench.made(new_session(summary="x"))
    changed = bench.made(change(memory, summary="x", pinned=True))
    assert changed.content_updated_at == memory.content_updated_at


def test_times_never_go_back_with_the_clock() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="1"))
    written_at = bench.now
    commands: list[Asked] = [change(session, summary="2"), delete(session), new_session(summary="3")]
    for step, command in enumerate(commands, 1):
        bench.now = NOON - 3600 * SECOND
        bench.run(command)
        assert bench.stored("s1").updated_at == written_at + step * MICROSECOND
    assert bench.stored("s1").content_updated_at == written_at + 3 * MICROSECOND
    assert bench.stored("s1").created_at == written_at + 3 * MICROSECOND


def test_an_insisted_version_that_is_stored_is_accepted() -> None:
    bench = Workbench()
    session = bench.made(new_session())
    assert bench.one(change(session, summary="x", if_version=1)).version == 2
    assert bench.one(delete(session, if_version=2)).version == 3


@pytest.mark.parametrize("if_version", [0, 1, 3])
def test_a_stale_version_is_refused_with_the_current_memory(if_version: int) -> None:
    bench = Workbench()
    session = bench.made(new_session())
    current = bench.made(change(session, summary="x"))
    for command in (change(session, pinned=True, if_version=if_version), delete(session, if_version=if_version)):
        outcome = bench.one(command)
        assert (outcome.status, outcome.version) == ("FAILED", None)
        expected = VersionConflict(path=("if_version",), expected=if_version, actual=2, current=current)
        assert outcome.refusals == (expected,)
    assert bench.stored("s1") == current


def test_a_stale_version_is_refused_even_where_nothing_would_change() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x"))
    assert bench.one(change(session, summary="x", if_version=7)).status == "FAILED"


@pytest.mark.parametrize("if_version", [None, 0, 1])
def test_what_is_not_stored_is_not_found(if_version: int | None) -> None:
    bench = Workbench()
    changes = Changes(memory_type=SESSION, given={"summary": "x"})
    for command in (
        Update(id="s1", changes=changes, if_version=if_version),
        Delete(memory_type=SESSION, id="s1", if_version=if_version),
    ):
        outcome = bench.one(command)
        assert codes(outcome.refusals) == [("NOT_FOUND", ("id",))]
        assert outcome.refusals[0].message == 'There is no session with the id "s1".'


def test_the_named_type_and_the_stored_one_must_agree() -> None:
    bench = Workbench()
    bench.run(new_session())
    for command in (
        Update(id="s1", changes=Changes(memory_type=LONG_TERM, given={"pinned": True})),
        Delete(memory_type=LONG_TERM, id="s1"),
    ):
        mismatch = MemoryTypeMismatch(path=("type",), requested=LONG_TERM, actual=SESSION)
        assert bench.one(command).refusals == (mismatch,)


def test_a_deleted_memory_is_gone_and_leaves_a_tombstone() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x"))
    outcome = bench.one(delete(session), actor="bob")
    assert (outcome.status, outcome.id, outcome.version) == ("DELETED", "s1", 2)
    stone = bench.stored("s1")
    assert stone.deleted
    assert (stone.values, stone.updated_by, stone.updated_at) == (session.values, "bob", bench.now)
    assert stone.content_updated_at == session.content_updated_at
    for command in (change(session, summary="y"), delete(session)):
        assert codes(bench.one(command).refusals) == [("NOT_FOUND", ("id",))]


def test_a_deleted_id_goes_on_at_the_next_version_with_nothing_of_the_old() -> None:
    bench = Workbench()
    old = bench.made(new_session(summary="x", metadata={"a": 1}))
    bench.run(delete(old))
    again = bench.one(replace(new_session(pinned=True, container_id="travel"), namespace={"u": 1}))
    assert (again.status, again.version) == ("CREATED", 3)
    session = bench.stored("s1")
    assert not session.deleted
    assert (session.values["summary"], session.values["metadata"], session.values["pinned"]) == (None, None, True)
    assert (session.container_id, session.namespace) == ("travel", {"u": 1})
    assert session.created_at == session.content_updated_at == bench.now
    assert session.arrival > old.arrival


def test_an_id_that_is_taken_already_exists() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x"))
    outcome = bench.one(new_session(summary="y"))
    assert outcome.refusals == (AlreadyExists(path=("id",), kind="session", id="s1"),)
    assert bench.stored("s1") == session


def test_a_session_cannot_take_the_id_of_another_memory_not_even_a_deleted_one() -> None:
    bench = Workbench()
    bench.run(new_session())
    entry = bench.made(new_working("s1", "m1", content="x"))
    taken = AlreadyExists(path=("id",), kind="working memory", id=entry.id)
    assert bench.one(new_session(entry.id)).refusals == (taken,)
    bench.run(delete(entry))
    taken = AlreadyExists(path=("id",), kind="deleted working memory", id=entry.id)
    assert bench.one(new_session(entry.id)).refusals == (taken,)


def test_memories_arrive_in_the_order_of_their_creation() -> None:
    bench = Workbench()
    first = bench.run(new_session("b"), new_session("a"))
    second = bench.run(new_session("c"))
    arrivals = [outcome.memory.arrival for outcome in (*first.outcomes, *second.outcomes) if outcome.memory]
    assert arrivals == sorted(set(arrivals))
    changed = bench.made(change(bench.stored("a"), summary="x"))
    assert changed.arrival == arrivals[1]
    assert changed.change > bench.stored("c").change


def test_a_conversation_has_a_longest_length_and_the_refusal_says_where_longer_ones_belong() -> None:
    bench = Workbench(Limits(messages=2))
    memory = bench.made(new_working(messages=(HELLO, THERE)))
    outcome = bench.one(append(memory.id, HELLO))
    assert codes(outcome.refusals) == [("LIMIT_EXCEEDED", ("append_messages",))]
    assert outcome.refusals[0].message == (
        "At most 2 messages in one memory are allowed; there are 3."
        " A longer conversation belongs in the entries of a session."
    )
    assert bench.stored(memory.id) == memory


def test_more_messages_than_a_lower_limit_allows_are_refused_with_any_change() -> None:
    bench = Workbench()
    memory = bench.made(new_working(messages=(HELLO, THERE)))
    bench.limits = Limits(messages=1)
    assert codes(bench.one(change(memory, tags={})).refusals) == [("LIMIT_EXCEEDED", ("messages",))]


def test_all_fields_of_a_memory_together_have_a_limit_in_bytes() -> None:
    parts = Message(role="user", parts=({"a": "é"}, {}))  # {"a":"é"} and {}: 12 bytes.
    # In this order: payload type, parts, text, content, tags, binary data. A role does not count.
    bench = Workbench(Limits(memory_bytes=14 + 12 + 2 + 5 + 2 + 3))
    fits: dict[str, Any] = {"messages": (parts, Message(role="user", text="é")), "tags": {}, "binary_data": b"123"}
    memory = bench.made(new_working(content="12345", **fits))
    outcome = bench.one(change(memory, content="123456"))
    assert outcome.refusals == (
        LimitExceeded(
            unit="bytes in one memory",
            limit=38,
            actual=39,
            advice="A longer conversation belongs in the entries of a session.",
        ),
    )
    assert bench.one(change(memory, content="54321")).status == "UPDATED"
    assert bench.one(new_working(content="123456", **fits)).status == "FAILED"


def test_a_merged_object_may_not_outgrow_the_limit_of_one_object() -> None:
    bench = Workbench(Limits(json_bytes=20))
    session = bench.made(new_session(metadata={"a": "12345"}))
    assert bench.one(merge(session, metadata={"b": 12})).status == "UPDATED"
    outcome = bench.one(merge(session, summary="x", metadata={"c": 1}))
    assert outcome.refusals == (LimitExceeded(path=("metadata",), unit="bytes of JSON", limit=20, actual=26),)


def test_a_history_record_names_the_change_its_actor_and_its_reason() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x"))
    bench.run(change(session, summary="y"), actor="bob", reason="It was wrong.")
    first, second = bench.history("s1")
    assert (first.version, first.action, first.actor, first.reason) == (1, HistoryAction.CREATE, "ann", None)
    assert (second.version, second.action, second.actor) == (2, HistoryAction.UPDATE, "bob")
    assert (second.reason, second.memory_type, second.id) == ("It was wrong.", MemoryType.SESSION, "s1~2")
    assert (second.created_at, second.container_id, second.session_id) == (bench.now, "default", None)
    [summary] = second.changes
    assert (summary.field, summary.kind, summary.before, summary.after) == ("summary", ChangeKind.SET, "x", "y")


def test_creating_with_merge_keeps_no_nulls() -> None:
    changes = Changes(memory_type=SESSION, given={"metadata": {"a": None, "b": 1}}, object_mode=ObjectMode.MERGE)
    assert Workbench().made(Create(changes=changes)).values["metadata"] == {"b": 1}
