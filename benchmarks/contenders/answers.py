"""The answers of the bare contenders: those that GraphQL would give to the documents of `benchmarks.documents`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(moment: datetime) -> str:
    """As mnesis writes times."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def iso_from(microseconds: int) -> str:
    """The stored form as mnesis writes times."""
    return iso(EPOCH + timedelta(microseconds=microseconds))


async def variables(request: Request) -> dict[str, Any]:
    """The body."""
    given: dict[str, Any] = orjson.loads(await request.body())
    return given


def answered(field: str, value: object) -> Response:
    """One field's answer."""
    return Response(orjson.dumps({"data": {field: value}}), media_type="application/json")


def not_found() -> dict[str, Any]:
    """The payload of an update of what is not there."""
    error = {"__typename": "NotFoundError", "code": "NOT_FOUND", "message": "There is no such memory.", "path": ["id"]}
    return {"status": "FAILED", "version": None, "memory": None, "errors": [error]}
