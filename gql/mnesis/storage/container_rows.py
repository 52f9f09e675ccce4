"""Between containers and the columns that hold them."""

from datetime import datetime
from typing import Any

import orjson

from mnesis.domain.containers import Container, Retention, RetentionRule
from mnesis.domain.ids import DEFAULT_CONTAINER
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.instants import from_microseconds, to_microseconds
from mnesis.storage.rows import Row, json_text
from mnesis.storage.tables import ContainerRow

CONTAINER_COLUMNS = tuple(column.name for column in ContainerRow.__table__.columns)  # type: ignore[attr-defined]  # SQLModel does not declare it


def default_container(now: datetime | None) -> Container:
    """What every tenant begins with; without a time, as it is seen before the tenant was written to."""
    return Container(id=DEFAULT_CONTAINER, name=DEFAULT_CONTAINER, version=1, created_at=now, updated_at=now)


def container_row(tenant: str, container: Container) -> list[Any]:
    """The columns of a container; its times must be known."""
    assert container.created_at is not None
    assert container.updated_at is not None
    columns = {
        "tenant_id": tenant,
        "id": container.id,
        "name": container.name,
        "created_at": to_microseconds(container.created_at),
        "description": container.description,
        "metadata": json_text(container.metadata) if container.metadata is not None else None,
        "retention": retention_text(container.retention),
        "version": container.version,
        "updated_at": to_microseconds(container.updated_at),
        "deleted": container.deleted,
        "owner": container.owner,
        "roles": json_text(list(container.roles)) if container.roles else None,
        "guarded": container.guarded,
    }
    return [columns[name] for name in CONTAINER_COLUMNS]


def container_from(row: Row) -> Container:
    """The container that a row of `CONTAINER_COLUMNS` holds."""
    stored = dict(zip(CONTAINER_COLUMNS, row, strict=True))
    return Container(
        id=stored["id"],
        name=stored["name"],
        description=stored["description"],
        metadata=orjson.loads(stored["metadata"]) if stored["metadata"] is not None else None,
        retention=retention_from(stored["retention"]),
        version=stored["version"],
        created_at=from_microseconds(stored["created_at"]),
        updated_at=from_microseconds(stored["updated_at"]),
        deleted=bool(stored["deleted"]),
        owner=stored["owner"],
        roles=roles_from(stored["roles"]),
        guarded=bool(stored["guarded"]),
    )


def roles_from(stored: str | None) -> tuple[str, ...]:
    """The roles of a container."""
    return tuple(orjson.loads(stored)) if stored is not None else ()


def retention_text(retention: Retention) -> str | None:
    """Rules as they are stored: keys are values of `MemoryType`, and what is not bounded is left out."""
    if not retention:
        return None
    rules = {
        kind.value: {name: bound for name, bound in (("days", rule.days), ("count", rule.count)) if bound is not None}
        for kind, rule in retention.items()
    }
    return json_text(rules)


def retention_from(stored: str | None) -> Retention:
    """The rules that `retention_text` wrote."""
    if stored is None:
        return {}
    return {MemoryType(kind): RetentionRule(**rule) for kind, rule in orjson.loads(stored).items()}
