"""Earlier versions: found by stepping back, and made current again by a restoration, a change like any other."""

from dataclasses import replace

import pytest

from mnesis.domain.commands import Batch, Restore
from mnesis.domain.history import replay
from mnesis.domain.ids import PastId, parse_past_id
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import HistoryAction, MemoryType
from mnesis.domain.time_travel import NotKept, as_of
from mnesis.domain.workspace import Needs, Workspace
from tests.domain.workbench import (
    LONG_TERM,
    SECOND,
    SESSION,
    Workbench,
    change,
    codes,
    delete,
    entry,
    new_fact,
    new_session,
    new_working,
    restore,
    statuses,
)


@pytest.fixture
def bench() -> Workbench:
    return Workbench()


def past(bench: Workbench, memory_id: str, version: int) -> Memory:
    records = {record.version: record for record in bench.history(memory_id)}
    return as_of(bench.stored(memory_id), version, records)


def test_every_version_is_found_again_as_it_was(bench: Workbench) -> None:
    fact = bench.made(new_fact(tags={"a": 1}))
    states = [fact]
    patches = ({"memory": "Likes coffee."}, {"tags": {"a": 1, "b": 2}}, {"tags": None}, {"pinned": True})
    states += [bench.made(change(fact, **patch), actor="bob") for patch in patches]
    for state in states:
        # Which change made a version is told by the records; the memory's own is that of the version.
        assert past(bench, fact.id, state.version) == state


def test_a_version_that_is_not_kept_is_told(bench: Workbench) -> None:
    fact = bench.made(new_fact())
    for number in range(4):
        bench.made(change(fact, memory=f"Text {number}."))
    records = {record.version: record for record in bench.history(fact.id)}
    del records[1]
    assert as_of(bench.stored(fact.id), 2, records).version == 2
    with pytest.raises(NotKept, match=r"Version 1 is not kept any more\."):
        as_of(bench.stored(fact.id), 1, records)
    del records[3]
    with pytest.raises(NotKept) as not_kept:
        as_of(bench.stored(fact.id), 2, records)
    assert not_kept.value.version == 2


def test_a_restored_version_is_a_new_one_with_the_old_values(bench: Workbench) -> None:
    fact = bench.made(new_fact(tags={"a": 1}))
    bench.made(change(fact, memory="Likes coffee.", tags={"b": 2}))
    restored = bench.made(restore(fact, 1), actor="bob", reason="It was right.")
    assert (restored.version, restored.values) == (3, fact.values)
    assert (restored.updated_by, restored.updated_at, restored.content_updated_at) == ("bob", bench.now, bench.now)
    record = bench.history(fact.id)[-1]
    assert (record.action, record.reason) == (HistoryAction.RESTORE, "It was right.")
    assert [changed.field for changed in record.changes] == ["memory", "tags"]
    assert replay(bench.history(fact.id)) == restored.values
    assert past(bench, fact.id, 2).values["memory"] == "Likes coffee."


def test_only_a_restored_content_moves_the_time_of_the_content(bench: Workbench) -> None:
    fact = bench.made(new_fact(tags={"a": 1}))
    bench.made(change(fact, tags=None))
    assert bench.made(restore(fact, 1)).content_updated_at == fact.content_updated_at


def test_restoring_what_is_so_already_changes_nothing(bench: Workbench) -> None:
    fact = bench.made(new_fact())
    bench.made(change(fact, pinned=True))
    bench.made(change(fact, pinned=False))
    outcome = bench.one(restore(fact, 1))
    assert (outcome.status, outcome.version) == ("UNCHANGED", 3)
    assert bench.decision.records == ()


def test_a_deleted_memory_comes_back(bench: Workbench) -> None:
    fact = bench.made(new_fact())
    bench.one(delete(fact))
    outcome = bench.one(restore(fact, 1))
    assert (outcome.status, outcome.version) == ("UPDATED", 3)
    assert not bench.stored(fact.id).deleted
    assert bench.history(fact.id)[-1].changes == ()
    assert past(bench, fact.id, 2).deleted


def test_what_lay_in_a_deleted_container_is_not_restored(bench: Workbench) -> None:
    bench.run(new_session("away", container_id="travel"))
    bench.run(delete(bench.stored("away")))
    bench.space.containers.discard("travel")
    bench.space.keep_containers([("travel", True)])
    outcome = bench.run(Restore(memory_type=SESSION, id="away", version=1))
    [refusal] = outcome.outcomes[0].refusals
    assert (refusal.path, refusal.message) == (("id",), 'The container "travel" is deleted; create it again first.')


def test_a_deletion_is_no_version_to_restore(bench: Workbench) -> None:
    fact = bench.made(new_fact())
    bench.one(delete(fact))
    refused = bench.one(restore(fact, 2))
    assert codes(refused.refusals) == [("INVALID_INPUT", ("version",))]
    assert refused.refusals[0].message == "Version 2 is a deletion; restore the version before it."


def test_versions_that_never_were_are_refused(bench: Workbench) -> None:
    fact = bench.made(new_fact())
    assert bench.one(restore(fact, 2)).refusals[0].message == "There is no version 2; the newest is 1."
    assert codes(bench.one(restore(fact, 0)).refusals) == [("INVALID_INPUT", ("version",))]
    unknown = Restore(memory_type=LONG_TERM, id="nobody", version=1)
    assert codes(bench.one(unknown).refusals) == [("NOT_FOUND", ("id",))]
    mistaken = Restore(memory_type=SESSION, id=fact.id, version=1)
    assert codes(bench.one(mistaken).refusals) == [("MEMORY_TYPE_MISMATCH", ("type",))]


def test_a_version_that_is_not_kept_cannot_be_restored(bench: Workbench) -> None:
    fact = bench.made(new_fact())
    bench.made(change(fact, pinned=True))
    bench.records = [record for record in bench.records if record.version > 1]
    bench.space = _without_history(bench.space, fact.id)
    refused = bench.one(restore(fact, 1))
    assert codes(refused.refusals) == [("INVALID_INPUT", ("version",))]
    assert refused.refusals[0].message == "Version 1 is not kept any more."


def test_a_stale_version_is_refused_with_the_current_memory(bench: Workbench) -> None:
    fact = bench.made(new_fact())
    bench.made(change(fact, pinned=True))
    assert codes(bench.one(restore(fact, 1, if_version=1)).refusals) == [("VERSION_CONFLICT", ("if_version",))]
    assert bench.one(restore(fact, 1, if_version=2)).status == "UPDATED"


def test_a_session_comes_back_with_the_entries_that_went_with_it(bench: Workbench) -> None:
    bench.put("s1", entry("m1", "One."), entry("m2", "Two."), entry("m3", "Three."), create=True)
    session = bench.stored("s1")
    third = bench.space.entry("s1", "m3")
    assert third is not None
    bench.one(delete(third))
    bench.one(delete(session))
    outcome = bench.run(restore(session, 1))
    assert (statuses(outcome), outcome.cascaded) == (["UPDATED"], {0: 2})
    live = [memory.entry_id for memory in bench.space.live_entries("s1")]
    # The third had been deleted before, by itself.
    assert live == ["m1", "m2"]
    session_record = bench.history("s1")[-1]
    assert session_record.action is HistoryAction.RESTORE
    assert [changed.after for changed in session_record.changes] == [{"created": 2, "updated": 0, "deleted": 0}]
    assert bench.stored("s1").version == 4


def test_an_entry_that_was_created_again_meanwhile_is_left_alone(bench: Workbench) -> None:
    bench.put("s1", entry("m1", "One."), create=True)
    session = bench.stored("s1")
    bench.one(delete(session))
    bench.put("s1", entry("m1", "Anew."), create=True)
    bench.run(restore(session, 1))
    found = bench.space.entry("s1", "m1")
    assert found is not None
    assert found.values["content"] == "Anew."


def test_a_live_session_is_restored_without_its_entries(bench: Workbench) -> None:
    bench.made(new_session(summary="First."))
    bench.put("s1", entry("m1", "One."))
    bench.made(change(bench.stored("s1"), summary="Second."))
    outcome = bench.run(restore(bench.stored("s1"), 1))
    assert outcome.cascaded == {0: 0}
    assert bench.stored("s1").values["summary"] == "First."
    assert [memory.entry_id for memory in bench.space.live_entries("s1")] == ["m1"]


def test_an_entry_comes_back_into_its_session_and_raises_its_version(bench: Workbench) -> None:
    bench.put("s1", entry("m1", "One."), create=True)
    found = bench.space.entry("s1", "m1")
    assert found is not None
    bench.one(delete(found))
    bench.one(restore(found, 1))
    assert bench.stored("s1").version == 3
    assert bench.history("s1")[-1].changes[0].after == {"created": 1, "updated": 0, "deleted": 0}
    bench.put("s1", entry("m1", "Two."))
    bench.one(restore(found, 1))
    assert bench.history("s1")[-1].changes[0].after == {"created": 0, "updated": 1, "deleted": 0}


def test_an_entry_of_a_deleted_session_waits_for_it(bench: Workbench) -> None:
    bench.put("s1", entry("m1", "One."), create=True)
    found = bench.space.entry("s1", "m1")
    assert found is not None
    bench.one(delete(bench.stored("s1")))
    refused = bench.one(restore(found, 1))
    assert codes(refused.refusals) == [("INVALID_INPUT", ("id",))]
    assert refused.refusals[0].message == 'The session "s1" is deleted; restore it first.'


def test_an_earlier_time_of_an_entry_comes_back_too(bench: Workbench) -> None:
    bench.put("s1", entry("m1", "One."), create=True)
    found = bench.space.entry("s1", "m1")
    assert found is not None
    said = found.created_at - 60 * SECOND
    bench.put("s1", replace(entry("m1"), created_at=said))
    assert bench.made(restore(found, 1)).created_at == found.created_at
    assert past(bench, found.id, 2).created_at == said


def test_what_an_earlier_batch_of_a_merge_did_can_be_undone_by_a_later_one(bench: Workbench) -> None:
    fact = bench.made(new_fact())
    bench.space.keep_history([fact.id], bench.records)
    bench.made(change(fact, memory="Likes coffee."))
    bench.records = []
    # The record of the second version was never loaded: it came from the batch before.
    assert bench.made(restore(fact, 1)).values["memory"] == "Likes tea."


def test_a_version_that_an_earlier_batch_of_a_merge_made_can_be_restored_by_a_later_one(bench: Workbench) -> None:
    fact = bench.made(new_fact())
    # Nothing from the second version on was there to be loaded.
    bench.space.keep_history([fact.id], [])
    bench.made(change(fact, memory="Likes coffee."))
    bench.made(change(fact, memory="Likes water."))
    bench.records = []
    assert bench.made(restore(fact, 2)).values["memory"] == "Likes coffee."


def test_needs_reach_as_far_back_as_the_earliest_restoration() -> None:
    bench = Workbench()
    fact, session, working = bench.made(new_fact()), bench.made(new_session()), bench.made(new_working(content="x"))
    commands = (restore(fact, 5), restore(fact, 3), restore(session, 2), restore(working, 1), delete(fact))
    bench.run(*commands)
    strange = Restore(memory_type=MemoryType.WORKING, id="\0", version=1)
    needs = Needs.of([Batch(commands=(*commands, strange), actor="ann")])
    assert needs.history_from == {fact.id: 3, session.id: 2, working.id: 1}
    assert needs.sessions_whole == {session.id}


@pytest.mark.parametrize("text", ["m", "m@", "m@0", "m@01", "@1", "m~1", "m@1 ", "m@12345678901", "m\0@1"])
def test_other_texts_are_no_id_of_a_past_memory(text: str) -> None:
    assert parse_past_id(text) is None


def test_the_id_of_a_past_memory_is_its_id_and_a_version() -> None:
    assert parse_past_id("a.b-1@12") == PastId("a.b-1", 12)
    assert str(PastId("a.b-1", 12)) == "a.b-1@12"


def _without_history(space: Workspace, memory_id: str) -> Workspace:
    bare = Workspace()
    memory = space.get(memory_id)
    assert memory is not None
    bare.put(memory)
    return bare
