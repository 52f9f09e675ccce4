"""Writes the lines of an archive; see `mnesis.storage.archive_lines`."""

from base64 import b64encode
from typing import Any

import orjson
from sqlalchemy import JSON, Boolean, LargeBinary

from mnesis.domain.fields import FieldKind
from mnesis.domain.memory import FIELDS
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.revise import ARRIVALS_PER_CHANGE
from mnesis.storage.archive_lines import CONTAINER_COLUMNS, FORMAT, VERSION, End
from mnesis.storage.instants import from_microseconds
from mnesis.storage.rows import HISTORY_COLUMNS, MEMORY_COLUMNS, Row


def header_line(*, whole_tenant: bool) -> bytes:
    """The first line."""
    holds = "tenant" if whole_tenant else "container"
    return _written({"kind": "header", "format": FORMAT, "version": VERSION, "holds": holds})


def container_line(row: Row) -> bytes:
    """A row of the container's columns without the tenant."""
    # SQLAlchemy's own kind of text is no key to orjson.
    stored = {
        str(column.name): _shown(column.type, column.name, value)
        for column, value in zip(CONTAINER_COLUMNS, row, strict=True)
        if value is not None
    }
    return _written({"kind": "container", **stored})


def record_line(row: Row, *, before_first: int) -> bytes:
    """A row of the history's columns. ``before_first`` is the number before the archive's first change."""
    stored = dict(zip(HISTORY_COLUMNS, row, strict=True))
    changes: list[dict[str, Any]] = orjson.loads(stored["changes"])
    shown = {
        "kind": "record",
        "memory_id": stored["memory_id"],
        "version": stored["version"],
        "memory_type": stored["memory_type"],
        "action": stored["action"],
        "change": stored["change"] - before_first,
        "position": stored["position"],
        "created_at": _time(stored["created_at"]),
        "content_updated_at": _time(stored["content_updated_at"]),
        "actor": stored["actor"],
        "reason": stored["reason"],
        "container_id": stored["container_id"],
        "session_id": stored["session_id"],
        "namespace": orjson.loads(stored["namespace"]),
        "changes": [_shown_change(change) for change in changes],
        **_ownership(stored),
    }
    return _written(_without_nulls(shown))


def memory_line(row: Row, *, before_first: int) -> bytes:
    """A row of the memory's columns. ``before_first`` is the number before the archive's first change."""
    stored = dict(zip(MEMORY_COLUMNS, row, strict=True))
    created_in, position = divmod(stored["arrival"], ARRIVALS_PER_CHANGE)
    fields = FIELDS[MemoryType(stored["memory_type"])]
    shown = {
        "kind": "memory",
        "id": stored["id"],
        "type": stored["memory_type"],
        "version": stored["version"],
        "deleted": bool(stored["deleted"]),
        "change": stored["change"] - before_first,
        "arrival": [created_in - before_first, position],
        "created_at": _time(stored["created_at"]),
        "updated_at": _time(stored["updated_at"]),
        "content_updated_at": _time(stored["content_updated_at"]),
        "updated_by": stored["updated_by"],
        "container_id": stored["container_id"],
        "session_id": stored["session_id"],
        "entry_id": stored["entry_id"],
        "namespace": orjson.loads(stored["namespace"]),
        "values": {
            name: _shown_value(field.kind, stored[name]) for name, field in fields.items() if stored[name] is not None
        },
        **_ownership(stored),
    }
    return _written(_without_nulls(shown))


def end_line(end: End) -> bytes:
    """The last line."""
    counts = {"containers": end.containers, "records": end.records, "memories": end.memories}
    return _written({"kind": "end", **counts, "sha256": end.sha256})


def _ownership(stored: dict[str, Any]) -> dict[str, Any]:
    """Only what is guarded says so, so that an older mnesis reads what is not owned."""
    return {"owner": stored["owner"], "guarded": True if stored["guarded"] else None}


def _shown_change(stored: dict[str, Any]) -> dict[str, Any]:
    if stored["field"] != "created_at":
        return stored
    return {name: _time(value) if name in ("before", "after") else value for name, value in stored.items()}


def _shown_value(kind: FieldKind, stored: Any) -> Any:
    if kind in (FieldKind.OBJECT, FieldKind.MESSAGES):
        return orjson.loads(stored)
    if kind is FieldKind.FLAG:
        return bool(stored)
    if kind is FieldKind.BINARY:
        return b64encode(stored).decode()
    return stored


def _shown(kind: Any, name: str, stored: Any) -> Any:
    """A column as JSON; which way follows from its type, so that new columns travel too."""
    if isinstance(kind, JSON):
        return orjson.loads(stored)
    if isinstance(kind, LargeBinary):
        return b64encode(stored).decode()
    if isinstance(kind, Boolean):
        return bool(stored)
    return _time(stored) if name.endswith("_at") else stored


def _time(stored: int) -> str:
    return f"{from_microseconds(stored).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _without_nulls(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if value is not None}


def _written(shown: dict[str, Any]) -> bytes:
    return orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)
