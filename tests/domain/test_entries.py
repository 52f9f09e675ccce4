"""What `updateContextMemory` means: how entries are matched, created and changed, and what their session feels."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mnesis.domain.commands import Changes, PutEntry, Update
from mnesis.domain.entries import ContextEntry
from mnesis.domain.fields import Unreadable
from mnesis.domain.history import FieldChange
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import ChangeKind, HistoryAction, ObjectMode, WriteMode
from mnesis.domain.refusals import AlreadyExists, VersionConflict
from tests.domain.workbench import (
    NOON,
    WORKING,
    Workbench,
    change,
    codes,
    delete,
    entry,
    new_session,
    new_working,
    statuses,
)


def chat(*entries: ContextEntry) -> Workbench:
    """A bench with the session s1, and these entries in it."""
    bench = Workbench()
    bench.run(new_session())
    if entries:
        bench.put("s1", *entries)
    return bench


def told(created: int = 0, updated: int = 0, deleted: int = 0) -> FieldChange:
    counts = {"created": created, "updated": updated, "deleted": deleted}
    return FieldChange(field="entries", kind=ChangeKind.ENTRIES, before=None, after=counts)


def test_a_new_entry_has_its_key_the_role_user_and_the_place_of_its_session() -> None:
    bench = Workbench()
    bench.run(replace(new_session(container_id="travel"), namespace={"user": "u1"}))
    made = bench.put("s1", entry("m1", "Hi", metadata={"x": 1})).outcomes[0]
    assert (made.status, made.id, made.entry_id, made.version) == ("CREATED", "made-1", "m1", 1)
    memory = bench.stored("made-1")
    assert (memory.type, memory.session_id, memory.entry_id) == (WORKING, "s1", "m1")
    assert (memory.container_id, memory.namespace) == ("travel", {"user": "u1"})
    assert (memory.values["role"], memory.values["content"]) == ("user", "Hi")
    assert memory.values["metadata"] == {"x": 1}
    assert memory.created_at == bench.now
    assert (bench.history("made-1")[0].session_id, bench.history("made-1")[0].namespace) == ("s1", {"user": "u1"})


def test_a_match_is_changed_field_by_field() -> None:
    bench = chat(entry("m1", "Hi", role="assistant", metadata={"x": 1}))
    changed = bench.put("s1", entry("m1", "Hello")).outcomes[0]
    assert (changed.status, changed.entry_id, changed.version) == ("UPDATED", "m1", 2)
    assert changed.memory is not None
    assert (changed.memory.values["role"], changed.memory.values["metadata"]) == ("assistant", {"x": 1})


def test_an_entry_is_matched_by_the_message_id_of_its_metadata_where_it_has_no_id() -> None:
    bench = chat(entry(None, "Hi", metadata={"messageId": "m1"}))
    assert bench.stored("made-1").entry_id == "m1"
    outcome = bench.put("s1", entry(None, "Hello", metadata={"messageId": "m1"}), entry("m2", "x"))
    assert [(each.status, each.entry_id) for each in outcome.outcomes] == [("UPDATED", "m1"), ("CREATED", "m2")]


def test_the_id_counts_before_the_message_id_and_stays_the_key() -> None:
    bench = chat(entry("m1", "Hi", metadata={"messageId": "m2"}))
    assert bench.stored("made-1").entry_id == "m1"
    assert bench.put("s1", entry(None, "New", metadata={"messageId": "m2"})).outcomes[0].status == "CREATED"
    bench.put("s1", entry("m1", metadata={"messageId": "m3"}))
    assert bench.stored("made-1").entry_id == "m1"


def test_an_entry_can_be_matched_through_a_merge_too() -> None:
    bench = chat(entry(None, "Hi", metadata={"messageId": "m1", "x": 1}))
    patch = entry(None, metadata={"messageId": "m1", "y": 2})
    changed = bench.put("s1", patch, objects=ObjectMode.MERGE).outcomes[0]
    assert changed.memory is not None
    assert changed.memory.values["metadata"] == {"messageId": "m1", "x": 1, "y": 2}


def test_the_same_key_in_another_session_is_another_entry() -> None:
    bench = chat(entry("m1", "Hi"))
    bench.run(new_session("s2"))
    assert bench.put("s2", entry("m1", "Ho")).outcomes[0].status == "CREATED"


@pytest.mark.parametrize("given", [{}, {"metadata": {"x": 1}}, {"metadata": {"messageId": None}}, {"metadata": None}])
def test_an_entry_without_any_key_is_always_new_and_its_id_becomes_its_key(given: dict[str, Any]) -> None:
    bench = chat()
    outcome = bench.put("s1", entry(None, "Hi", **given), entry(None, "Hi", **given))
    assert [(each.status, each.id, each.entry_id) for each in outcome.outcomes] == [
        ("CREATED", "made-1", "made-1"),
        ("CREATED", "made-2", "made-2"),
    ]
    assert bench.put("s1", entry("made-1", "Hello")).outcomes[0].status == "UPDATED"


def test_a_key_alone_is_unchanged() -> None:
    bench = chat(entry("m1", "Hi"))
    before = bench.stored("s1")
    outcome = bench.put("s1", entry("m1"))
    assert (statuses(outcome), outcome.session_version) == (["UNCHANGED"], before.version)
    assert bench.stored("s1") == before


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (entry("m1"), "Nothing in this session has this key, and a new entry needs content."),
        (entry("m1", role="user"), "Nothing in this session has this key, and a new entry needs content."),
        (entry(None, metadata={}), "A new entry needs content."),
        (entry(), "A new entry needs content."),
    ],
)
def test_a_new_entry_needs_content(given: ContextEntry, sentence: str) -> None:
    outcome = chat().put("s1", given).outcomes[0]
    assert codes(outcome.refusals) == [("INVALID_INPUT", ("content",))]
    assert (outcome.status, outcome.refusals[0].message) == ("FAILED", sentence)


def test_the_same_key_twice_is_refused_at_the_second() -> None:
    bench = chat(entry("m1", "Hi"))
    same = entry(None, "c", metadata={"messageId": "m1"})
    outcome = bench.put("s1", entry("m1", "a"), entry("m2", "b"), same, entry("m2", "d"))
    assert statuses(outcome) == ["ROLLED_BACK", "ROLLED_BACK", "FAILED", "FAILED"]
    assert codes(outcome.outcomes[2].refusals) == [("INVALID_INPUT", ("id",))]
    assert [each.entry_id for each in outcome.outcomes] == ["m1", "m2", "m1", "m2"]


def test_a_message_id_that_is_no_string_is_refused() -> None:
    for key in (7, ["m"], True):
        outcome = chat().put("s1", entry(None, "x", metadata={"messageId": key})).outcomes[0]
        assert codes(outcome.refusals) == [("INVALID_INPUT", ("metadata", "messageId"))]


def test_a_message_id_does_not_count_beside_an_id() -> None:
    assert chat().put("s1", entry("m1", "x", metadata={"messageId": 7})).outcomes[0].status == "CREATED"


def test_everything_wrong_with_every_entry_is_told_at_once() -> None:
    bad = replace(entry("", role=""), created_at=Unreadable(fact="is no time"), if_version=-1)
    wrong = entry(None, content="\0", metadata={"messageId": 1})
    outcome = chat().put("s1", bad, entry("m1", "fine"), entry("m2", metadata={"x": float("nan")}), wrong, entry())
    assert [codes(each.refusals) for each in outcome.outcomes] == [
        [
            ("INVALID_INPUT", ("id",)),
            ("INVALID_INPUT", ("if_version",)),
            ("INVALID_INPUT", ("role",)),
            ("INVALID_INPUT", ("created_at",)),
        ],
        [],
        [("INVALID_INPUT", ("metadata", "x"))],
        [("INVALID_INPUT", ("metadata", "messageId")), ("INVALID_INPUT", ("content",))],
        [("INVALID_INPUT", ("content",))],
    ]
    assert statuses(outcome) == ["FAILED", "ROLLED_BACK", "FAILED", "FAILED", "FAILED"]


def test_an_entry_too_large_is_refused_when_new() -> None:
    bench = chat()
    bench.limits = Limits(memory_bytes=20)
    outcome = bench.put("s1", entry("m1", "1234567890")).outcomes[0]
    assert codes(outcome.refusals) == [("LIMIT_EXCEEDED", ())]


def test_a_conversation_may_be_older_than_its_import_and_the_time_may_be_mended() -> None:
    bench = chat(replace(entry("m1", "Hi"), created_at=NOON - timedelta(days=7)))
    memory = bench.stored("made-1")
    assert (memory.created_at, memory.updated_at) == (NOON - timedelta(days=7), bench.now)
    same = replace(entry("m1"), created_at=NOON - timedelta(days=7))
    assert statuses(bench.put("s1", same)) == ["UNCHANGED"]
    bench.put("s1", replace(entry("m1"), created_at=NOON - timedelta(days=8)))
    moved = bench.stored("made-1")
    assert (moved.version, moved.created_at) == (2, NOON - timedelta(days=8))
    assert (moved.updated_at, moved.content_updated_at) == (bench.now, memory.content_updated_at)
    [record] = bench.history("made-1")[1].changes
    assert (record.field, record.before, record.after) == ("created_at", memory.created_at, moved.created_at)


@pytest.mark.parametrize("if_version", [0, 2])
def test_a_stale_version_of_an_entry_is_refused_with_the_current_one(if_version: int) -> None:
    bench = chat(entry("m1", "Hi"))
    stale = replace(entry("m1", "Hello"), if_version=if_version)
    conflict = VersionConflict(path=("if_version",), expected=if_version, actual=1, current=bench.stored("made-1"))
    assert bench.put("s1", stale).outcomes[0].refusals == (conflict,)
    assert bench.put("s1", replace(entry("m1", "Hello"), if_version=1)).outcomes[0].status == "UPDATED"


def test_an_entry_that_must_be_stored_is_not_created() -> None:
    bench = chat()
    outcome = bench.put("s1", replace(entry("m1", "Hi"), if_version=1)).outcomes[0]
    assert outcome.refusals == (VersionConflict(path=("if_version",), expected=1, actual=0, current=None),)
    assert bench.put("s1", replace(entry("m1", "Hi"), if_version=0)).outcomes[0].status == "CREATED"


def test_a_deleted_entry_goes_on_at_the_next_version_under_its_id() -> None:
    bench = chat(entry("m1", "Hi", role="assistant"))
    bench.run(delete(bench.stored("made-1")))
    assert statuses(bench.put("s1", entry("m1"))) == ["FAILED"]
    stale = replace(entry("m1", "Again"), if_version=2)
    assert codes(bench.put("s1", stale).outcomes[0].refusals) == [("VERSION_CONFLICT", ("if_version",))]
    made = bench.put("s1", replace(entry("m1", "Again"), if_version=0)).outcomes[0]
    assert (made.status, made.id, made.version) == ("CREATED", "made-1", 3)
    assert bench.stored("made-1").values["role"] == "user"


def test_an_entry_can_be_made_like_any_memory() -> None:
    bench = Workbench()
    bench.run(replace(new_session(container_id="travel"), namespace={"a": 1}))
    first = bench.made(new_working("s1", "m1", content="x"))
    second = bench.made(replace(new_working("s1", binary_data=b"1"), namespace={"b": 2}))
    assert (first.entry_id, first.container_id, first.namespace) == ("m1", "travel", {"a": 1})
    assert (second.entry_id, second.container_id, second.namespace) == (second.id, "travel", {"b": 2})
    taken = AlreadyExists(path=("entry_id",), kind="working memory", id="m1")
    assert bench.one(new_working("s1", "m1")).refusals == (taken,)
    bench.run(delete(first))
    assert bench.made(new_working("s1", "m1")).version == 3


def test_an_entry_is_not_made_in_what_is_no_live_session() -> None:
    bench = chat(entry("m1", "x"))
    missing = [("NOT_FOUND", ("session_id",))]
    assert codes(bench.one(new_working("s2", "m1")).refusals) == missing
    assert codes(bench.one(new_working("made-1", "m1")).refusals) == missing
    bench.run(delete(bench.stored("s1")))
    assert codes(bench.one(new_working("s1", "m2")).refusals) == missing


def test_a_batch_raises_the_version_of_the_session_once_and_its_record_tells_of_the_entries() -> None:
    bench = chat(entry("m1", "a"), entry("m2", "b"))
    before = bench.stored("s1")
    outcome = bench.put("s1", entry("m1", "c"), entry("m2"), entry("m3", "d"), entry(None, "e"))
    assert (outcome.session_version, outcome.session) == (before.version + 1, bench.stored("s1"))
    record = bench.history("s1")[-1]
    assert (record.action, record.changes) == (HistoryAction.UPDATE, (told(created=2, updated=1),))
    session = bench.stored("s1")
    assert (session.values, session.content_updated_at) == (before.values, before.content_updated_at)
    assert (session.updated_at, session.updated_by) == (bench.now, "ann")


def test_every_mutation_of_an_entry_raises_its_session() -> None:
    bench = chat(entry("m1", "a"))
    bench.run(change(bench.stored("made-1"), content="b"))
    assert bench.history("s1")[-1].changes == (told(updated=1),)
    bench.run(delete(bench.stored("made-1")))
    assert bench.history("s1")[-1].changes == (told(deleted=1),)
    bench.run(new_working("s1"))
    assert bench.history("s1")[-1].changes == (told(created=1),)
    assert bench.stored("s1").version == 5


def test_the_entries_join_the_record_of_a_session_that_the_batch_changed_itself() -> None:
    bench = chat(entry("m1", "a"))
    session, memory = bench.stored("s1"), bench.stored("made-1")
    bench.run(change(session, summary="x"), change(memory, content="b"))
    assert bench.stored("s1").version == session.version + 1
    summary, entries = bench.history("s1")[-1].changes
    assert (summary.field, entries) == ("summary", told(updated=1))
    bench.run(change(memory, content="c"), change(session, summary="y"), change(session, summary="z"))
    assert bench.stored("s1").version == session.version + 3
    assert [len(record.changes) for record in bench.history("s1")[-2:]] == [1, 2]


def test_a_session_made_in_the_batch_is_not_raised() -> None:
    bench = Workbench()
    outcome = bench.put("s1", entry("m1", "a"), create=True)
    assert outcome.session_version == 1
    bench.run(new_session("s2"), new_working("s2", "m1"))
    for session_id in ("s1", "s2"):
        [record] = bench.history(session_id)
        assert (record.version, record.action, record.changes) == (1, HistoryAction.CREATE, ())


def test_a_batch_over_several_sessions_raises_each_once() -> None:
    bench = chat(entry("m1", "a"))
    bench.put("s2", entry("m1", "b"), create=True)
    bench.run(*(change(bench.stored(each), content="c") for each in ("made-1", "made-2")), new_working("s2"))
    assert bench.history("s1")[-1].changes == (told(updated=1),)
    assert bench.history("s2")[-1].changes == (told(created=1, updated=1),)
    assert (bench.stored("s1").version, bench.stored("s2").version) == (3, 2)


def test_deleting_a_session_deletes_its_live_entries_with_it() -> None:
    bench = chat(entry("m1", "a"), entry("m2", "b"), entry("m3", "c"))
    bench.put("s2", entry("m1", "d"), create=True)
    bench.run(delete(bench.stored("made-2")))
    session = bench.stored("s1")
    outcome = bench.run(delete(session))
    assert (statuses(outcome), outcome.cascaded) == (["DELETED"], {0: 2})
    assert outcome.counts.submitted == outcome.counts.deleted == 1
    written = [(record.memory_id, record.version, record.action.value) for record in bench.decision.records]
    assert written == [("made-1", 2, "DELETE"), ("made-3", 2, "DELETE"), ("s1", session.version + 1, "DELETE")]
    assert [bench.stored(each).deleted for each in ("s1", "made-1", "made-2", "made-3", "made-4")] == [
        True, True, True, True, False,
    ]  # fmt: skip
    assert bench.stored("made-2").version == 2
    assert bench.history("s1")[-1].changes == ()


def test_a_session_made_again_has_none_of_its_old_entries() -> None:
    bench = chat(entry("m1", "a"))
    bench.run(delete(bench.stored("s1")))
    outcome = bench.put("s1", entry("m2", "b"), create=True)
    assert outcome.session_version == 4
    assert [memory.entry_id for memory in bench.space.live_entries("s1")] == ["m2"]
    assert bench.put("s1", entry("m1", "c")).outcomes[0].version == 3


def test_a_session_deleted_and_made_again_in_one_batch_is_told_of_by_its_own_records() -> None:
    bench = chat(entry("m1", "a"))
    outcome = bench.run(delete(bench.stored("s1")), new_session(), new_working("s1", "m1"))
    assert [each.version for each in outcome.outcomes] == [3, 4, 3]
    assert [record.action.value for record in bench.history("s1")] == ["CREATE", "UPDATE", "DELETE", "CREATE"]
    assert bench.stored("s1").version == 4


def test_live_entries_come_in_the_order_of_their_arrival() -> None:
    bench = chat(entry("z", "1"), entry("a", "2"))
    branch = bench.space.branch()
    branch.put(replace(bench.stored("made-1"), id="later", entry_id="b", arrival=2**60))
    assert [memory.entry_id for memory in branch.live_entries("s1")] == ["z", "a", "b"]


def test_refused_entries_leave_the_others_unwritten_or_written_as_the_mode_says() -> None:
    for mode, expected, version in (
        (WriteMode.ATOMIC, ["ROLLED_BACK", "FAILED", "ROLLED_BACK"], 2),
        (WriteMode.PER_ENTRY, ["UPDATED", "FAILED", "CREATED"], 3),
    ):
        bench = chat(entry("m1", "a"))
        outcome = bench.put("s1", entry("m1", "b"), entry("m2"), entry("m3", "c"), mode=mode)
        assert statuses(outcome) == expected
        assert bench.stored("s1").version == version
        written = mode is WriteMode.PER_ENTRY
        assert outcome.session_version == (version if written else None)
        assert (outcome.outcomes[2].id, outcome.outcomes[2].entry_id) == ("made-2" if written else None, "m3")


def test_an_entry_put_alone_and_an_update_by_id_reach_the_same_memory() -> None:
    bench = chat(entry("m1", "a"))
    changes = Changes(memory_type=WORKING, given={"content": "b"})
    put = PutEntry(session_id="s1", entry_id="m1", changes=changes)
    assert bench.one(put).id == "made-1"
    assert bench.one(Update(id="made-1", changes=changes)).status == "UNCHANGED"
