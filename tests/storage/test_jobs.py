"""Jobs over both databases, worked off by the task that a server runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.commands import BatchOutcome
from mnesis.domain.filters import MemoryFilter
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import QuotaExceeded, Refused
from mnesis.storage.database import Database, open_database
from mnesis.usecases.jobs import ATTEMPTS, STEP, Job, Jobs, JobStatus, JobWorker, NewFact
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, Overloaded, StoreFault
from mnesis.usecases.requests import CreateMemories
from mnesis.usecases.traces import Traces
from tests.storage.workbench import ANN, raw

pytestmark = pytest.mark.anyio

EVE = Caller(tenant="other", subject="ann", scopes=frozenset(Scope))
BOB = Caller(tenant=ANN.tenant, subject="bob", scopes=frozenset(Scope))


class Steps:
    """The use case, with something that happens before or after one of its steps."""

    def __init__(self, memories: Memories) -> None:
        self._memories = memories
        self.before: Callable[[int], Any] | None = None
        self.after: Callable[[int], Any] | None = None
        self.taken = 0

    async def create_memories(self, caller: Caller, request: CreateMemories) -> BatchOutcome:
        number, self.taken = self.taken, self.taken + 1
        if self.before is not None:
            await self.before(number)
        outcome = await self._memories.create_memories(caller, request)
        if self.after is not None:
            await self.after(number)
        return outcome


class Shop:
    """A database with jobs, and whoever works them off."""

    def __init__(self, database: Database) -> None:
        self.memories = Memories(store=database.store, reader=database.reader, limits=Limits())
        self.jobs = Jobs(database.jobs, Limits())
        self.store = database.jobs
        self.traces = Traces(database.traces)
        self.steps = Steps(self.memories)
        self.worker = self.another()

    def another(self) -> JobWorker:
        return JobWorker(self.store, self.steps, poll_s=0.02, back_off_s=0.02)

    async def submit(self, facts: int, caller: Caller = ANN) -> str:
        given = [NewFact(memory=f"Fact {number}.", tags={"n": number}, namespace={"g": 1}) for number in range(facts)]
        job_id = await self.jobs.submit(caller, {"source": "s"}, given)
        self.worker.wake()
        return job_id

    async def job(self, job_id: str) -> Job:
        job = await self.jobs.job(ANN, job_id)
        assert job is not None
        return job

    async def until(self, job_id: str, *statuses: JobStatus) -> Job:
        for _ in range(1_000):
            job = await self.job(job_id)
            if job.status in statuses:
                return job
            await asyncio.sleep(0.01)
        raise AssertionError(f"The job is {job.status}.")

    async def count(self, caller: Caller = ANN) -> int:
        return await self.memories.count_memories(caller, MemoryQuery(types=frozenset({MemoryType.LONG_TERM})))


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    database = open_database(database_url, limits=Limits(), reader_threads=2, writer_lanes=2)
    opened = Shop(database)
    yield opened
    await opened.worker.stop()
    await database.close()


async def test_a_job_is_worked_off_on_behalf_of_its_caller(shop: Shop) -> None:
    job_id = await shop.submit(STEP + 1)
    waiting = await shop.job(job_id)
    assert (waiting.status, waiting.total, waiting.done, waiting.attempts) == (JobStatus.WAITING, STEP + 1, 0, 0)
    shop.worker.start()
    job = await shop.until(job_id, JobStatus.COMPLETED)
    assert (job.done, job.attempts, job.failure, job.data) == (STEP + 1, 1, None, {"source": "s"})
    assert job.created_at <= (job.started_at or job.created_at) <= (job.finished_at or job.created_at)
    page = await shop.memories.count_memories(ANN, MemoryQuery(tags={"n": STEP}, namespace={"g": 1}))
    assert page == 1
    assert await shop.count(EVE) == 0


async def test_a_job_is_taken_with_its_whole_caller(shop: Shop) -> None:
    await shop.submit(1, EVE)
    taken = await shop.store.take()
    assert taken is not None
    assert taken.caller == EVE


async def test_a_worker_hears_of_a_new_job(shop: Shop) -> None:
    shop.worker = JobWorker(shop.store, shop.steps, poll_s=60)
    shop.worker.start()
    await asyncio.sleep(0.1)
    await shop.until(await shop.submit(1), JobStatus.COMPLETED)


async def test_a_job_is_cancelled_between_its_steps(shop: Shop) -> None:
    job_id = await shop.submit(3 * STEP)

    async def cancel(number: int) -> None:
        found, cancelled = await shop.jobs.cancel(ANN, job_id)
        assert found is not None
        assert (cancelled, found.status) == (True, JobStatus.CANCELLED)

    shop.steps.after = cancel
    shop.worker.start()
    await shop.until(job_id, JobStatus.CANCELLED)
    other = await shop.submit(1)
    shop.steps.after = None
    await shop.until(other, JobStatus.COMPLETED)
    job = await shop.job(job_id)
    assert (job.status, job.done) == (JobStatus.CANCELLED, STEP)
    assert await shop.count() == STEP + 1


async def test_on_its_last_step_a_job_cannot_be_cancelled(shop: Shop) -> None:
    job_id = await shop.submit(STEP)
    told: list[tuple[JobStatus | None, bool]] = []

    async def cancel(number: int) -> None:
        found, cancelled = await shop.jobs.cancel(ANN, job_id)
        told.append((found.status if found is not None else None, cancelled))

    shop.steps.before = cancel
    shop.worker.start()
    await shop.until(job_id, JobStatus.COMPLETED)
    assert told == [(JobStatus.ACTIVE, False)]


async def test_after_a_crash_a_job_goes_on_and_adds_nothing_twice(shop: Shop, database_url: str) -> None:
    job_id = await shop.submit(2 * STEP + 1)
    reached = asyncio.Event()

    async def hang(number: int) -> None:
        if number == 1:
            reached.set()
            await asyncio.sleep(60)

    # The second step is written, and the process ends before that is noted.
    shop.steps.after = hang
    shop.worker.start()
    await reached.wait()
    await shop.worker.stop()
    with raw(database_url) as connection:
        # As where it could not be given back either.
        connection.execute("UPDATE job SET due_at = 1 WHERE due_at IS NOT NULL")
    assert (await shop.job(job_id)).done == STEP
    shop.steps.after = None
    shop.worker = shop.another()
    shop.worker.start()
    job = await shop.until(job_id, JobStatus.COMPLETED)
    assert (job.attempts, job.done) == (2, 2 * STEP + 1)
    assert await shop.count() == 2 * STEP + 1


async def test_two_workers_share_the_jobs(shop: Shop) -> None:
    ids = [await shop.submit(STEP + 1) for _ in range(4)]
    other = shop.another()
    shop.worker.start()
    other.start()
    for job_id in ids:
        assert (await shop.until(job_id, JobStatus.COMPLETED)).attempts == 1
    await other.stop()
    assert await shop.count() == 4 * (STEP + 1)


async def test_what_a_process_left_behind_is_taken_at_once_where_there_is_one_only(shop: Shop) -> None:
    job_id = await shop.submit(1)
    taken = await shop.store.take()
    assert taken is not None
    assert await shop.store.take() is None
    await shop.store.release_all()
    again = await shop.store.take()
    if again is None:  # PostgreSQL, where it may be another process's.
        await shop.store.release(taken)
        again = await shop.store.take()
    assert again is not None
    assert (again.id, again.attempts) == (job_id, 2)


async def test_a_refusal_ends_a_job(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(caller: Caller, request: CreateMemories) -> BatchOutcome:
        return BatchOutcome(outcomes=(), refusals=(QuotaExceeded(unit="memories", limit=1, used=1),))

    monkeypatch.setattr(shop.memories, "create_memories", refused)
    job_id = await shop.submit(1)
    shop.worker.start()
    job = await shop.until(job_id, JobStatus.FAILED)
    assert (job.failure, job.done) == ("The quota of 1 memories is used up (1).", 0)
    assert await shop.jobs.listed(ANN, [JobStatus.FAILED], size=10, skipped=0) == [job]


@pytest.mark.parametrize("fault", [StoreFault("away"), Overloaded("busy"), RuntimeError("wrong")])
async def test_a_fault_is_waited_out(shop: Shop, fault: Exception) -> None:
    async def fails(number: int) -> None:
        if number < 2:
            raise fault

    shop.steps.before = fails
    job_id = await shop.submit(1)
    shop.worker.start()
    assert (await shop.until(job_id, JobStatus.COMPLETED)).attempts == 3
    assert await shop.count() == 1


async def test_a_job_that_never_ends_is_given_up(shop: Shop) -> None:
    async def fails(number: int) -> None:
        raise StoreFault("away")

    shop.steps.before = fails
    job_id = await shop.submit(1)
    shop.worker.start()
    job = await shop.until(job_id, JobStatus.FAILED)
    assert job.failure == f"It was begun {ATTEMPTS} times and did not end."


async def test_a_worker_that_was_never_begun_ends(shop: Shop) -> None:
    await JobWorker(shop.store, shop.memories).stop()


async def test_what_was_to_be_created_is_forgotten_when_a_job_ends(shop: Shop, database_url: str) -> None:
    shop.worker.start()
    await shop.until(await shop.submit(1), JobStatus.COMPLETED)
    with raw(database_url) as connection:
        [(items,)] = connection.execute("SELECT items FROM job").fetchall()
    assert items in ("[]", [])


async def test_finished_jobs_and_old_traces_are_forgotten(shop: Shop, database_url: str) -> None:
    first = await shop.submit(1)
    await shop.jobs.cancel(ANN, first)
    await shop.traces.log(ANN, "t", {"a": 1})
    with raw(database_url) as connection:
        connection.execute("UPDATE job SET finished_at = 1")
        connection.execute("UPDATE trace SET created_at = 1")
    second = await shop.submit(1)
    await shop.traces.log(ANN, "t", {"a": 2})
    assert await shop.jobs.job(ANN, first) is None
    assert (await shop.job(second)).status is JobStatus.WAITING
    traces, count = await shop.traces.listed(ANN, size=10, skipped=0)
    assert ([trace.data for trace in traces], count) == ([{"a": 2}], 1)


async def test_nothing_of_anybody_else_is_seen(shop: Shop) -> None:
    job_id = await shop.submit(1)
    await shop.traces.log(ANN, "t", {})
    [trace], _ = await shop.traces.listed(ANN, size=1, skipped=0)
    for other in (EVE, BOB):
        assert await shop.jobs.job(other, job_id) is None
        assert await shop.jobs.listed(other, tuple(JobStatus), size=10, skipped=0) == []
        assert await shop.jobs.cancel(other, job_id) == (None, False)
        assert await shop.traces.listed(other, size=10, skipped=0) == ([], 0)
        assert await shop.traces.deleted(other, trace.id) is None
    assert await shop.traces.deleted(ANN, trace.id) == trace


async def test_what_can_be_no_id_is_not_there(shop: Shop) -> None:
    assert await shop.jobs.job(ANN, "\0") is None
    assert await shop.jobs.cancel(ANN, "\ud800") == (None, False)
    assert await shop.traces.deleted(ANN, "\0") is None


async def test_every_way_needs_its_scope(shop: Shop) -> None:
    nobody = Caller(tenant=ANN.tenant, subject="ann")
    for asked in (
        shop.jobs.submit(nobody, {}, ()),
        shop.jobs.job(nobody, "x"),
        shop.jobs.listed(nobody, (), size=1, skipped=0),
        shop.jobs.cancel(nobody, "x"),
        shop.traces.listed(nobody, size=1, skipped=0),
        shop.traces.deleted(nobody, "x"),
    ):
        with pytest.raises(Refused):
            await asked


async def test_a_job_is_judged_before_it_is_taken(shop: Shop) -> None:
    with pytest.raises(Refused) as refused:
        await shop.jobs.submit(ANN, {}, [NewFact(memory="", tags=None, namespace=None)])
    assert [fault.path for fault in refused.value.refusals] == [("items", "0", "memory")]
    with pytest.raises(Refused) as refused:
        await shop.jobs.submit(ANN, {}, [NewFact(memory="x", tags=None, namespace=None)] * 1_001)
    assert [fault.code for fault in refused.value.refusals] == ["LIMIT_EXCEEDED"]
    assert await shop.memories.count_memories(ANN, MemoryQuery(every=(MemoryFilter(),))) == 0


async def test_texts_that_cannot_be_stored_leave_a_trace_without_them(shop: Shop) -> None:
    await shop.traces.log(ANN, "t", {"query": "\0", "n": 1, "kept": "x"})
    [trace], _ = await shop.traces.listed(ANN, size=1, skipped=0)
    assert trace.data == {"n": 1, "kept": "x"}
