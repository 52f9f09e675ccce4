"""The use case that lets what is old or too much age out of containers, by the rules that each of them has."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.containers import RetentionRule
from mnesis.domain.filters import MemoryFilter, TimeRange
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.retention import (
    AGING_TYPES,
    RETENTION_ACTOR,
    AgingRecord,
    Fate,
    LastChange,
    fate_of,
    kept_from,
    reason_of,
)
from mnesis.usecases.ports import NOTHING, Cursor, MemoryReader, MemoryRemover, Removable, Removal, RemovalCounts
from mnesis.usecases.removing import STEP, Aim, emptied, session_steps
from mnesis.usecases.retention_ports import Aged, Aging, AgingStore, Policy, RecordCut

RECORDS_READ = 5_000
"""How many history records are looked at in one statement."""
NAMES_READ = 1_000
"""How many tenants, or containers with rules, are held at once."""
_STEP_OF_TIME = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerReceipt:
    """What aged out of one container or, in a dry run, would: as a deletion by filter counts it, and the records."""

    tenant: str
    container_id: str
    counts: RemovalCounts


class NoSuchTenant(Exception):
    """There is no tenant of this name."""


class NoSuchContainer(Exception):
    """There is no container of this id in the tenant."""


class MemoryRetention:
    """Runs over the containers that have rules (see `mnesis.domain.retention`), at most `STEP` memories or records in
    one transaction, so that other writers come in between.

    History is cut first, then memories are deleted: a dry run counts exactly what a run would remove that nobody
    writes beside. A memory that changes or is pinned while a run is at work stays; what appears meanwhile waits for
    the next run. `Overloaded` and `StoreFault` are raised; what was removed until then stays so, and the next run
    goes on with the rest.
    """

    def __init__(
        self,
        store: AgingStore,
        remover: MemoryRemover,
        reader: MemoryReader,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        pause_s: float = 0.0,
    ) -> None:
        """``pause_s`` after every transaction is for writers in other processes, where the database has no queue of
        them."""
        self._store = store
        self._remover = remover
        self._reader = reader
        self._clock = clock
        self._pause_s = pause_s

    async def run(
        self, *, dry_run: bool, tenant: str | None = None, container_id: str | None = None
    ) -> AsyncIterator[ContainerReceipt]:
        """One receipt for every container with rules, as soon as it is done with. Without a tenant, of all tenants.

        ``container_id`` is one of the tenant that is named. Raises `NoSuchTenant` and `NoSuchContainer`.
        """
        async for each in self._tenants(tenant):
            caller = Caller(tenant=each, subject=RETENTION_ACTOR, scopes=frozenset({Scope.ADMIN}))
            async for policy in self._policies(caller, container_id):
                counts = await self._applied(caller, policy, dry_run)
                yield ContainerReceipt(tenant=each, container_id=policy.container_id, counts=counts)

    async def _tenants(self, tenant: str | None) -> AsyncIterator[str]:
        if tenant is not None:
            if not await self._store.has_tenant(tenant):
                raise NoSuchTenant(tenant)
            yield tenant
            return
        found: Sequence[str] = [""]
        while found:
            found = await self._store.tenants(found[-1], NAMES_READ)
            for each in found:
                yield each

    async def _policies(self, caller: Caller, container_id: str | None) -> AsyncIterator[Policy]:
        if container_id is not None:
            policy = await self._store.policy(caller, container_id)
            if policy is None:
                raise NoSuchContainer(container_id)
            if policy.retention:
                yield policy
            return
        after = ""
        while found := await self._store.policies(caller, after, NAMES_READ):
            for policy in found:
                yield policy
            after = found[-1].container_id

    async def _applied(self, caller: Caller, policy: Policy, dry_run: bool) -> RemovalCounts:
        now = self._clock()
        places: dict[MemoryType, LastChange] = {}
        # All places before anything goes, so that no rule sees what another has done.
        for memory_type in AGING_TYPES:
            rule = policy.retention.get(memory_type)
            place = await self._kept_from(caller, _aging(policy, memory_type, places), rule, now) if rule else None
            if place is not None:
                places[memory_type] = place
        counts = await self._cut(caller, policy, now, dry_run)
        for memory_type, place in places.items():
            aging = _aging(policy, memory_type, places)
            if dry_run:
                counts = counts.plus(await self._counted(caller, aging, place))
            else:
                reason = reason_of(memory_type, policy.retention[memory_type])
                counts = counts.plus(await self._deleted(caller, aging, place, reason))
        return counts

    async def _kept_from(self, caller: Caller, aging: Aging, rule: RetentionRule, now: datetime) -> LastChange | None:
        last = await self._store.last_of_count(caller, aging, rule.count) if rule.count is not None else None
        return kept_from(rule, now, last)

    async def _aged(self, caller: Caller, aging: Aging, place: LastChange) -> AsyncIterator[Sequence[Aged]]:
        after: LastChange | None = None
        while True:
            found = await self._store.aged(caller, aging, place, after=after, size=STEP)
            if found:
                yield found
            if len(found) < STEP:
                return
            after = found[-1].place

    async def _counted(self, caller: Caller, aging: Aging, place: LastChange) -> RemovalCounts:
        counts = NOTHING
        async for found in self._aged(caller, aging, place):
            match aging.memory_type:
                case MemoryType.SESSION:
                    entries = sum(each.entries for each in found)
                    counts = counts.plus(RemovalCounts(sessions=len(found), working=entries))
                case MemoryType.WORKING:
                    counts = counts.plus(RemovalCounts(working=len(found)))
                case _:
                    counts = counts.plus(RemovalCounts(long_term=len(found)))
        return counts

    async def _deleted(self, caller: Caller, aging: Aging, place: LastChange, reason: str) -> RemovalCounts:
        removal = Removal(erases=False, filter=_still(aging, place), actor=RETENTION_ACTOR, reason=reason)
        counts = NOTHING
        async for step in self._steps(caller, removal, aging, place):
            taken = await self._remover.remove(caller, removal, step.ids, found=step.found)
            counts = counts.plus(taken.removed)
            await asyncio.sleep(self._pause_s)
        return counts

    async def _steps(self, caller: Caller, removal: Removal, aging: Aging, place: LastChange) -> AsyncIterator[Aim]:
        found = self._aged(caller, aging, place)
        if aging.memory_type is not MemoryType.SESSION:
            async for page in found:
                yield Aim([each.id for each in page])
            return
        async for step in session_steps(_sessions(found), lambda each: self._emptied(caller, removal, place, each)):
            yield step

    async def _emptied(
        self, caller: Caller, removal: Removal, place: LastChange, session_id: str
    ) -> AsyncIterator[Aim]:
        """A session too large for one transaction, unless it was changed or pinned while others went before it: what
        is emptied once goes whole, whatever it is like in between."""
        session = (await self._reader.memories(caller, [session_id])).get(session_id)
        if session is None or session.values["pinned"] or LastChange(session.updated_at, session.arrival) >= place:
            return
        async for step in emptied(self._reader, caller, removal, session_id):
            yield step

    async def _cut(self, caller: Caller, policy: Policy, now: datetime, dry_run: bool) -> RemovalCounts:
        rule = policy.retention.get(MemoryType.HISTORY)
        if rule is None:
            return NOTHING
        expiry = rule.expires_before(now)
        cut = 0
        doomed: dict[str, RecordCut] = {}
        gathered = 0
        async for record in self._records(caller, policy, rule, expiry):
            fate = fate_of(record, rule, expiry)
            if fate is Fate.STAYS:
                continue
            gathered += 1
            # The later record of a memory stands for the earlier ones.
            doomed[record.memory_id] = RecordCut(
                memory_id=record.memory_id,
                version=record.version,
                change=record.change,
                with_memory=fate is Fate.GOES_WITH_ITS_MEMORY,
            )
            if gathered == STEP:
                cut += gathered if dry_run else await self._cut_off(caller, doomed, expiry)
                doomed, gathered = {}, 0
        if doomed:
            cut += gathered if dry_run else await self._cut_off(caller, doomed, expiry)
        return RemovalCounts(records=cut)

    async def _cut_off(self, caller: Caller, doomed: Mapping[str, RecordCut], expiry: datetime | None) -> int:
        removed = await self._store.cut(caller, doomed.values(), deleted_before=expiry)
        await asyncio.sleep(self._pause_s)
        return removed

    async def _records(
        self, caller: Caller, policy: Policy, rule: RetentionRule, expiry: datetime | None
    ) -> AsyncIterator[AgingRecord]:
        after: Cursor | None = None
        while True:
            found = await self._store.records(caller, policy.container_id, after=after, size=RECORDS_READ)
            for record in found:
                yield record
            if len(found) < RECORDS_READ:
                return
            last = found[-1]
            # In the order of the changes, so that nothing later is older; a count alone may cut the youngest.
            if rule.count is None and expiry is not None and last.created_at >= expiry:
                return
            after = Cursor(value=last.change, tie=last.position)


async def _sessions(pages: AsyncIterator[Sequence[Aged]]) -> AsyncIterator[Sequence[Removable]]:
    async for page in pages:
        yield [Removable(id=each.id, entries=each.entries) for each in page]


def _aging(policy: Policy, memory_type: MemoryType, places: dict[MemoryType, LastChange]) -> Aging:
    sessions_from = places.get(MemoryType.SESSION) if memory_type is MemoryType.WORKING else None
    return Aging(container_id=policy.container_id, memory_type=memory_type, sessions_from=sessions_from)


def _still(aging: Aging, place: LastChange) -> MemoryFilter:
    """What must hold of a memory when it goes: it was not changed since, nor pinned."""
    return MemoryFilter(
        types=frozenset({aging.memory_type}),
        container_id=aging.container_id,
        updated_at=TimeRange(end=place.at + _STEP_OF_TIME),
        never=MemoryFilter(pinned=True),
    )
