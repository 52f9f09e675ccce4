"""What a container is set to, and what a caller's changes make of it: pure, like everything of the domain."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from mnesis.domain.access import Access, may_enter, may_manage
from mnesis.domain.caller import Caller, Scope
from mnesis.domain.ids import CHOSEN_ID_RULE, DEFAULT_CONTAINER, is_id
from mnesis.domain.json_values import JsonFault, JsonObject, check_object, same, text_fault
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import (
    AlreadyExists,
    ContainerNotEmpty,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Refusal,
    VersionConflict,
)

NAME_CHARACTERS = 255
DESCRIPTION_CHARACTERS = 1_000
MOST_DAYS = 36_500
MOST_KEPT = 2**31 - 1
"""What fits into an `Int` of GraphQL."""

MOST_ROLES = 100
ROLE_CHARACTERS = 128
ROLE_RULE = f"has 1 to {ROLE_CHARACTERS} characters of A-Z a-z 0-9 : + = , . @ - _ /"
"""As OpenSearch's ``backend_roles``."""

_ROLE = re.compile(rf"[A-Za-z0-9:+=,.@\-_/]{{1,{ROLE_CHARACTERS}}}")
_STEP = timedelta(microseconds=1)
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """How long memories of one type are kept: ``days`` since their last change, and the newest ``count``.

    What breaks either bound goes. None bounds nothing.
    """

    days: int | None = None
    count: int | None = None

    def expires_before(self, now: datetime) -> datetime | None:
        """What last changed before this time is too old; None where age does not matter."""
        if self.days is None:
            return None
        kept = timedelta(days=self.days)
        return now - kept if now - _NEVER > kept else _NEVER


Retention: TypeAlias = Mapping[MemoryType, RetentionRule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A named partition of a tenant and its settings.

    The times are None for a default container that nobody has written to yet, which is nowhere stored. ``owner`` is the
    subject that made it; ``guarded`` says that only the owner, who has one of its ``roles``, and administrators get in
    (see `access`), which stays as it was at first, since every memory in it carries it too.
    """

    id: str
    name: str
    description: str | None = None
    metadata: JsonObject | None = None
    retention: Retention = field(default_factory=dict)
    version: int
    created_at: datetime | None
    updated_at: datetime | None
    deleted: bool = False
    owner: str | None = None
    roles: tuple[str, ...] = ()
    guarded: bool = False

    @property
    def access(self) -> Access:
        """Who gets in."""
        return Access(owner=self.owner, roles=frozenset(self.roles), guarded=self.guarded)


GivenRule: TypeAlias = RetentionRule | None
SettingValue: TypeAlias = str | JsonObject | None | tuple[str, ...] | Mapping[MemoryType, GivenRule]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """Settings to give a container: what is left out of ``given`` is kept, ``None`` clears.

    The keys are ``name``, ``description``, ``metadata``, ``roles`` and ``retention``. Of the retention, a type that is
    left out keeps its rule, ``None`` removes it, and a rule that is given replaces the one before whole.
    """

    given: Mapping[str, SettingValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContainer:
    """Makes a container. Without an ``id`` it gets a fresh one, without a name it is called by its id.

    ``shared`` opens it to the whole tenant, as one is that nobody owns.
    """

    id: str | None = None
    settings: ContainerSettings
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUpdate:
    """Changes the settings of a container."""

    id: str
    settings: ContainerSettings
    if_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDeletion:
    """Deletes a container; one that is not empty only where ``delete_memories`` says so."""

    id: str
    delete_memories: bool = False
    if_version: int | None = None


ContainerCommand: TypeAlias = NewContainer | ContainerUpdate | ContainerDeletion


def container_faults(command: ContainerCommand, limits: Limits) -> tuple[Refusal, ...]:
    """Everything wrong with a command that can be known before the store is asked."""
    return tuple(_faults(command, limits))


def create(
    command: NewContainer,
    *,
    taken_by: str | None,
    fresh_id: str,
    now: datetime,
    gone: Container | None = None,
    caller: Caller | None = None,
) -> Container | Refusal:
    """The new container. ``taken_by`` is the noun of what has the chosen id already, a memory's tombstone included.

    ``gone`` is the deleted container that had the id, of which only the version goes on. What was in it can be
    restored, so nobody takes its place who could not get in, and one that was guarded stays so.
    """
    if command.id is not None and taken_by is not None:
        return AlreadyExists(path=("id",), kind=taken_by, id=command.id)
    owner = caller.owner if caller is not None else None
    guarded = owner is not None and not command.shared
    if gone is not None and command.id is not None:
        if gone.guarded and caller is not None and not may_manage(caller, gone.owner):
            return AlreadyExists(path=("id",), kind="deleted container", id=command.id)
        if gone.guarded is not guarded:
            was = "not shared" if gone.guarded else "open to the whole tenant"
            text = f"The deleted container with this id was {was}, and stays so when it is created again."
            return InvalidInput(path=("shared",), text=text)
    container_id = command.id if command.id is not None else fresh_id
    version = gone.version + 1 if gone is not None else 1
    time = _after(gone, now) if gone is not None else now
    blank = Container(
        id=container_id,
        name=container_id,
        version=version,
        created_at=time,
        updated_at=time,
        owner=owner,
        guarded=guarded,
    )
    return _with(blank, command.settings)


def update(
    stored: Container | None, command: ContainerUpdate, *, now: datetime, caller: Caller | None = None
) -> Container | Refusal:
    """The container as it is afterwards; ``stored`` itself where nothing changed.

    The version rises by one with a change, and ``updated_at`` moves with it and never backwards.
    """
    if isinstance(found := _found(stored, command, caller), Refusal):
        return found
    changed = _with(found, command.settings)
    if _same_settings(found, changed):
        return found
    return replace(changed, version=found.version + 1, updated_at=_after(found, now))


def delete(
    stored: Container | None,
    command: ContainerDeletion,
    *,
    memories: int,
    now: datetime,
    caller: Caller | None = None,
) -> Container | Refusal:
    """The tombstone, which keeps nothing but the id, the name, who gets in, and the rule of HISTORY: by that, what is
    left of the memories that were in it ages out. ``memories`` is how many are in the container.
    """
    if isinstance(found := _found(stored, command, caller), Refusal):
        return found
    if memories and not command.delete_memories:
        return ContainerNotEmpty(path=("delete_memories",), id=found.id, memories=memories)
    return replace(
        found,
        description=None,
        metadata=None,
        retention={kind: rule for kind, rule in found.retention.items() if kind is MemoryType.HISTORY},
        version=found.version + 1,
        updated_at=_after(found, now),
        deleted=True,
    )


def _found(
    stored: Container | None, command: ContainerUpdate | ContainerDeletion, caller: Caller | None
) -> Container | Refusal:
    if stored is None or stored.deleted or (caller is not None and not may_enter(caller, stored.access)):
        return NotFound(path=("id",), kind="container", id=command.id)
    if caller is not None and not may_manage(caller, stored.owner):
        return Forbidden(required_scope=Scope.ADMIN, or_owner=stored.owner is not None)
    if command.if_version is not None and command.if_version != stored.version:
        return VersionConflict(path=("if_version",), expected=command.if_version, actual=stored.version, current=None)
    return stored


def _after(container: Container, now: datetime) -> datetime:
    return max(now, container.updated_at + _STEP) if container.updated_at is not None else now


def _with(container: Container, settings: ContainerSettings) -> Container:
    given = dict(settings.given)
    if "retention" in given:
        given["retention"] = _retention(container.retention, given["retention"])
    if "roles" in given:
        given["roles"] = tuple(dict.fromkeys(given["roles"] or ()))
    return replace(container, **given)  # type: ignore[arg-type]  # `container_faults` has seen to the kinds.


def _retention(stored: Retention, given: SettingValue) -> Retention:
    if given is None:
        return {}
    merged: dict[MemoryType, GivenRule] = dict(stored)
    merged.update(given)  # type: ignore[arg-type]  # Rules by type stand under this key.
    return {kind: rule for kind in MemoryType if isinstance(rule := merged.get(kind), RetentionRule)}


def _same_settings(one: Container, other: Container) -> bool:
    return (
        one.name == other.name
        and one.description == other.description
        and same(one.metadata, other.metadata)
        and one.retention == other.retention
        and one.roles == other.roles
    )


def _faults(command: ContainerCommand, limits: Limits) -> Iterator[Refusal]:
    if isinstance(command, NewContainer):
        if command.id is not None and not is_id(command.id):
            yield InvalidInput(path=("id",), text=f"A container's id {CHOSEN_ID_RULE}.")
        yield from _settings_faults(command.settings.given, limits)
        return
    if not is_id(command.id):
        yield NotFound(path=("id",), kind="container", id=command.id)
    if command.if_version is not None and command.if_version < 1:
        yield InvalidInput(path=("if_version",), text="A version to insist on is 1 or more.")
    if isinstance(command, ContainerUpdate):
        if not command.settings.given:
            yield InvalidInput(text="The input holds no setting to change.")
        yield from _settings_faults(command.settings.given, limits)
    elif command.id == DEFAULT_CONTAINER:
        yield InvalidInput(path=("id",), text="The default container always exists and cannot be deleted.")


def _settings_faults(given: Mapping[str, SettingValue], limits: Limits) -> Iterator[Refusal]:
    if "name" in given and given["name"] is None:
        yield InvalidInput(path=("name",), text="The name cannot be cleared; leave it out to keep it.")
    yield from _line_faults(given, "name", 1, NAME_CHARACTERS)
    yield from _line_faults(given, "description", 0, DESCRIPTION_CHARACTERS)
    metadata = given.get("metadata")
    if metadata is not None:
        try:
            check_object(metadata, limits)  # type: ignore[arg-type]  # An object stands under this key.
        except JsonFault as fault:
            yield InvalidInput(path=("metadata", *fault.path), text=f"The JSON value {fault.fact}.")
    yield from _role_faults(given.get("roles"))
    retention = given.get("retention")
    if isinstance(retention, Mapping):
        for kind, rule in retention.items():
            if isinstance(rule, RetentionRule):
                yield from _rule_faults(("retention", str(kind).lower()), rule)


def _role_faults(roles: SettingValue) -> Iterator[Refusal]:
    if not isinstance(roles, tuple):
        return
    if len(roles) > MOST_ROLES:
        yield LimitExceeded(path=("roles",), unit="roles", limit=MOST_ROLES, actual=len(roles))
        return
    for index, role in enumerate(roles):
        if not is_role(role):
            yield InvalidInput(path=("roles", str(index)), text=f"A role {ROLE_RULE}.")


def is_role(text: str) -> bool:
    """Whether a container could have this role."""
    return _ROLE.fullmatch(text) is not None


def _line_faults(given: Mapping[str, SettingValue], name: str, least: int, most: int) -> Iterator[Refusal]:
    text = given.get(name)
    if not isinstance(text, str):
        return
    if not least <= len(text) <= most:
        told = f"The {name} has {least} to {most} characters; this has {len(text)}."
        yield InvalidInput(path=(name,), text=told)
    elif fault := text_fault(text):
        yield InvalidInput(path=(name,), text=f"The {name} {fault}.")


def _rule_faults(path: tuple[str, ...], rule: RetentionRule) -> Iterator[Refusal]:
    if rule.days is None and rule.count is None:
        yield InvalidInput(path=path, text="A retention rule bounds the days, the count or both.")
    for name, value, most in (("days", rule.days, MOST_DAYS), ("count", rule.count, MOST_KEPT)):
        if value is not None and not 1 <= value <= most:
            yield InvalidInput(path=(*path, name), text=f"The {name} to keep are 1 to {most}, not {value}.")
