"""``add-async`` with its status, list and cancellation: documents that are added in the background.

The hosted service cancels what has not begun. Here a job that runs can be cancelled between its steps too, and what
was added until then stays; on its last step it is told, as there, that it cannot be cancelled.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.responses import Response

from mnesis.domain.ids import is_id
from mnesis.domain.json_values import JsonObject
from mnesis.facades.alchemyst.bodies import Asked, one_of
from mnesis.facades.alchemyst.documents import check_file_name, creations_of
from mnesis.facades.alchemyst.errors import NotServed, invalid
from mnesis.usecases.jobs import UNFINISHED, Job, Jobs, JobStatus, NewFact
from mnesis.usecases.memories import Memories
from mnesis.web.answers import json_answer

RUNNING = (
    "Context add is running, it cannot be cancelled. You can delete it after it has finished uploading, to preserve"
    " the integrity of data."
)
MOST_JOBS = 1_000
_TYPES = {
    "all": tuple(JobStatus),
    "active": UNFINISHED,
    "failed": (JobStatus.FAILED,),
    "completed": (JobStatus.COMPLETED,),
}


async def submit(memories: Memories, jobs: Jobs, asked: Asked, wake: Callable[[], None]) -> Response:
    """Queues documents."""
    creations = creations_of(asked.body)
    await check_file_name(memories, asked)
    facts = [
        NewFact(memory=each.changes.given["memory"], tags=each.changes.given["tags"], namespace=each.namespace)  # type: ignore[arg-type]  # As they were just made.
        for each in creations
    ]
    data: JsonObject = {
        name: asked.body[name]
        for name in ("source", "context_type", "scope", "metadata")
        if asked.body.get(name) is not None
    }
    job_id = await jobs.submit(asked.caller, data, facts)
    wake()
    return json_answer({"queued": True, "jobId": job_id}, status=201)


async def list_jobs(jobs: Jobs, asked: Asked) -> Response:
    """The caller's own jobs, the newest first."""
    kind = one_of(asked.query.get("type"), "type", tuple(_TYPES), "all")
    size, skipped = _number(asked, "limit", 100, MOST_JOBS), _number(asked, "offset", 0, 2**31)
    found = await jobs.listed(asked.caller, _TYPES[kind], size=size, skipped=skipped)
    shown = [{**_shown(job), "data": {**job.data, **_progress(job)}} for job in found]
    return json_answer({"success": True, "jobs": shown})


async def status(jobs: Jobs, asked: Asked) -> Response:
    """One job, and how far it is."""
    job = await jobs.job(asked.caller, _job_id(asked))
    if job is None:
        raise _not_found()
    return json_answer({"success": True, **_shown(job), "result": _progress(job)})


async def cancel(jobs: Jobs, asked: Asked) -> Response:
    """Cancels a job, unless it has ended or is on its last step."""
    job, cancelled = await jobs.cancel(asked.caller, _job_id(asked))
    if job is None:
        raise _not_found()
    if not cancelled:
        running = job.status in UNFINISHED
        message = RUNNING if running else f"Context add is {job.status.value}, it cannot be cancelled."
        raise NotServed(409, message, {"status": job.status.value})
    answer = {"success": True, "jobId": job.id, "status": "cancelled", "message": "Job cancelled successfully"}
    return json_answer(answer)


def _shown(job: Job) -> dict[str, Any]:
    return {
        "jobId": job.id,
        "status": job.status.value,
        "attemptsMade": job.attempts,
        "failedReason": job.failure,
        "finishedOn": _milliseconds(job.finished_at),
        "processedOn": _milliseconds(job.started_at),
    }


def _progress(job: Job) -> dict[str, Any]:
    return {"documents": job.total, "processed_documents": job.done}


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1_000)


def _job_id(asked: Asked) -> str:
    job_id = asked.path["job_id"]
    if not is_id(job_id):
        raise invalid("Invalid job id", "id")
    return job_id


def _not_found() -> NotServed:
    return NotServed(404, "Job not found", {"code": "NOT_FOUND"})


def _number(asked: Asked, name: str, default: int, most: int) -> int:
    value = asked.query.get(name)
    if not value:
        return default
    if not value.isascii() or not value.isdecimal() or int(value[:12]) > most:
        raise invalid(f"{name} must be a number from 0 to {most}", name)
    return int(value)
