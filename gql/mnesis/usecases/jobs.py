"""Memories that are created in the background: the caller gets a job to look at, and a task works it off in steps.

A job is as durable as the memories: whoever takes one from the store goes on where the last step ended, also after a
crash. Every step has an idempotency key, so that one whose end was not noted adds nothing twice.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.commands import BatchOutcome, Changes, Create
from mnesis.domain.ids import is_id
from mnesis.domain.json_values import JsonObject
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import Forbidden, LimitExceeded, Refused
from mnesis.domain.validation import command_faults
from mnesis.usecases.ports import Overloaded, StoreFault
from mnesis.usecases.requests import CreateMemories

STEP = 25
"""How many memories are created at once."""
ATTEMPTS = 5
"""How often a job is begun before it is given up: more, and it is the job that ends its servers."""
POLL_S = 5.0
BACK_OFF_S = 5.0
RELEASE_S = 2.0

log = logging.getLogger("mnesis.jobs")


class JobStatus(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (JobStatus.WAITING, JobStatus.ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as its caller is shown it. ``data`` is what the caller has said of it."""

    id: str
    status: JobStatus
    data: JsonObject
    total: int
    done: int
    attempts: int
    failure: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFact:
    """A long-term memory to create."""

    memory: str
    tags: JsonObject | None
    namespace: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenJob:
    """A job that this process works on, on behalf of whom, and what is left of it from ``done`` on."""

    caller: Caller
    id: str
    facts: tuple[NewFact, ...]
    done: int
    attempts: int


class JobStore(Protocol):
    """Keeps jobs; finished ones for a while. What names a caller sees the caller's own only."""

    async def add(self, caller: Caller, data: JsonObject, facts: Sequence[NewFact]) -> str:
        """Keeps a job that waits, and gives its id."""
        ...

    async def job(self, caller: Caller, job_id: str) -> Job | None:
        """The job."""
        ...

    async def listed(self, caller: Caller, statuses: Sequence[JobStatus], *, size: int, skipped: int) -> Sequence[Job]:
        """Some of those that are in one of the statuses, the newest first."""
        ...

    async def cancel(self, caller: Caller, job_id: str, *, last: int) -> bool:
        """Cancels a job that waits, or of which more than the ``last`` step of this size is left; whether it was."""
        ...

    async def take(self) -> TakenJob | None:
        """A job of anybody whose turn it is. It is nobody else's turn for a while, until it is given back or ends."""
        ...

    async def progress(self, taken: TakenJob, done: int) -> bool:
        """Notes how far it is; whether it is to go on."""
        ...

    async def finish(self, taken: TakenJob, failure: str | None = None) -> None:
        """Ends it, well or with a failure, and forgets what was to be created."""
        ...

    async def release(self, taken: TakenJob, after_s: float = 0.0) -> None:
        """Gives it back unfinished."""
        ...

    async def release_all(self) -> None:
        """Gives back what a process before this one took, where there can be no other one."""
        ...


class Creates(Protocol):
    """The use case that a job comes down to."""

    async def create_memories(self, caller: Caller, request: CreateMemories) -> BatchOutcome:
        """Makes memories."""
        ...


class Jobs:
    """Every method raises `Refused` for a caller without the scope."""

    def __init__(self, store: JobStore, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def submit(self, caller: Caller, data: JsonObject, facts: Sequence[NewFact]) -> str:
        """Has memories created later; what is wrong with them is told now. Paths of refusals begin at ``items``."""
        _check(caller, Scope.WRITE)
        if len(facts) > self._limits.commands:
            refusal = LimitExceeded(path=("items",), unit="items", limit=self._limits.commands, actual=len(facts))
            raise Refused(refusal)
        faults = [
            replace(fault, path=("items", str(index), *fault.path))
            for index, fact in enumerate(facts)
            for fault in command_faults(_creation(fact), self._limits)
        ]
        if faults:
            raise Refused(*faults)
        return await self._store.add(caller, data, facts)

    async def job(self, caller: Caller, job_id: str) -> Job | None:
        """One of the caller's own jobs."""
        _check(caller, Scope.READ)
        return await self._store.job(caller, job_id) if is_id(job_id) else None

    async def listed(self, caller: Caller, statuses: Sequence[JobStatus], *, size: int, skipped: int) -> Sequence[Job]:
        """The caller's own jobs in one of the statuses, the newest first."""
        _check(caller, Scope.READ)
        return await self._store.listed(caller, statuses, size=size, skipped=skipped)

    async def cancel(self, caller: Caller, job_id: str) -> tuple[Job | None, bool]:
        """The job as it is now, and whether it was cancelled, which works until its last step; its memories so far
        stay."""
        _check(caller, Scope.WRITE)
        if not is_id(job_id):
            return None, False
        cancelled = await self._store.cancel(caller, job_id, last=STEP)
        return await self._store.job(caller, job_id), cancelled


class JobWorker:
    """Works jobs off, one at a time in each process."""

    def __init__(
        self, store: JobStore, memories: Creates, *, poll_s: float = POLL_S, back_off_s: float = BACK_OFF_S
    ) -> None:
        self._store = store
        self._memories = memories
        self._poll_s = poll_s
        self._back_off_s = back_off_s
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins, on the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """There is a new job. Called on the loop."""
        self._woken.set()

    async def stop(self) -> None:
        """Ends at once; the job under way is given back, and the next process goes on with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        begun = False
        while True:
            try:
                if not begun:
                    await self._store.release_all()
                    begun = True
                self._woken.clear()
                taken = await self._store.take()
                if taken is not None:
                    await self._work(taken)
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._woken.wait()
            except (StoreFault, Overloaded) as fault:
                log.warning("Jobs go on in %.1f s: %s", self._back_off_s, fault)
                await asyncio.sleep(self._back_off_s)
            except Exception:
                log.exception("A job met a fault in the program.")
                await asyncio.sleep(self._back_off_s)

    async def _work(self, taken: TakenJob) -> None:
        if taken.attempts > ATTEMPTS:
            await self._store.finish(taken, f"It was begun {ATTEMPTS} times and did not end.")
            return
        try:
            await self._steps(taken)
        except BaseException as fault:
            after_s = 0.0 if isinstance(fault, asyncio.CancelledError) else self._back_off_s
            # What is not given back comes back by itself.
            with suppress(StoreFault, Overloaded, TimeoutError):
                async with asyncio.timeout(RELEASE_S):
                    await self._store.release(taken, after_s)
            raise

    async def _steps(self, taken: TakenJob) -> None:
        done = taken.done
        while done < len(taken.facts):
            step = taken.facts[done : done + STEP]
            request = CreateMemories(items=tuple(map(_creation, step)), idempotency_key=f"job:{taken.id}:{done}")
            outcome = await self._memories.create_memories(taken.caller, request)
            refusals = [*outcome.refusals, *(each for entry in outcome.outcomes for each in entry.refusals)]
            if refusals:
                await self._store.finish(taken, refusals[0].message)
                return
            done += len(step)
            if not await self._store.progress(taken, done):
                return
        await self._store.finish(taken)


def _creation(fact: NewFact) -> Create:
    return Create(
        changes=Changes(memory_type=MemoryType.LONG_TERM, given={"memory": fact.memory, "tags": fact.tags}),
        namespace=fact.namespace,
    )


def _check(caller: Caller, scope: Scope) -> None:
    if not caller.may(scope):
        raise Refused(Forbidden(required_scope=scope))
