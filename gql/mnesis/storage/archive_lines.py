"""What the lines of an archive hold: what `mnesis export` writes and `mnesis import` reads.

An archive is JSON Lines. A header comes first, then containers, then change by change, in the order in which they were
committed, the records of a change and the memories that got their last version in it, and an end with counts and a
checksum. A value that is null is left out. ``change`` counts from the archive's first one, since the tenant that takes
it in has numbers of its own; an ``arrival`` is the change in which a memory was created and its place among that
change's records.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from mnesis.domain.ids import DEFAULT_CONTAINER
from mnesis.domain.memory import Memory
from mnesis.storage.rows import HISTORY_COLUMNS, Row, json_text
from mnesis.storage.statements import CONTAINER

FORMAT = "mnesis"
VERSION = 1
CONTAINER_COLUMNS = tuple(column for column in CONTAINER.columns if column.name != "tenant_id")


class BadLine(Exception):
    """What is wrong with a line; the fact completes "Line 7 ..."."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """``whole_tenant``: all containers of a tenant, or one container."""

    whole_tenant: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedContainer:
    """The columns of a container by name, without the tenant."""

    columns: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.columns["id"])

    def renamed(self, container_id: str) -> "ArchivedContainer":
        """The same container under another id; a name that only repeats the id follows it."""
        name = container_id if self.columns["name"] == self.id else self.columns["name"]
        columns = {**self.columns, "id": container_id, "name": name}
        if container_id == DEFAULT_CONTAINER:
            # That is nobody's; what was guarded in the other one stays with those that made it.
            columns |= {"owner": None, "roles": None, "guarded": False}
        return replace(self, columns=columns)

    @property
    def deleted(self) -> bool:
        return bool(self.columns["deleted"])

    def over(self, stored: "ArchivedContainer") -> "ArchivedContainer":
        """The same container where one of its id is there already: its version does not go back, and what is
        there alive stays so, since somebody may have written to it."""
        if self.deleted and not stored.deleted:
            return stored
        same = {**stored.columns, "created_at": None, "updated_at": None, "version": None}
        version = stored.columns["version"]
        if same != {**self.columns, "created_at": None, "updated_at": None, "version": None}:
            version += 1
        return replace(self, columns={**self.columns, "version": max(version, self.columns["version"])})

    def row(self, tenant: str) -> list[Any]:
        """The columns of the table."""
        return [tenant, *(self.columns[column.name] for column in CONTAINER_COLUMNS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedRecord:
    """A history record: its columns by name, without tenant and changes, and the changes as they are stored."""

    columns: Mapping[str, Any]
    changes: list[dict[str, Any]]

    @property
    def memory_id(self) -> str:
        return str(self.columns["memory_id"])

    @property
    def change(self) -> int:
        return int(self.columns["change"])

    @property
    def position(self) -> int:
        return int(self.columns["position"])

    def in_container(self, was: str, now: str) -> "ArchivedRecord":
        """The same record with one container's id replaced."""
        columns = {**self.columns}
        if columns["container_id"] == was:
            columns["container_id"] = now
        changes = [
            {name: now if name in ("before", "after") and value == was else value for name, value in change.items()}
            if change["field"] == "container_id"
            else change
            for change in self.changes
        ]
        return ArchivedRecord(columns=columns, changes=changes)

    def row(self, tenant: str, change: int) -> list[Any]:
        """The columns of the table, with the tenant's own number of the change."""
        values = {**self.columns, "tenant_id": tenant, "change": change, "changes": json_text(self.changes)}
        return [values[name] for name in HISTORY_COLUMNS]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How many lines of each kind there are, and the SHA-256 of all lines before this one."""

    containers: int
    records: int
    memories: int
    sha256: str


Line: TypeAlias = Header | ArchivedContainer | ArchivedRecord | Memory | End
"""Numbers of changes, also those in arrivals, count from the archive's first one."""


def new_container(container_id: str, *, created_at: int) -> ArchivedContainer:
    """An empty container with the settings that one has at first."""
    return filled({"id": container_id, "name": container_id, "created_at": created_at})


def stored_container(row: Row) -> ArchivedContainer:
    """A row of `CONTAINER_COLUMNS`."""
    return ArchivedContainer(columns={column.name: value for column, value in zip(CONTAINER_COLUMNS, row, strict=True)})


def filled(given: dict[str, Any]) -> ArchivedContainer:
    """A container with what an older mnesis did not know of it."""
    columns = {"version": 1, "updated_at": given.get("created_at"), "deleted": False, "guarded": False, **given}
    for column in CONTAINER_COLUMNS:
        if columns.setdefault(column.name, None) is None and not column.nullable:
            raise BadLine(f"must have a value as {column.name}")
    return ArchivedContainer(columns=columns)
