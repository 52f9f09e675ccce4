"""Random batches against an independent model of the design: through `decide` alone, and through real databases.

After every batch are compared: statuses, versions, codes and counts; every stored memory; every history record; what
the records add up to; and every earlier version that they lead back to. The examples are the same in every run.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any, Protocol

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.commands import Batch, BatchOutcome, Changes, Create, Delete, Idempotency, Rejected, Update
from mnesis.domain.decide import decide
from mnesis.domain.entries import ContextEntry
from mnesis.domain.fields import Message, Unreadable
from mnesis.domain.history import HistoryRecord, replay, step_back
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import ChangeKind, MemoryType, ObjectMode, PayloadType, WriteMode
from mnesis.domain.validation import command_faults
from mnesis.domain.workspace import Workspace
from mnesis.storage.database import Database, open_database
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, PageRequest, RecordQuery
from mnesis.usecases.requests import UpdateContextMemory
from mnesis.usecases.writing import MemoryWriter
from tests.domain.model import MOST_MESSAGES, Expected, Mixed, Model, Sent, Thing, text
from tests.domain.workbench import LONG_TERM, MICROSECOND, NOON, SECOND, SESSION, WORKING

LIMITS = Limits(messages=MOST_MESSAGES)
SESSION_IDS = ["s1", "s2"]
EVERYTHING = PageRequest(size=10_000)


# What is sent: drawn with an eye on what is stored, so that most of it meets something.

LEAVES: list[Any] = [1, True, 1.0, None, "x", [1], [True], {"c": 1}, {"c": None, "d": 1.0}]
OBJECTS = st.dictionaries(st.sampled_from("aab"), st.sampled_from(LEAVES), max_size=2)
MESSAGES = st.lists(
    st.sampled_from([
        Message(role="user", text="1"), Message(role="user", text="2"), Message(role="assistant", text="1"),
        Message(role="user", parts=({"n": 1},)), Message(role="user", parts=({"n": True},)),
    ]),
    max_size=3,
).map(tuple)  # fmt: skip
OBJECT_FIELD = st.one_of(OBJECTS, OBJECTS, OBJECTS, st.none())
NEEDED_TEXT = st.sampled_from("xyz")
METADATA = st.builds(lambda given, key: {**given, "messageId": key}, OBJECTS, st.sampled_from(["m1", "m2", None]))
TEXT = st.sampled_from(["x", "y", "", None])
FLAG = st.booleans()
FIELDS: dict[MemoryType, dict[str, st.SearchStrategy[Any]]] = {
    SESSION: {"summary": TEXT, "metadata": OBJECT_FIELD, "agents": OBJECT_FIELD, "pinned": FLAG},
    WORKING: {
        "content": NEEDED_TEXT, "role": NEEDED_TEXT, "messages": MESSAGES, "structured_data": OBJECT_FIELD,
        "binary_data": st.sampled_from([b"1", b"2", None]), "tags": OBJECT_FIELD,
    },
    LONG_TERM: {"memory": NEEDED_TEXT, "tags": OBJECT_FIELD, "pinned": FLAG},
}  # fmt: skip
FIXED: dict[MemoryType, dict[str, Any]] = {
    SESSION: {},
    WORKING: {"payload_type": PayloadType.DATA},
    LONG_TERM: {"strategy": "s"},
}
BAD_VALUES = [None, {"a": float("nan")}, Unreadable(fact="cannot be read")]
BAD_TEXTS = [None, "", Unreadable(fact="cannot be read")]
TYPES = st.sampled_from([SESSION, WORKING, WORKING, LONG_TERM])
MODES = st.sampled_from(WriteMode)
OBJECT_MODES = st.sampled_from(ObjectMode)
# Times that no clock of these tests ever shows.
TIMES = st.sampled_from([None, None, None, NOON - timedelta(days=100), NOON - timedelta(days=200)])
KEYS = st.sampled_from([None, None, None, None, None, "k1", "k2", "k3", "k4"])
REASONS = st.sampled_from([None, "Because."])


@dataclass
class Sender:
    """Draws requests that fit what the model knows; one in three is careless, and some of it will be refused."""

    draw: Callable[..., Any]
    model: Model
    sent: list[Sent] = field(default_factory=list)
    careless: bool = False

    def next(self) -> Sent:
        self.careless = self.one_in(3)
        if self.sent and self.careless and self.one_in(4):
            return self.draw(st.sampled_from(self.sent))  # type: ignore[no-any-return]  # A list of them.
        actor = self.pick("ann", "ann", "bob")
        sent = Sent(self.context() if self.draw(st.booleans()) else self.mixed(), actor)
        self.sent.append(sent)
        return sent

    def one_in(self, number: int) -> bool:
        # Neither end of the range, which are drawn more often than the rest.
        return bool(self.draw(st.integers(0, number + 1)) == 1)

    def slips(self) -> bool:
        return self.careless and self.one_in(4)

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def context(self) -> UpdateContextMemory:
        session_id = self.target() if self.slips() else self.pick(*SESSION_IDS)
        thing = self.model.live(session_id)
        entries = [self.entry(session_id) for _ in range(self.pick(1, 2, 3, 0, 4))]
        return UpdateContextMemory(
            session_id=session_id,
            entries=tuple(entries),
            mode=self.draw(MODES),
            if_version=max(0, self.version(thing)) if self.one_in(4) else None,
            create_session=not self.slips(),
            container_id="nowhere" if self.slips() else "default",
            object_mode=self.draw(OBJECT_MODES),
            reason=self.draw(REASONS),
            idempotency_key=self.draw(KEYS),
        )

    def entry(self, session_id: str) -> ContextEntry:
        made = [thing.entry for thing in self.model.things.values() if thing.session == session_id]
        key = self.pick("m1", "m2", "m3", None, *made)
        given: dict[str, Any] = {}
        stored = self.model.entry(session_id, key) if key is not None else None
        if stored is None or stored.deleted or self.draw(st.booleans()):
            given["content"] = self.draw(NEEDED_TEXT)
        if self.one_in(3):
            given["role"] = self.draw(NEEDED_TEXT)
        if self.draw(st.booleans()):
            given["metadata"] = self.draw(METADATA if key is None else OBJECT_FIELD)
        created_at = self.draw(TIMES)
        if self.slips():
            given["content"] = self.pick(*BAD_TEXTS)
        if self.slips():
            given["metadata"] = self.pick({"messageId": 7}, *BAD_VALUES)
        if self.slips():
            created_at = Unreadable(fact="is no time")
        if self.slips():
            given.pop("content", None)
        return ContextEntry(
            id="" if self.slips() else key,
            given=given,
            created_at=created_at,
            if_version=self.version(stored) if self.one_in(2) else None,
        )

    def mixed(self) -> Mixed:
        commands = [self.command() for _ in range(self.pick(1, 2, 3, 0, 4))]
        return Mixed(tuple(commands), self.draw(MODES), reason=self.draw(REASONS), idempotency_key=self.draw(KEYS))

    def command(self) -> Create | Update | Delete:
        kind = self.pick("update", "create", "update", "update", "delete", "update")
        if kind == "create" or not self.model.things:
            return self.create()
        target = self.pick(*SESSION_IDS) if self.one_in(4) else self.target()
        thing = self.model.things.get(target)
        memory_type = MemoryType(thing.type) if thing is not None and not self.slips() else self.draw(TYPES)
        if_version = self.version(thing) if self.one_in(2) else None
        if kind == "update":
            changes = self.changes(memory_type)
            if self.slips():
                changes = replace(changes, given={**changes.given, **FIXED[memory_type]})
            return Update(id=target, changes=changes, if_version=if_version)
        return Delete(memory_type=memory_type, id=target, if_version=if_version)

    def create(self) -> Create:
        changes = self.changes(self.draw(TYPES))
        container = "nowhere" if self.slips() else "default"
        namespace = self.pick(None, {"u": 1}, {})
        if changes.memory_type is SESSION:
            free = [each for each in SESSION_IDS if self.model.live(each) is None]
            chosen = self.pick("default", self.target()) if self.slips() else self.pick(*free, *free, None)
            return Create(changes=changes, id=chosen, container_id=container, namespace=namespace)
        if changes.memory_type is LONG_TERM and not self.slips():
            changes = replace(changes, given={"memory": "x", **changes.given})
        if self.one_in(3):
            changes = replace(changes, given={**changes.given, **FIXED[changes.memory_type]})
        if changes.memory_type is WORKING and self.draw(st.booleans()):
            live = [each for each in SESSION_IDS if self.model.live(each)] or SESSION_IDS
            session = self.target() if self.slips() else self.pick(*live)
            changes = replace(changes, created_at=self.draw(TIMES))
            key = self.pick(None, "m1", "m2", "m6")
            return Create(changes=changes, session_id=session, entry_id=key, namespace=namespace)
        key = "m1" if self.slips() and changes.memory_type is WORKING else None
        return Create(changes=changes, container_id=container, namespace=namespace, entry_id=key)

    def changes(self, memory_type: MemoryType) -> Changes:
        fields = FIELDS[memory_type]
        least = 0 if self.careless else 1
        names = self.draw(st.lists(st.sampled_from(sorted(fields)), min_size=least, max_size=3, unique=True))
        given = {name: self.draw(fields[name]) for name in names}
        if names and self.slips():
            text_field = fields[names[0]] in (NEEDED_TEXT, TEXT)
            given[names[0]] = self.pick(*(BAD_TEXTS if text_field else BAD_VALUES))
        appended = None
        if memory_type is WORKING and self.one_in(3):
            appended = self.draw(MESSAGES)
            if not self.slips():
                given.pop("messages", None)
        return Changes(
            memory_type=memory_type,
            given=given,
            append_messages=appended,
            object_mode=self.draw(OBJECT_MODES),
        )

    def target(self) -> str:
        live = sorted(thing.id for thing in self.model.things.values() if not thing.deleted)
        if not live or self.slips():
            return str(self.pick(*SESSION_IDS, "nobody", *sorted(self.model.things)))
        return str(self.pick(*live))

    def version(self, thing: Thing | None) -> int:
        stored = thing.version if thing is not None and not thing.deleted else 0
        stale = self.careless and self.draw(st.booleans())
        return int(self.pick(stored + 1, stored - 1, 0)) if stale else stored


# Where it is sent to.


def as_batch(request: Mixed, actor: str) -> Batch:
    """What the use cases make of such a request."""
    commands: list[Create | Update | Delete | Rejected] = []
    for item in request.items:
        faults = command_faults(item, LIMITS)
        commands.append(Rejected(refusals=faults) if faults else item)
    key = request.idempotency_key
    return Batch(
        commands=tuple(commands),
        mode=request.mode,
        idempotency=Idempotency(key=key, fingerprint=repr(request)) if key is not None else None,
        actor=actor,
        reason=request.reason,
    )


class World(Protocol):
    """Something that applies requests and shows what it stored."""

    def send(self, requests: list[Sent]) -> list[BatchOutcome]: ...

    def memories(self) -> dict[str, Memory]:
        """All live memories; tombstones where they can be seen."""

    def records(self) -> list[HistoryRecord]: ...


class InMemory:
    """A store that is nothing but `decide`, at a clock that the test sets."""

    def __init__(self, limits: Limits) -> None:
        self.now = NOON
        self._limits = limits
        self._writer = MemoryWriter(self, limits)
        self._space = Workspace()
        self._space.containers.add("default")
        self._memories: dict[str, Memory] = {}
        self._records: list[HistoryRecord] = []
        self._written_at: dict[str, datetime] = {}
        self._changes, self._ids = count(1), count(1)

    async def apply(self, caller: Caller, batch: Batch) -> BatchOutcome:
        decision = decide(
            batch,
            self._space,
            change=next(self._changes),
            now=self.now,
            limits=self._limits,
            new_id=lambda: f"made-{next(self._ids)}",
        )
        if batch.idempotency is not None and not decision.remembered and not decision.outcome.replayed:
            assert not decision.memories
        self._memories.update((memory.id, memory) for memory in decision.memories)
        self._records += decision.records
        for record in decision.records:
            before = self._written_at.get(record.memory_id)
            least = self.now if before is None else before + MICROSECOND
            assert record.created_at == max(self.now, least)
            self._written_at[record.memory_id] = record.created_at
        return decision.outcome

    def send(self, requests: list[Sent]) -> list[BatchOutcome]:
        return [finished(self._send(sent)) for sent in requests]

    async def _send(self, sent: Sent) -> BatchOutcome:
        caller = Caller(tenant="t", subject=sent.actor, scopes=EVERY_SCOPE)
        if isinstance(sent.request, UpdateContextMemory):
            return await self._writer.update_context_memory(caller, sent.request)
        return await self.apply(caller, as_batch(sent.request, sent.actor))

    def memories(self) -> dict[str, Memory]:
        return self._memories

    def records(self) -> list[HistoryRecord]:
        return self._records


class Stored:
    """A tenant of its own in a real database. Requests that are sent together may share a transaction."""

    def __init__(self, runner: asyncio.Runner, database: Database, tenant: str) -> None:
        self._runner = runner
        self._database = database
        self._memories = Memories(store=database.store, reader=database.reader, limits=LIMITS)
        self._tenant = tenant

    def send(self, requests: list[Sent]) -> list[BatchOutcome]:
        async def together() -> list[BatchOutcome]:
            return await asyncio.gather(*map(self._send, requests))

        return self._runner.run(together())

    async def _send(self, sent: Sent) -> BatchOutcome:
        caller = self._caller(sent.actor)
        if isinstance(sent.request, UpdateContextMemory):
            return await self._memories.update_context_memory(caller, sent.request)
        return await self._database.store.apply(caller, as_batch(sent.request, sent.actor))

    def memories(self) -> dict[str, Memory]:
        page = self._runner.run(self._memories.list_memories(self._caller(), MemoryQuery(), EVERYTHING))
        return {memory.id: memory for memory in page.rows}

    def records(self) -> list[HistoryRecord]:
        page = self._runner.run(self._memories.list_records(self._caller(), RecordQuery(), EVERYTHING))
        return list(reversed(page.rows))

    def _caller(self, subject: str = "reader") -> Caller:
        return Caller(tenant=self._tenant, subject=subject, scopes=EVERY_SCOPE)


def finished(work: Coroutine[Any, Any, BatchOutcome]) -> BatchOutcome:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        result: BatchOutcome = end.value
        return result
    raise AssertionError("It waits.")


# What is compared.


def agree(model: Model, sent: Sent, outcome: BatchOutcome) -> None:
    """Holds an answer against the model's, which takes the batch over."""
    made = [each.id for each in outcome.outcomes if each.status == "CREATED" and each.id not in SESSION_IDS]
    fresh = [each for each in dict.fromkeys(made) if each is not None and each not in model.things]
    expected: Expected = model.answer(sent, fresh)
    assert sorted(refusal.code for refusal in outcome.refusals) == sorted(expected.codes)
    assert outcome.replayed == expected.replayed
    assert outcome.session_version == expected.session_version
    assert len(outcome.outcomes) == len(expected.fates)
    for got, fate in zip(outcome.outcomes, expected.fates, strict=True):
        assert (got.status, got.version) == (fate.status, fate.version)
        assert sorted(refusal.code for refusal in got.refusals) == sorted(fate.codes)
        if fate.version is not None:
            assert (got.id, got.entry_id) == (fate.id, fate.entry)
        assert got.memory is None or (got.memory.id, got.memory.version) == (got.id, got.version)
    counts = outcome.counts
    parts = (counts.created, counts.updated, counts.unchanged, counts.deleted, counts.failed, counts.rolled_back)
    assert counts.submitted == sum(parts) == len(expected.fates)


def compare(model: Model, world: World) -> None:
    """Holds everything that is stored against the model."""
    histories: dict[str, list[HistoryRecord]] = {}
    for record in world.records():
        histories.setdefault(record.memory_id, []).append(record)
    memories = world.memories()
    live = {thing.id for thing in model.things.values() if not thing.deleted}
    assert {memory.id for memory in memories.values() if not memory.deleted} == live
    assert histories.keys() == model.things.keys()
    for thing_id, records in histories.items():
        thing = model.things[thing_id]
        unbroken(model, thing_id, records)
        assert text(dict(replay(records))) == text(thing.values)
        if thing_id in memories:
            leads_back(memories[thing_id], records, model.versions[thing_id])


def unbroken(model: Model, thing_id: str, records: list[HistoryRecord]) -> None:
    told = model.told[thing_id]
    assert [record.version for record in records] == list(range(1, len(told) + 1))
    for record, expected in zip(records, told, strict=True):
        assert (record.action, record.actor, record.reason) == (expected.action, expected.actor, expected.reason)
        entries = [each.after for each in record.changes if each.kind is ChangeKind.ENTRIES]
        assert entries == ([expected.entries] if expected.entries is not None else [])
        for each in record.changes:
            if each.kind is ChangeKind.SET and isinstance(each.before, dict) and isinstance(each.after, dict):
                both = each.before.keys() & each.after.keys()
                assert all(text(each.before[key]) != text(each.after[key]) for key in both)
    for earlier, later in pairwise(records):
        assert earlier.created_at < later.created_at
        assert (earlier.change, earlier.position) < (later.change, later.position)


def leads_back(memory: Memory, records: list[HistoryRecord], versions: list[Thing]) -> None:
    for version in range(len(versions), 0, -1):
        equal(memory, versions[version - 1], records)
        if version > 1:
            memory = step_back(memory, records[version - 1], records[version - 2])


def equal(memory: Memory, thing: Thing, records: list[HistoryRecord]) -> None:
    assert (memory.id, memory.type, memory.version) == (thing.id, thing.type, thing.version)
    assert (memory.session_id, memory.entry_id) == (thing.session, thing.entry)
    assert (memory.container_id, text(memory.namespace)) == (thing.container, thing.namespace)
    assert (memory.deleted, memory.updated_by) == (thing.deleted, thing.actor)
    assert text(dict(memory.values)) == text(thing.values)
    at: list[datetime] = [record.created_at for record in records]
    assert memory.updated_at == at[thing.version - 1]
    assert memory.content_updated_at == at[thing.content_version - 1]
    created = thing.created if isinstance(thing.created, datetime) else at[thing.created - 1]
    assert memory.created_at == created


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


@bounded(200)
@given(data=st.data())
def test_decisions_agree_with_the_model(data: st.DataObject) -> None:
    model, world = Model(), InMemory(LIMITS)
    sender = Sender(data.draw, model)
    for _ in range(data.draw(st.integers(4, 14))):
        world.now += data.draw(st.sampled_from([SECOND, SECOND, 0 * SECOND, -3600 * SECOND]))
        sent = sender.next()
        [outcome] = world.send([sent])
        agree(model, sent, outcome)
        compare(model, world)


def test_databases_agree_with_the_model(database_url: str) -> None:
    tenants = count(1)
    with asyncio.Runner() as runner:
        runner.run(asyncio.sleep(0))
        database = open_database(database_url, limits=LIMITS, reader_threads=1, writer_lanes=1)

        @bounded(30)
        @given(data=st.data())
        def hold(data: st.DataObject) -> None:
            model, world = Model(), Stored(runner, database, f"tenant-{next(tenants)}")
            sender = Sender(data.draw, model)
            for _ in range(data.draw(st.integers(2, 8))):
                together = [sender.next() for _ in range(data.draw(st.integers(1, 3)))]
                for sent, outcome in zip(together, world.send(together), strict=True):
                    agree(model, sent, outcome)
                compare(model, world)

        try:
            hold()
        finally:
            runner.run(database.close())
