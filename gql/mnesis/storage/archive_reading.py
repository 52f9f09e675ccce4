"""Reads the lines of an archive; see `mnesis.storage.archive_lines`. Nothing in one is trusted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import NoneType
from typing import Any

import orjson
from sqlalchemy import JSON, Boolean, Integer, LargeBinary

from mnesis.domain import revise
from mnesis.domain.commands import Changes, Create
from mnesis.domain.containers import ContainerSettings, NewContainer, SettingValue, container_faults
from mnesis.domain.fields import Field, FieldValue
from mnesis.domain.ids import DEFAULT_CONTAINER
from mnesis.domain.json_values import INT_MAX
from mnesis.domain.limits import Limits
from mnesis.domain.memory import EMPTY_VALUES, FIELDS, Memory
from mnesis.domain.memory_types import HistoryAction, MemoryType
from mnesis.domain.revise import ARRIVALS_PER_CHANGE
from mnesis.domain.validation import command_faults
from mnesis.storage.archive_changes import HISTORY_LIMITS, field_value, stored_change
from mnesis.storage.archive_lines import (
    CONTAINER_COLUMNS,
    FORMAT,
    VERSION,
    ArchivedContainer,
    ArchivedRecord,
    BadLine,
    End,
    Header,
    Line,
    filled,
)
from mnesis.storage.archive_members import INTEGER_MAX, Members, checked_object, decoded_bytes, word
from mnesis.storage.container_rows import retention_from
from mnesis.storage.instants import from_microseconds
from mnesis.storage.rows import json_text

_CHANGE_MAX = INT_MAX // ARRIVALS_PER_CHANGE // 2
_CHECKED_AT = datetime(2000, 1, 1, tzinfo=UTC)


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
    members = Members(found)
    kind = members.text("kind")
    parse = _PARSERS.get(kind)
    if parse is None:
        raise BadLine(f"is of the unknown kind {kind}")
    parsed = parse(members, limits)
    members.end()
    return parsed


def _parse_header(members: Members, limits: Limits) -> Header:
    if members.text("format") != FORMAT:
        raise BadLine("does not begin an export of mnesis")
    version = members.number("version")
    if version != VERSION:
        raise BadLine(f"says that this is version {version} of the format, and this mnesis reads version {VERSION}")
    holds = members.text("holds")
    if holds not in ("tenant", "container"):
        raise BadLine("must say whether this holds a tenant or a container")
    return Header(whole_tenant=holds == "tenant")


def _parse_container(members: Members, limits: Limits) -> ArchivedContainer:
    given: dict[str, Any] = {"id": members.id("id")}
    for column in CONTAINER_COLUMNS:
        value = members.given(column.name)
        if value is not None:
            given[column.name] = _column_value(column.type, column.name, value, limits)
    container = filled(given)
    _check_container(container, limits)
    return container


def _check_container(container: ArchivedContainer, limits: Limits) -> None:
    """Asks of a container what would be asked if somebody created it now."""
    columns = container.columns
    if columns["version"] < 1:
        raise BadLine("has a version that is not 1 or more")
    if container.deleted and container.id == DEFAULT_CONTAINER:
        raise BadLine("tells of a deleted default container, which cannot be")
    if container.columns["guarded"] and container.id == DEFAULT_CONTAINER:
        raise BadLine("tells of a default container that is not open to the tenant, which cannot be")
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
    settings["roles"] = _roles(columns["roles"])
    refusals = container_faults(NewContainer(settings=ContainerSettings(given=settings)), limits)
    if refusals:
        path = ".".join(refusals[0].path)
        raise BadLine(f"holds what cannot be stored in {path}: {refusals[0].message.rstrip('.')}")


def _roles(stored: str | None) -> tuple[str, ...]:
    found = orjson.loads(stored) if stored is not None else []
    if not isinstance(found, list) or not all(isinstance(role, str) for role in found):
        raise BadLine("must have a list of texts as roles")
    return tuple(found)


def _parse_record(members: Members, limits: Limits) -> ArchivedRecord:
    memory_type = word(MemoryType, members.text("memory_type"), "memory_type")
    if memory_type not in FIELDS:
        raise BadLine("has a memory_type that has no history")
    columns: dict[str, Any] = {
        "memory_id": members.id("memory_id"),
        "version": members.number("version", least=1, most=INTEGER_MAX),
        "memory_type": memory_type.value,
        "action": word(HistoryAction, members.text("action"), "action").value,
        "change": members.number("change", least=1, most=_CHANGE_MAX),
        "position": members.number("position", most=INTEGER_MAX),
        "created_at": members.time("created_at"),
        "content_updated_at": members.time("content_updated_at"),
        "actor": members.text_or_none("actor"),
        "reason": members.text_or_none("reason"),
        "container_id": members.id("container_id"),
        "session_id": members.id_or_none("session_id"),
        "namespace": json_text(checked_object(members.object("namespace"), "namespace", HISTORY_LIMITS)),
        "owner": members.text_or_none("owner"),
        "guarded": members.true_or_left_out("guarded"),
    }
    changes = [stored_change(memory_type, change) for change in members.list("changes")]
    return ArchivedRecord(columns=columns, changes=changes)


def _parse_memory(members: Members, limits: Limits) -> Memory:
    memory_type = word(MemoryType, members.text("type"), "type")
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
        version=members.number("version", least=1, most=INTEGER_MAX),
        created_at=from_microseconds(members.time("created_at")),
        updated_at=from_microseconds(members.time("updated_at")),
        content_updated_at=from_microseconds(members.time("content_updated_at")),
        updated_by=members.text_or_none("updated_by"),
        owner=members.text_or_none("owner"),
        guarded=members.true_or_left_out("guarded"),
        arrival=_arrival(members.list("arrival"), change),
        change=change,
        deleted=members.flag("deleted"),
        values=_values(memory_type, members.object("values")),
    )
    if (memory.session_id is None) != (memory.entry_id is None):
        raise BadLine("must have both session_id and entry_id or neither")
    _check_as_new(memory, limits)
    return memory


def _parse_end(members: Members, limits: Limits) -> End:
    return End(
        containers=members.number("containers"),
        records=members.number("records"),
        memories=members.number("memories"),
        sha256=members.text("sha256"),
    )


_PARSERS: dict[str, Callable[[Members, Limits], Line]] = {
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
    members = Members(given)
    values: dict[str, FieldValue] = dict(EMPTY_VALUES[memory_type])
    for name, field in FIELDS[memory_type].items():
        value = members.given(name)
        if value is not None:
            values[name] = field_value(field.kind, name, value)
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
        moment = revise.Moment(now=_CHECKED_AT, change=0, actor="", limits=limits, new_id=lambda: memory.id)
        verdict = revise.create(None, None, command, moment)
        refusals = verdict if isinstance(verdict, tuple) else ()
    if refusals:
        path = ".".join(refusals[0].path)
        raise BadLine(f"holds what cannot be stored{f' in {path}' if path else ''}: {refusals[0].message.rstrip('.')}")


def _is_given(field: Field, value: FieldValue) -> bool:
    return value is not None and value != ()


def _column_value(kind: Any, name: str, given: Any, limits: Limits) -> Any:
    """The column that `_shown` showed."""
    if isinstance(kind, JSON):
        checked_object({name: given}, name, replace(limits, json_levels=limits.json_levels + 1))
        return json_text(given)
    members = Members({name: given})
    if isinstance(kind, LargeBinary):
        return decoded_bytes(members.text(name), name)
    if isinstance(kind, Boolean):
        return members.flag(name)
    if name.endswith("_at"):
        return members.time(name)
    if isinstance(kind, Integer):
        return members.number(name, least=-INTEGER_MAX)
    return members.text(name)
