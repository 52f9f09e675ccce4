"""The lines of an archive: what `mnesis export` writes and `mnesis import` reads.

An archive is JSON Lines. A header comes first, then containers, then change by change, in the order in which they were
committed, the records of a change and the memories that got their last version in it, and an end with counts and a
checksum. A value that is null is left out. ``change`` counts from the archive's first one, since the tenant that takes
it in has numbers of its own; an ``arrival`` is the change in which a memory was created and its place among that
change's records.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import NoneType
from typing import Any, TypeAlias, TypeVar

import orjson
from sqlalchemy import JSON, Boolean, Integer, LargeBinary

from mnesis.domain import revise
from mnesis.domain.commands import Changes, Create
from mnesis.domain.containers import ContainerSettings, NewContainer, SettingValue, container_faults
from mnesis.domain.decide import ARRIVALS_PER_CHANGE
from mnesis.domain.fields import Field, FieldKind, FieldValue, Message
from mnesis.domain.history import FIXED
from mnesis.domain.ids import DEFAULT_CONTAINER, is_id
from mnesis.domain.json_values import INT_MAX, JsonFault, check_object, text_fault
from mnesis.domain.limits import Limits
from mnesis.domain.memory import EMPTY_VALUES, FIELDS, Memory
from mnesis.domain.memory_types import ChangeKind, HistoryAction, MemoryType, PayloadType
from mnesis.domain.validation import command_faults
from mnesis.storage.container_rows import retention_from
from mnesis.storage.instants import from_microseconds, to_microseconds
from mnesis.storage.rows import HISTORY_COLUMNS, MEMORY_COLUMNS, Row, json_text, message_from
from mnesis.storage.statements import CONTAINER

FORMAT = "mnesis"
VERSION = 1
CONTAINER_COLUMNS = tuple(column for column in CONTAINER.columns if column.name != "tenant_id")

_INTEGER_MAX = 2**31 - 1
_CHANGE_MAX = INT_MAX // ARRIVALS_PER_CHANGE // 2
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_MISSING = object()
# What was allowed when it was written stays readable: limits are for what is to be stored from now on.
_HISTORY_LIMITS = Limits(json_bytes=2**40, json_levels=500)
_CHECKED_AT = datetime(2000, 1, 1, tzinfo=UTC)

T = TypeVar("T")


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
        return replace(self, columns={**self.columns, "id": container_id, "name": name})

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
    return _filled({"id": container_id, "name": container_id, "created_at": created_at})


def stored_container(row: Row) -> ArchivedContainer:
    """A row of `CONTAINER_COLUMNS`."""
    return ArchivedContainer(columns={column.name: value for column, value in zip(CONTAINER_COLUMNS, row, strict=True)})


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
    }
    return _written(_without_nulls(shown))


def end_line(end: End) -> bytes:
    """The last line."""
    counts = {"containers": end.containers, "records": end.records, "memories": end.memories}
    return _written({"kind": "end", **counts, "sha256": end.sha256})


def parse_line(line: bytes, limits: Limits) -> Line:
    """What a line says. Raises `BadLine` for whatever `mnesis export` would not have written so."""
    if not line.endswith(b"\n"):
        raise BadLine("is cut off")
    try:
        found = orjson.loads(line)
    except ValueError as error:
        raise BadLine(f"is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadLine("is not a JSON object")
    # Written again it must be the same: so no key stands there twice and no number is other than it was read.
    if orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE) != line:
        raise BadLine("is not written as mnesis export writes it")
    members = _Members(found)
    kind = members.text("kind")
    parse = _PARSERS.get(kind)
    if parse is None:
        raise BadLine(f"is of the unknown kind {kind}")
    parsed = parse(members, limits)
    members.end()
    return parsed


class _Members:
    """The members of an object, taken one by one with the type they must have."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._left = dict(found)

    def end(self) -> None:
        """Refuses what nobody asked for."""
        if self._left:
            raise BadLine(f"has an unknown member {next(iter(self._left))}")

    def given(self, name: str) -> Any:
        return self._left.pop(name, None)

    def _taken(self, name: str, kind: type[T], spoken: str) -> T:
        value = self._left.pop(name, _MISSING)
        # True is an int to Python.
        if type(value) is not kind:
            raise BadLine(f"must have {spoken} as {name}")
        return value

    def text(self, name: str) -> str:
        value = self._taken(name, str, "a text")
        if (fault := text_fault(value)) is not None:
            raise BadLine(f"has a text as {name} that {fault}")
        return value

    def text_or_none(self, name: str) -> str | None:
        return self.text(name) if name in self._left else None

    def id(self, name: str) -> str:
        value = self.text(name)
        if not is_id(value):
            raise BadLine(f"has as {name} what cannot be an id")
        return value

    def id_or_none(self, name: str) -> str | None:
        return self.id(name) if name in self._left else None

    def number(self, name: str, *, least: int = 0, most: int = INT_MAX) -> int:
        value = self._taken(name, int, "a whole number")
        if not least <= value <= most:
            raise BadLine(f"has a {name} that is not between {least} and {most}")
        return value

    def flag(self, name: str) -> bool:
        return self._taken(name, bool, "true or false")

    def time(self, name: str) -> int:
        return _microseconds(self._left.pop(name, None), name)

    def object(self, name: str) -> dict[str, Any]:
        return self._taken(name, dict, "an object")

    def list(self, name: str) -> list[Any]:
        return self._taken(name, list, "a list")


def _parse_header(members: _Members, limits: Limits) -> Header:
    if members.text("format") != FORMAT:
        raise BadLine("does not begin an export of mnesis")
    version = members.number("version")
    if version != VERSION:
        raise BadLine(f"says that this is version {version} of the format, and this mnesis reads version {VERSION}")
    holds = members.text("holds")
    if holds not in ("tenant", "container"):
        raise BadLine("must say whether this holds a tenant or a container")
    return Header(whole_tenant=holds == "tenant")


def _parse_container(members: _Members, limits: Limits) -> ArchivedContainer:
    given: dict[str, Any] = {"id": members.id("id")}
    for column in CONTAINER_COLUMNS:
        value = members.given(column.name)
        if value is not None:
            given[column.name] = _column_value(column.type, column.name, value, limits)
    container = _filled(given)
    _check_container(container, limits)
    return container


def _filled(given: dict[str, Any]) -> ArchivedContainer:
    """A container with what an older mnesis did not know of it."""
    columns = {"version": 1, "updated_at": given.get("created_at"), "deleted": False, **given}
    for column in CONTAINER_COLUMNS:
        if columns.setdefault(column.name, None) is None and not column.nullable:
            raise BadLine(f"must have a value as {column.name}")
    return ArchivedContainer(columns=columns)


def _check_container(container: ArchivedContainer, limits: Limits) -> None:
    """Asks of a container what would be asked if somebody created it now."""
    columns = container.columns
    if columns["version"] < 1:
        raise BadLine("has a version that is not 1 or more")
    if container.deleted and container.id == DEFAULT_CONTAINER:
        raise BadLine("tells of a deleted default container, which cannot be")
    try:
        retention = retention_from(columns["retention"])
    except (AttributeError, TypeError, ValueError):
        raise BadLine("has as retention what are not rules by type") from None
    if any(type(bound) not in (int, NoneType) for rule in retention.values() for bound in (rule.days, rule.count)):
        raise BadLine("has a rule of retention that is no number")
    settings: dict[str, SettingValue] = {"name": columns["name"], "description": columns["description"]}
    settings["retention"] = retention
    if columns["metadata"] is not None:
        settings["metadata"] = orjson.loads(columns["metadata"])
        if not isinstance(settings["metadata"], dict):
            raise BadLine("must have an object as metadata")
    refusals = container_faults(NewContainer(settings=ContainerSettings(given=settings)), limits)
    if refusals:
        path = ".".join(refusals[0].path)
        raise BadLine(f"holds what cannot be stored in {path}: {refusals[0].message.rstrip('.')}")


def _parse_record(members: _Members, limits: Limits) -> ArchivedRecord:
    memory_type = _word(MemoryType, members.text("memory_type"), "memory_type")
    if memory_type not in FIELDS:
        raise BadLine("has a memory_type that has no history")
    columns: dict[str, Any] = {
        "memory_id": members.id("memory_id"),
        "version": members.number("version", least=1, most=_INTEGER_MAX),
        "memory_type": memory_type.value,
        "action": _word(HistoryAction, members.text("action"), "action").value,
        "change": members.number("change", least=1, most=_CHANGE_MAX),
        "position": members.number("position", most=_INTEGER_MAX),
        "created_at": members.time("created_at"),
        "content_updated_at": members.time("content_updated_at"),
        "actor": members.text_or_none("actor"),
        "reason": members.text_or_none("reason"),
        "container_id": members.id("container_id"),
        "session_id": members.id_or_none("session_id"),
        "namespace": json_text(_checked_object(members.object("namespace"), "namespace", _HISTORY_LIMITS)),
    }
    changes = [_stored_change(memory_type, change) for change in members.list("changes")]
    return ArchivedRecord(columns=columns, changes=changes)


def _parse_memory(members: _Members, limits: Limits) -> Memory:
    memory_type = _word(MemoryType, members.text("type"), "type")
    if memory_type not in FIELDS:
        raise BadLine("has a type that is no memory's")
    change = members.number("change", least=1, most=_CHANGE_MAX)
    memory = Memory(
        id=members.id("id"),
        type=memory_type,
        container_id=members.id("container_id"),
        namespace=members.object("namespace"),
        session_id=members.id_or_none("session_id"),
        entry_id=members.text_or_none("entry_id"),
        version=members.number("version", least=1, most=_INTEGER_MAX),
        created_at=from_microseconds(members.time("created_at")),
        updated_at=from_microseconds(members.time("updated_at")),
        content_updated_at=from_microseconds(members.time("content_updated_at")),
        updated_by=members.text_or_none("updated_by"),
        arrival=_arrival(members.list("arrival"), change),
        change=change,
        deleted=members.flag("deleted"),
        values=_values(memory_type, members.object("values")),
    )
    if (memory.session_id is None) != (memory.entry_id is None):
        raise BadLine("must have both session_id and entry_id or neither")
    _check_as_new(memory, limits)
    return memory


def _parse_end(members: _Members, limits: Limits) -> End:
    return End(
        containers=members.number("containers"),
        records=members.number("records"),
        memories=members.number("memories"),
        sha256=members.text("sha256"),
    )


_PARSERS: dict[str, Callable[[_Members, Limits], Line]] = {
    "header": _parse_header,
    "container": _parse_container,
    "record": _parse_record,
    "memory": _parse_memory,
    "end": _parse_end,
}


def _arrival(given: list[Any], change: int) -> int:
    match given:
        case [int(created_in), int(position)] if (
            1 <= created_in <= change and 0 <= position < ARRIVALS_PER_CHANGE and bool not in map(type, given)
        ):
            return created_in * ARRIVALS_PER_CHANGE + position
    raise BadLine("must have an arrival of a change, not after its last one, and a position")


def _values(memory_type: MemoryType, given: dict[str, Any]) -> dict[str, FieldValue]:
    members = _Members(given)
    values: dict[str, FieldValue] = dict(EMPTY_VALUES[memory_type])
    for name, field in FIELDS[memory_type].items():
        value = members.given(name)
        if value is not None:
            values[name] = _value(field.kind, name, value)
    members.end()
    return values


def _check_as_new(memory: Memory, limits: Limits) -> None:
    """Asks of a memory what would be asked if somebody created it now."""
    fields = FIELDS[memory.type]
    given = {name: value for name, value in memory.values.items() if _is_given(fields[name], value)}
    if memory.deleted:
        # Of an erased memory nothing is left but that it was there.
        given.update((field.name, "-") for field in fields.values() if field.required and field.name not in given)
    command = Create(
        changes=Changes(memory_type=memory.type, given=given),
        id=memory.id if memory.type is MemoryType.SESSION else None,
        session_id=memory.session_id,
        entry_id=memory.entry_id,
        namespace=memory.namespace,
        container_id=memory.container_id,
    )
    refusals = command_faults(command, limits)
    if not refusals:
        moment = revise.Moment(now=_CHECKED_AT, actor="", limits=limits, new_id=lambda: memory.id)
        verdict = revise.create(None, None, command, moment)
        refusals = verdict if isinstance(verdict, tuple) else ()
    if refusals:
        path = ".".join(refusals[0].path)
        raise BadLine(f"holds what cannot be stored{f' in {path}' if path else ''}: {refusals[0].message.rstrip('.')}")


def _is_given(field: Field, value: FieldValue) -> bool:
    return value is not None and value != ()


def _value(kind: FieldKind, name: str, given: Any) -> Any:
    """A value of a field as the domain knows it."""
    if kind is FieldKind.OBJECT and isinstance(given, dict):
        return given
    if kind is FieldKind.MESSAGES and isinstance(given, list):
        return tuple(_message(message, name) for message in given)
    if kind is FieldKind.FLAG and isinstance(given, bool):
        return given
    if isinstance(given, str):
        if kind is FieldKind.BINARY:
            return _bytes(given, name)
        if kind is FieldKind.PAYLOAD:
            return _word(PayloadType, given, name)
        if kind in (FieldKind.TEXT, FieldKind.ROLE):
            return given
    raise BadLine(f"has a value of the wrong type as {name}")


def _message(given: Any, name: str) -> Message:
    match given:
        case {"role": str(), "text": str(), **rest} | {"role": str(), "parts": [*_], **rest} if not rest:
            if all(isinstance(part, dict) for part in given.get("parts", ())):
                return message_from(given)
    raise BadLine(f"has in {name} what is not a message")


def _stored_change(memory_type: MemoryType, given: Any) -> dict[str, Any]:
    """A change of a field as it is stored."""
    if not isinstance(given, dict):
        raise BadLine("has in changes what is not an object")
    members = _Members(given)
    stored: dict[str, Any] = {"field": members.text("field")}
    if (kind_word := members.text_or_none("kind")) is not None:
        stored["kind"] = _word(ChangeKind, kind_word, "kind").value
    kind = ChangeKind(stored.get("kind", "SET"))
    for side in ("before", "after"):
        value = members.given(side)
        if value is not None:
            stored[side] = _stored_side(memory_type, stored["field"], kind, side, value)
    members.end()
    if kind is ChangeKind.APPEND and not ("before" in stored and "after" in stored):
        raise BadLine("has appended messages without their number before or without themselves")
    return stored


def _stored_side(memory_type: MemoryType, name: str, kind: ChangeKind, side: str, value: Any) -> Any:
    field = FIELDS[memory_type].get(name)
    if kind is ChangeKind.APPEND and side == "before":
        if field is None or type(value) is not int or value < 0:
            raise BadLine(f"has no number of messages before those appended to {name}")
        return value
    if kind is ChangeKind.ENTRIES or field is None:
        return _stored_beside(name, value)
    checked = _value(field.kind, name, value)
    if kind is ChangeKind.APPEND and not isinstance(checked, tuple):
        raise BadLine(f"appends to {name}, which is no list of messages")
    _checked_object({name: value}, name, _HISTORY_LIMITS)
    return value


def _stored_beside(name: str, value: Any) -> Any:
    """One side of a change of what is no field of the type: counts of entries, or what is fixed at creation."""
    if name == "created_at":
        return _microseconds(value, name)
    if isinstance(value, list) or (name in FIXED and isinstance(value, str) is not (name == "container_id")):
        raise BadLine(f"has a value of the wrong type as {name}")
    _checked_object({name: value}, name, _HISTORY_LIMITS)
    return value


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


def _column_value(kind: Any, name: str, given: Any, limits: Limits) -> Any:
    """The column that `_shown` showed."""
    if isinstance(kind, JSON):
        _checked_object({name: given}, name, replace(limits, json_levels=limits.json_levels + 1))
        return json_text(given)
    members = _Members({name: given})
    if isinstance(kind, LargeBinary):
        return _bytes(members.text(name), name)
    if isinstance(kind, Boolean):
        return members.flag(name)
    if name.endswith("_at"):
        return members.time(name)
    if isinstance(kind, Integer):
        return members.number(name, least=-_INTEGER_MAX)
    return members.text(name)


def _checked_object(value: dict[str, Any], name: str, limits: Limits) -> dict[str, Any]:
    try:
        check_object(value, limits)
    except JsonFault as fault:
        raise BadLine(f"holds what cannot be stored in {name}: the JSON value {fault.fact}") from None
    return value


def _word(words: type[T], given: str, name: str) -> T:
    try:
        return words(given)  # type: ignore[call-arg]  # An enum is called with a value.
    except ValueError:
        raise BadLine(f"has the unknown word {given} as {name}") from None


def _bytes(given: str, name: str) -> bytes:
    try:
        found = b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise BadLine(f"has as {name} what is not base64") from None
    if b64encode(found).decode() != given:
        raise BadLine(f"has as {name} what is not base64")
    return found


def _time(stored: int) -> str:
    return f"{from_microseconds(stored).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _microseconds(given: Any, name: str) -> int:
    if isinstance(given, str) and _TIME.fullmatch(given):
        try:
            return to_microseconds(datetime.fromisoformat(given))
        except ValueError:
            pass
    raise BadLine(f"must have a time such as 2026-01-31T09:30:00.000000Z as {name}")


def _without_nulls(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if value is not None}


def _written(shown: dict[str, Any]) -> bytes:
    return orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)
