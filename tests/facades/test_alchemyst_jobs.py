"""``add-async``: a durable job with progress, cancelled between its steps, and nothing added twice."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from mnesis.usecases.jobs import STEP, JobWorker
from tests.facades.alchemyst import Both, served
from tests.facades.test_alchemyst_documents import DOCUMENT
from tests.facades.test_alchemyst_errors import told

COUNT = "{ memories(filter: {types: [LONG_TERM]}) { totalCount } }"


@pytest.fixture
def idle(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """A server that works no jobs off, as if it was busy with others'."""
    monkeypatch.setattr(JobWorker, "start", lambda _: None)
    with served(database_url) as both:
        yield both


def queued(both: Both, documents: int = 1, **changed: Any) -> str:
    contents = [{"content": f"Part {number}."} for number in range(documents)]
    answer = both.post("/add-async", {**DOCUMENT, "documents": contents, **changed})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body == {"queued": True, "jobId": body["jobId"]}
    job_id: str = body["jobId"]
    return job_id


def ended(both: Both, job_id: str) -> Any:
    """The job, once it has ended."""
    for _ in range(1_000):
        answer = both.get(f"/add-async/{job_id}/status")
        assert answer.status_code == 200, answer.text
        if answer.json()["status"] not in ("waiting", "active"):
            return answer.json()
        time.sleep(0.01)
    raise AssertionError("The job does not end.")


def count(both: Both) -> int:
    number: int = both.graphql(COUNT)["totalCount"]
    return number


def test_documents_are_added_in_the_background(both: Both) -> None:
    total = 2 * STEP + 1
    job_id = queued(both, total)
    job = ended(both, job_id)
    assert {name: job[name] for name in ("success", "jobId", "status", "attemptsMade", "failedReason", "result")} == {
        "success": True,
        "jobId": job_id,
        "status": "completed",
        "attemptsMade": 1,
        "failedReason": None,
        "result": {"documents": total, "processed_documents": total},
    }
    assert job["processedOn"] <= job["finishedOn"]
    assert count(both) == total
    [listed] = both.get("/add-async/status").json()["jobs"]
    assert set(listed) == {
        "jobId",
        "status",
        "attemptsMade",
        "data",
        "failedReason",
        "finishedOn",
        "processedOn",
    }
    assert listed["data"]["source"] == "web-upload"
    assert listed["data"]["processed_documents"] == total
    told(both.post("/add-async", DOCUMENT), 409)
    error = told(both.delete(f"/add-async/{job_id}/cancel"), 409)
    assert error["message"] == "Context add is completed, it cannot be cancelled."


def test_a_job_that_waits_is_cancelled_and_never_begun(idle: Both) -> None:
    job_id = queued(idle)
    assert idle.delete(f"/add-async/{job_id}/cancel").json() == {
        "success": True,
        "jobId": job_id,
        "status": "cancelled",
        "message": "Job cancelled successfully",
    }
    job = idle.get(f"/add-async/{job_id}/status").json()
    assert (job["status"], job["processedOn"], job["result"]["processed_documents"]) == ("cancelled", None, 0)
    assert job["finishedOn"]
    told(idle.delete(f"/add-async/{job_id}/cancel"), 409)
    assert count(idle) == 0


def test_jobs_are_listed_by_their_status_and_place(idle: Both) -> None:
    ids = [queued(idle, metadata={}) for _ in range(3)]
    idle.delete(f"/add-async/{ids[0]}/cancel")

    def listed(**query: str) -> list[str]:
        answer = idle.get("/add-async/status", **query).json()
        assert answer["success"] is True
        return [job["jobId"] for job in answer["jobs"]]

    assert listed() == listed(type="all", limit="100", offset="0") == ids[::-1]
    assert listed(type="active") == [ids[2], ids[1]]
    assert listed(type="completed") == listed(type="failed") == []
    assert listed(limit="1", offset="1") == [ids[1]]
    assert idle.get("/add-async/status", by="bob").json()["jobs"] == []
    for wrong in ({"type": "some"}, {"limit": "x"}, {"offset": "-1"}, {"limit": "1001"}):
        told(idle.get("/add-async/status", **wrong), 400)


def test_nobody_elses_job_is_there(idle: Both) -> None:
    job_id = queued(idle)
    for answer in (
        idle.get(f"/add-async/{job_id}/status", by="bob"),
        idle.delete(f"/add-async/{job_id}/cancel", by="bob"),
        idle.get("/add-async/nobody/status"),
        idle.delete("/add-async/nobody/cancel"),
    ):
        assert told(answer, 404)["message"] == "Job not found"
    for answer in (idle.get("/add-async/-x/status"), idle.delete("/add-async/a%20b/cancel")):
        assert told(answer, 400)["message"] == "Invalid job id"


def test_a_job_survives_a_restart(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(JobWorker, "start", lambda _: None)
        with served(database_url) as both:
            job_id = queued(both, STEP + 1)
    with served(database_url) as both:
        assert ended(both, job_id)["status"] == "completed"
        assert count(both) == STEP + 1


def test_what_is_wrong_with_a_document_is_told_at_once(speak: Both) -> None:
    contents = [{"content": "x"}, {"content": "x", "note": "\0"}]
    error = told(speak.post("/add-async", {**DOCUMENT, "documents": contents}), 400)
    assert error["details"]["path"] == ["documents", "1", "tags", "note"]


def test_too_many_documents(sqlite_url: str) -> None:
    with served(sqlite_url, limit_commands=2) as both:
        error = told(both.post("/add-async", {**DOCUMENT, "documents": [{"content": "x"}] * 3}), 413)
        assert error["details"] == {"code": "LIMIT_EXCEEDED", "path": ["documents"]}
