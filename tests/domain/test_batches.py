"""What holds for a batch as a whole: modes, counts, claims of a session, idempotency keys, merged batches."""

from dataclasses import replace

import pytest

from mnesis.domain.commands import Batch, BatchOutcome, Changes, PutEntry, Rejected, SessionClaim, WriteCounts
from mnesis.domain.decide import decide
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import WriteMode, WriteStatus
from mnesis.domain.refusals import (
    AlreadyExists,
    IdempotencyConflict,
    InvalidInput,
    MemoryTypeMismatch,
    NotFound,
    Refusal,
    VersionConflict,
)
from mnesis.domain.workspace import Needs
from tests.domain.workbench import (
    NOON,
    SESSION,
    WORKING,
    Workbench,
    change,
    codes,
    delete,
    entry,
    new_fact,
    new_session,
    new_working,
    statuses,
)

BAD = Rejected(refusals=(InvalidInput(path=("tags",), text="No."),), id="bad", entry_id="m9")


def nothing_was_written(bench: Workbench) -> bool:
    decision = bench.decision
    return (decision.memories, decision.records, decision.remembered) == ((), (), False)


def test_one_refused_command_keeps_an_atomic_batch_from_being_written() -> None:
    bench = Workbench()
    session = bench.made(new_session())
    outcome = bench.run(change(session, summary="x"), BAD, new_fact(), change(session, if_version=9, summary="y"))
    assert statuses(outcome) == ["ROLLED_BACK", "FAILED", "ROLLED_BACK", "FAILED"]
    assert [(each.id, each.version, each.memory) for each in outcome.outcomes] == [
        ("s1", None, None), ("bad", None, None), (None, None, None), ("s1", None, None),
    ]  # fmt: skip
    assert [codes(each.refusals) for each in outcome.outcomes] == [
        [], [("INVALID_INPUT", ("tags",))], [], [("VERSION_CONFLICT", ("if_version",))],
    ]  # fmt: skip
    assert outcome.outcomes[1].entry_id == "m9"
    assert (outcome.refusals, outcome.cascaded, outcome.session) == ((), {}, None)
    assert nothing_was_written(bench)
    assert bench.stored("s1") == session


def test_per_entry_writes_what_is_not_refused() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x"))
    commands = (BAD, change(session, summary="y"), change(session, summary="y"), new_fact(), delete(session))
    outcome = bench.run(*commands, mode=WriteMode.PER_ENTRY)
    assert statuses(outcome) == ["FAILED", "UPDATED", "UNCHANGED", "CREATED", "DELETED"]
    assert outcome.counts == WriteCounts(
        submitted=5, created=1, updated=1, unchanged=1, deleted=1, failed=1, rolled_back=0
    )
    assert outcome.cascaded == {4: 0}
    assert bench.stored("s1").version == 3


def test_a_batch_in_which_everything_is_refused_writes_nothing() -> None:
    bench = Workbench()
    outcome = bench.put("s1", entry("m1"), create=True, mode=WriteMode.PER_ENTRY)
    assert (statuses(outcome), outcome.session_version) == (["FAILED"], None)
    assert nothing_was_written(bench)
    assert bench.space.get("s1") is None


def test_later_commands_see_what_earlier_ones_did() -> None:
    bench = Workbench()
    session = bench.made(new_session())
    outcome = bench.run(
        change(session, summary="x", if_version=1),
        change(session, pinned=True, if_version=2),
        delete(session, if_version=3),
        new_session(metadata={}),
    )
    assert [each.version for each in outcome.outcomes] == [2, 3, 4, 5]
    assert [(memory.id, memory.version) for memory in bench.decision.memories] == [("s1", 5)]
    positions = [(record.version, record.change, record.position) for record in bench.decision.records]
    assert positions == [(2, 2, 0), (3, 2, 1), (4, 2, 2), (5, 2, 3)]


def test_a_batch_without_commands_does_nothing() -> None:
    bench = Workbench()
    assert bench.run() == BatchOutcome(outcomes=())
    assert bench.decision.memories == ()


def claim_refusals() -> list[tuple[SessionClaim, Refusal]]:
    claim = SessionClaim(session_id="s1")
    conflict = VersionConflict(path=("if_version",), expected=3, actual=0, current=None)
    fresh = replace(claim, session_id="s9", create=True)
    return [
        (replace(claim, session_id="s9"), NotFound(path=("session_id",), kind="session", id="s9")),
        (replace(claim, session_id="gone"), NotFound(path=("session_id",), kind="session", id="gone")),
        (replace(claim, session_id="gone", if_version=3), conflict),
        (replace(fresh, if_version=3), conflict),
        (
            replace(fresh, session_id="made-1"),
            MemoryTypeMismatch(path=("session_id",), requested=SESSION, actual=WORKING),
        ),
        (
            replace(fresh, session_id="made-2"),
            AlreadyExists(path=("session_id",), kind="deleted working memory", id="made-2"),
        ),
        (
            replace(fresh, container_id="nowhere"),
            NotFound(path=("container_id",), kind="container", id="nowhere"),
        ),
        (
            replace(fresh, session_id="travel"),
            AlreadyExists(path=("session_id",), kind="container", id="travel"),
        ),
        (
            replace(fresh, container_id="past"),
            NotFound(path=("container_id",), kind="container", id="past"),
        ),
        (
            replace(fresh, session_id="past"),
            AlreadyExists(path=("session_id",), kind="container", id="past"),
        ),
    ]


@pytest.mark.parametrize(("claim", "refusal"), claim_refusals())
@pytest.mark.parametrize("mode", list(WriteMode))
def test_a_claim_that_does_not_hold_refuses_the_whole_batch_once(
    claim: SessionClaim, refusal: Refusal, mode: WriteMode
) -> None:
    bench = Workbench()
    bench.run(new_session(), new_session("gone"))
    bench.put("s1", entry("a", "x"), entry("b", "x"))
    bench.run(delete(bench.stored("made-2")), delete(bench.stored("gone")))
    changes = Changes(memory_type=WORKING, given={"content": "x"})
    commands = [PutEntry(session_id=claim.session_id, entry_id=key, changes=changes) for key in ("m1", None)]
    outcome = bench.run(*commands, session=claim, mode=mode)
    assert outcome.refusals == (refusal,)
    assert [(each.status, each.entry_id, each.refusals) for each in outcome.outcomes] == [
        (WriteStatus.ROLLED_BACK, "m1", ()),
        (WriteStatus.ROLLED_BACK, None, ()),
    ]
    assert outcome.counts.rolled_back == outcome.counts.submitted == 2
    assert (outcome.session, outcome.session_version) == (None, None)
    assert nothing_was_written(bench)


@pytest.mark.parametrize("if_version", [0, 2])
def test_a_stale_version_of_the_session_refuses_its_entries_with_the_current_session(if_version: int) -> None:
    bench = Workbench()
    session = bench.made(new_session())
    outcome = bench.put("s1", entry("m1", "x"), if_version=if_version, create=True)
    assert outcome.refusals == (VersionConflict(path=("if_version",), expected=if_version, actual=1, current=session),)
    assert bench.put("s1", entry("m1", "x"), if_version=1).session_version == 2


@pytest.mark.parametrize("if_version", [None, 0])
def test_an_unknown_session_is_made_where_that_is_asked_for(if_version: int | None) -> None:
    bench = Workbench()
    outcome = bench.put("s1", entry("m1", "x"), create=True, container_id="travel", if_version=if_version)
    assert (statuses(outcome), outcome.session_version) == (["CREATED"], 1)
    assert bench.stored("s1").container_id == bench.stored("made-1").container_id == "travel"
    assert outcome.session == bench.stored("s1")


def test_a_claim_may_make_a_session_without_any_entry() -> None:
    bench = Workbench()
    outcome = bench.put("s1", create=True, key="k")
    assert (outcome.outcomes, outcome.session_version) == ((), 1)
    assert bench.decision.remembered
    assert bench.put("s1", create=True, key="k").replayed


def test_an_equal_request_with_the_same_key_is_answered_again_and_not_applied_again() -> None:
    bench = Workbench()
    first = bench.put("s1", entry(None, "x"), create=True, key="k")
    assert (first.replayed, bench.decision.remembered) == (False, True)
    bench.put("s1", entry("m2", "y"))
    again = bench.put("s1", entry(None, "x"), create=True, key="k")
    assert again.replayed
    assert (again.counts, again.session_version) == (first.counts, first.session_version)
    assert [(each.status, each.id, each.version) for each in again.outcomes] == [("CREATED", "made-1", 1)]
    assert nothing_was_written(bench)
    assert bench.stored("s1").version == 2


def test_an_answer_given_again_carries_no_memories_which_may_have_changed() -> None:
    bench = Workbench()
    session = bench.made(new_session())
    commands = (change(session, summary="x"), change(session, summary="y", if_version=7), BAD)
    first = bench.run(*commands, mode=WriteMode.PER_ENTRY, key="k")
    assert first.outcomes[0].memory is not None
    again = bench.run(*commands, mode=WriteMode.PER_ENTRY, key="k")
    assert again.session is None
    assert [each.memory for each in again.outcomes] == [None, None, None]
    conflict = VersionConflict(path=("if_version",), expected=7, actual=2, current=None)
    assert [each.refusals for each in again.outcomes] == [(), (conflict,), BAD.refusals]
    bench.put("s1", entry("m1", "x"), key="put")
    assert bench.put("s1", entry("m1", "x"), key="put").session is None


def test_a_key_used_for_other_arguments_refuses_the_whole_batch() -> None:
    bench = Workbench()
    bench.run(new_session("s1"), key="k")
    outcome = bench.run(new_session("s2"), new_session("s3"), key="k")
    assert outcome.refusals == (IdempotencyConflict(path=("idempotency_key",)),)
    assert statuses(outcome) == ["ROLLED_BACK", "ROLLED_BACK"]
    assert [each.id for each in outcome.outcomes] == ["s2", "s3"]
    assert nothing_was_written(bench)
    assert bench.space.get("s2") is None


def test_a_batch_refused_as_a_whole_still_tells_what_was_rejected_before() -> None:
    bench = Workbench()
    outcome = bench.put("s1", entry("m1", ""), entry("m2", "x"))
    assert codes(outcome.refusals) == [("NOT_FOUND", ("session_id",))]
    assert [(each.status.value, each.entry_id, codes(each.refusals)) for each in outcome.outcomes] == [
        ("FAILED", "m1", [("INVALID_INPUT", ("content",))]),
        ("ROLLED_BACK", "m2", []),
    ]


def test_a_key_is_its_callers_own() -> None:
    bench = Workbench()
    bench.run(new_session("s1"), key="k", actor="ann")
    outcome = bench.run(new_session("s2"), key="k", actor="bob")
    assert (statuses(outcome), outcome.replayed) == (["CREATED"], False)


def test_a_batch_that_was_refused_is_not_remembered_and_can_be_mended() -> None:
    bench = Workbench()
    for refused in (
        bench.put("s1", entry("m1", "x"), key="k"),
        bench.run(BAD, new_session(), key="k"),
        bench.run(BAD, mode=WriteMode.PER_ENTRY, key="k"),
    ):
        assert refused.counts.failed + refused.counts.rolled_back == refused.counts.submitted
    assert nothing_was_written(bench)
    mended = bench.put("s1", entry("m1", "x"), create=True, key="k")
    assert (statuses(mended), mended.replayed) == (["CREATED"], False)


def test_a_batch_that_changed_nothing_is_remembered() -> None:
    bench = Workbench()
    session = bench.made(new_session(summary="x"))
    bench.run(change(session, summary="x"), key="k")
    bench.run(change(session, summary="y"))
    assert statuses(again := bench.run(change(session, summary="x"), key="k")) == ["UNCHANGED"]
    assert again.replayed


def test_a_branch_keeps_to_itself_what_is_put_into_it_until_it_is_merged() -> None:
    bench = Workbench()
    session = bench.made(new_session())
    bench.put("s1", entry("m1", "x"))
    branch = bench.space.branch()
    branch.put(replace(bench.stored("made-1"), deleted=True))
    branch.put(replace(bench.stored("made-1"), id="other", entry_id="m2"))
    changed = replace(session, version=9)
    branch.put(changed)
    assert branch.get("s1") == changed
    assert branch.get("unknown") is None
    assert [memory.id for memory in branch.live_entries("s1")] == ["other"]
    found = branch.entry("s1", "m1")
    assert found is not None
    assert found.deleted
    assert branch.entry("s1", "m3") is None
    assert bench.stored("s1").version == 2
    assert bench.space.entry("s1", "m2") is None
    assert [memory.id for memory in bench.space.live_entries("s1")] == ["made-1"]
    bench.space.merge(branch)
    assert bench.stored("s1") == changed
    assert bench.space.entry("s1", "m2") is not None


def test_what_batches_look_at_is_known_before_they_are_decided() -> None:
    changes = Changes(memory_type=WORKING, given={"content": "x"})
    plain = Workbench()
    fact = plain.made(new_fact())
    batches = [
        Batch(actor="ann", session=SessionClaim(session_id="s1"), commands=(
            PutEntry(session_id="s1", entry_id="m1", changes=changes),
            PutEntry(session_id="s1", entry_id=None, changes=changes),
        )),
        Batch(actor="ann", session=SessionClaim(session_id="s2", create=True, container_id="travel"), commands=()),
        Batch(actor="ann", commands=(
            BAD, change(fact, pinned=True), delete(fact), new_fact(), new_session("s3"), new_working("s4", "m4"),
            new_working("s5"), delete(plain.made(new_session("s6"))),
        )),
    ]  # fmt: skip
    assert Needs.of(batches) == Needs(
        ids={"s1", "s2", fact.id, "s3", "s4", "s5", "s6"},
        entries={("s1", "m1"), ("s4", "m4")},
        sessions_whole={"s6"},
        containers={"s2", "travel", "default", "s3"},
    )


def test_the_same_workspace_and_batch_give_the_same_decision() -> None:
    benches = [Workbench(), Workbench()]
    for bench in benches:
        bench.put("s1", entry("m1", "x"), entry(None, "y"), create=True)
        bench.run(delete(bench.stored("made-1")), new_fact())
    assert benches[0].records == benches[1].records
    decisions = [
        decide(
            Batch(commands=(new_session("s7"),), actor="ann"),
            bench.space,
            change=9,
            now=NOON,
            limits=Limits(),
            new_id=bench.new_id,
        )
        for bench in benches
    ]
    assert decisions[0] == decisions[1]


def test_what_cannot_be_an_id_is_not_looked_for() -> None:
    changes = Changes(memory_type=WORKING, given={"content": "x"})
    astray = Batch(
        actor="ann",
        session=SessionClaim(session_id="a\0b", create=True, container_id="\ud800"),
        commands=(PutEntry(session_id="a\0b", entry_id="m1", changes=changes), new_session("\0")),
    )
    assert Needs.of([astray]) == Needs(containers={"default"})
