"""What the design says about memories, written a second time: plain dicts, in order, nothing clever.

Nothing here calls the code under test; it only reads its requests. Values are kept as JSON texts with sorted keys, in
which 1, 1.0 and true differ of themselves. Times are kept as the number of the version that set them.
"""

import copy
import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from mnesis.domain.commands import Changes, Create, Delete, PutEntry, SessionClaim, Update
from mnesis.domain.entries import ContextEntry
from mnesis.domain.fields import Message, Unreadable
from mnesis.domain.memory_types import MemoryType, WriteMode
from mnesis.usecases.requests import UpdateContextMemory

MOST_MESSAGES = 3

Refused: TypeAlias = tuple[str | None, list[str]]
"""An entry that cannot be accepted: its key, and the codes of what is wrong."""
Asked: TypeAlias = Create | Update | Delete | PutEntry | Refused

EMPTY: dict[str, dict[str, Any]] = {
    "SESSION": {"summary": None, "metadata": None, "agents": None, "additional_info": None, "pinned": False},
    "WORKING": {
        "content": None, "role": None, "messages": [], "structured_data": None, "binary_data": None, "tags": None,
        "metadata": None, "payload_type": "CONVERSATIONAL",
    },
    "LONG_TERM": {"memory": None, "tags": None, "strategy": None, "pinned": False},
}  # fmt: skip
NEVER_NULL = {"memory", "messages", "content", "pinned", "role"}
NEVER_BLANK = {"memory", "content", "role"}
CONTENT = {"summary", "messages", "content", "structured_data", "binary_data", "memory"}
CONTAINERS = {"default"}


def plain(value: Any) -> Any:
    """A value of the domain as JSON would show it."""
    if isinstance(value, Message):
        parts = None if value.parts is None else [plain(part) for part in value.parts]
        return {"role": value.role, "text": value.text, "parts": parts}
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, tuple | list):
        return [plain(member) for member in value]
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    return value


def text(value: Any) -> str:
    """Equal exactly for values that are equal, types included."""
    return json.dumps(plain(value), sort_keys=True)


def patched(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2, line by line."""
    if isinstance(patch, dict):
        if not isinstance(target, dict):
            target = {}
        result = dict(target)
        for name, value in patch.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = patched(result.get(name), value)
        return result
    return patch


@dataclass(frozen=True)
class Mixed:
    """A batch of commands of any kind."""

    items: tuple[Create | Update | Delete, ...]
    mode: WriteMode
    reason: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Sent:
    """A request and who sends it."""

    request: UpdateContextMemory | Mixed
    actor: str


@dataclass
class Thing:
    """A memory at a version. ``created`` is a time, or the version at which it was the time."""

    id: str
    type: str
    container: str
    namespace: str
    session: str | None
    entry: str | None
    version: int
    created: datetime | int
    content_version: int
    actor: str
    deleted: bool
    values: dict[str, Any]


@dataclass
class Told:
    """A history record: what it was, and for a session the entries that it tells of."""

    version: int
    action: str
    actor: str
    reason: str | None
    entries: dict[str, int] | None = None


@dataclass
class Fate:
    """What becomes of a command. ``id`` is None where a new one is made."""

    status: str
    id: str | None = None
    entry: str | None = None
    version: int | None = None
    codes: list[str] = field(default_factory=list)


@dataclass
class Expected:
    """The answer to a batch."""

    fates: list[Fate]
    codes: list[str] = field(default_factory=list)
    session_version: int | None = None
    replayed: bool = False


class Refuse(Exception):
    """The command cannot be accepted."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = list(codes)


class Model:
    """All memories of a tenant, every version of each, and the answers that are remembered."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.versions: dict[str, list[Thing]] = {}
        self.told: dict[str, list[Told]] = {}
        self.answers: dict[tuple[str, str], tuple[str, Expected]] = {}

    def live(self, memory_id: str) -> Thing | None:
        thing = self.things.get(memory_id)
        return thing if thing is not None and not thing.deleted else None

    def answer(self, sent: Sent, made: list[str]) -> Expected:
        """What the service must answer. ``made`` are the ids that it gave to new memories, in order."""
        request = sent.request
        asked: list[Asked] = puts(request) if isinstance(request, UpdateContextMemory) else list(request.items)
        key = (sent.actor, request.idempotency_key or "")
        if request.idempotency_key is not None and key in self.answers:
            token, answer = self.answers[key]
            if token == repr(request):
                return replace(answer, replayed=True)
            return refused(judged(asked), ["IDEMPOTENCY_CONFLICT"])
        trial = Trial(self, sent.actor, request.reason, made)
        if isinstance(request, UpdateContextMemory):
            claim = SessionClaim(
                session_id=request.session_id,
                if_version=request.if_version,
                create=request.create_session,
                container_id=request.container_id,
            )
            try:
                trial.claim(claim)
            except Refuse as refusal:
                return refused(asked, refusal.codes)
        fates = [trial.fate(each) for each in asked]
        failed = [fate.status == "FAILED" for fate in fates]
        if request.mode is WriteMode.ATOMIC and any(failed):
            return Expected([fate if fate.status == "FAILED" else Fate("ROLLED_BACK") for fate in fates])
        if asked and all(failed):
            return Expected(fates)
        trial.raise_sessions()
        self.things, self.versions, self.told = trial.model.things, trial.model.versions, trial.model.told
        answer = Expected(fates)
        if isinstance(request, UpdateContextMemory):
            answer.session_version = self.things[request.session_id].version
        if request.idempotency_key is not None:
            self.answers[key] = (repr(request), answer)
        return answer

    def entry(self, session: str, key: str) -> Thing | None:
        for thing in self.things.values():
            if (thing.session, thing.entry) == (session, key):
                return thing
        return None


class Trial:
    """A batch under way, on a copy of the model that is kept only if the batch is not refused.

    ``made`` are the ids that the server gave to new memories, in order: the one thing a model cannot foretell.
    """

    def __init__(self, model: Model, actor: str, reason: str | None, made: list[str]) -> None:
        self.model = copy.deepcopy(model)
        self.actor = actor
        self.reason = reason
        self.made = made
        self.touched: dict[str, dict[str, int]] = {}
        self.own: dict[str, Told] = {}

    def write(self, thing: Thing, action: str) -> None:
        self.model.things[thing.id] = thing
        versions = self.model.versions.setdefault(thing.id, [])
        assert thing.version == len(versions) + 1
        versions.append(copy.deepcopy(thing))
        told = Told(thing.version, action, self.actor, self.reason)
        self.model.told.setdefault(thing.id, []).append(told)
        self.own[thing.id] = told
        if thing.session is not None:
            counts = self.touched.setdefault(thing.session, {"created": 0, "updated": 0, "deleted": 0})
            counts[f"{action.lower()}d"] += 1

    def create(self, thing_id: str | None, old: Thing | None, **facts: Any) -> Thing:
        version = 1 if old is None else old.version + 1
        if old is not None:
            thing_id = old.id
        elif thing_id is None:
            # A model that makes more than the service did is found out by their statuses.
            thing_id = self.made.pop(0) if self.made else f"missing-{len(self.model.things)}"
        if facts["session"] is not None and facts["entry"] is None:
            facts["entry"] = thing_id
        created = facts.pop("created")
        thing = Thing(
            id=thing_id,
            version=version,
            created=version if created is None else created,
            content_version=version,
            actor=self.actor,
            deleted=False,
            **facts,
        )
        self.write(thing, "CREATE")
        return thing

    def change(self, thing: Thing, changes: Changes) -> Fate:
        values = applied(thing.values, changes)
        moved = {name for name in values if text(values[name]) != text(thing.values[name])}
        created: datetime | int = thing.created
        retimed = isinstance(changes.created_at, datetime) and changes.created_at != created
        if isinstance(changes.created_at, datetime):
            created = changes.created_at
        if not moved and not retimed:
            return Fate("UNCHANGED", thing.id, thing.entry, thing.version)
        new = copy.copy(thing)
        new.version, new.values, new.created, new.actor = thing.version + 1, values, created, self.actor
        if moved & CONTENT:
            new.content_version = new.version
        self.write(new, "UPDATE")
        return Fate("UPDATED", new.id, new.entry, new.version)

    def bury(self, thing: Thing) -> Fate:
        for each in list(self.model.things.values()):
            if thing.type == "SESSION" and each.session == thing.id and not each.deleted:
                self.bury(each)
        new = copy.copy(thing)
        new.version, new.deleted, new.actor = thing.version + 1, True, self.actor
        self.write(new, "DELETE")
        return Fate("DELETED", new.id, new.entry, new.version)

    def raise_sessions(self) -> None:
        for session_id, counts in self.touched.items():
            session = self.model.live(session_id)
            if session is None:
                continue
            own = self.own.get(session_id)
            if own is None:
                new = copy.copy(session)
                new.version, new.actor = session.version + 1, self.actor
                self.write(new, "UPDATE")
                self.own[session_id].entries = counts
            elif own.action != "CREATE":
                own.entries = counts

    def claim(self, claim: SessionClaim) -> None:
        stored = self.model.things.get(claim.session_id)
        if stored is not None and not stored.deleted:
            if stored.type != "SESSION":
                raise Refuse("MEMORY_TYPE_MISMATCH")
            if claim.if_version is not None and claim.if_version != stored.version:
                raise Refuse("VERSION_CONFLICT")
            return
        if claim.if_version:
            raise Refuse("VERSION_CONFLICT")
        if not claim.create:
            raise Refuse("NOT_FOUND")
        if claim.container_id not in CONTAINERS:
            raise Refuse("NOT_FOUND")
        if claim.session_id in CONTAINERS or (stored is not None and stored.type != "SESSION"):
            raise Refuse("ALREADY_EXISTS")
        self.create(
            claim.session_id, stored, type="SESSION", container=claim.container_id, namespace="{}", session=None,
            entry=None, created=None, values=dict(EMPTY["SESSION"]),
        )  # fmt: skip

    def fate(self, asked: Asked) -> Fate:
        if isinstance(asked, tuple):
            return Fate("FAILED", codes=asked[1])
        try:
            return self.command(asked)
        except Refuse as refusal:
            return Fate("FAILED", codes=refusal.codes)

    def command(self, command: Create | Update | Delete | PutEntry) -> Fate:
        if not isinstance(command, PutEntry) and (codes := known_codes(command)):
            raise Refuse(*codes)
        match command:
            case Create():
                return self.new(command)
            case Update():
                found = self.found(command.id, command.changes.memory_type.value, command.if_version)
                return self.change(found, command.changes)
            case Delete():
                return self.bury(self.found(command.id, command.memory_type.value, command.if_version))
            case PutEntry():
                return self.put(command)

    def found(self, memory_id: str, kind: str, if_version: int | None) -> Thing:
        thing = self.model.live(memory_id)
        if thing is None:
            raise Refuse("NOT_FOUND")
        if thing.type != kind:
            raise Refuse("MEMORY_TYPE_MISMATCH")
        if if_version is not None and if_version != thing.version:
            raise Refuse("VERSION_CONFLICT")
        return thing

    def new(self, command: Create) -> Fate:
        changes = command.changes
        kind = changes.memory_type.value
        old = self.model.things.get(command.id) if command.id is not None else None
        container, namespace = command.container_id, text(command.namespace or {})
        if command.session_id is not None:
            session = self.model.live(command.session_id)
            if session is None or session.type != "SESSION":
                raise Refuse("NOT_FOUND")
            if command.entry_id is not None:
                old = self.model.entry(command.session_id, command.entry_id)
            container = session.container
            if command.namespace is None:
                namespace = session.namespace
        elif container not in CONTAINERS:
            raise Refuse("NOT_FOUND")
        if command.id in CONTAINERS or (old is not None and (not old.deleted or old.type != kind)):
            raise Refuse("ALREADY_EXISTS")
        values = applied(EMPTY[kind], changes)
        if kind == "WORKING" and "payload_type" not in changes.given:
            talk = values["messages"] or values["content"] is not None
            data = values["structured_data"] is not None or values["binary_data"] is not None
            values["payload_type"] = "DATA" if data and not talk else "CONVERSATIONAL"
        thing = self.create(
            command.id, old, type=kind, container=container, namespace=namespace, session=command.session_id,
            entry=command.entry_id, created=changes.created_at, values=values,
        )  # fmt: skip
        return Fate("CREATED", thing.id, thing.entry, thing.version)

    def put(self, command: PutEntry) -> Fate:
        key = command.entry_id
        old = self.model.entry(command.session_id, key) if key is not None else None
        if old is not None and not old.deleted:
            if command.if_version is not None and command.if_version != old.version:
                raise Refuse("VERSION_CONFLICT")
            return self.change(old, command.changes)
        if command.if_version:
            raise Refuse("VERSION_CONFLICT")
        if "content" not in command.changes.given:
            raise Refuse("INVALID_INPUT")
        session = self.model.things[command.session_id]
        values = applied(EMPTY["WORKING"], command.changes)
        values["role"] = values["role"] or "user"
        thing = self.create(
            None, old, type="WORKING", container=session.container, namespace=session.namespace,
            session=session.id, entry=key, created=command.changes.created_at, values=values,
        )  # fmt: skip
        return Fate("CREATED", thing.id, thing.entry, thing.version)


def judged(asked: list[Asked]) -> list[Asked]:
    """What is sent, with everything in place of which a refusal is known before anything is looked at."""
    codes = [[] if isinstance(each, tuple | PutEntry) else known_codes(each) for each in asked]
    return [(None, wrong) if wrong else each for each, wrong in zip(asked, codes, strict=True)]


def known_codes(command: Create | Update | Delete) -> list[str]:
    match command:
        case Create():
            return creation_codes(command)
        case Update():
            return [*version_codes(command.if_version), *patch_codes(command.changes)]
        case Delete():
            return version_codes(command.if_version)


def refused(asked: list[Asked], codes: list[str]) -> Expected:
    fates = [Fate("FAILED", codes=each[1]) if isinstance(each, tuple) else Fate("ROLLED_BACK") for each in asked]
    return Expected(fates, codes)


def applied(values: dict[str, Any], changes: Changes) -> dict[str, Any]:
    after = dict(values)
    for name, given in changes.given.items():
        if given is None:
            after[name] = EMPTY[changes.memory_type.value][name]
        elif isinstance(given, dict) and changes.object_mode.value == "MERGE":
            after[name] = patched(after[name], given)
        else:
            after[name] = plain(given)
    if changes.append_messages is not None:
        after["messages"] = after["messages"] + plain(changes.append_messages)
    if len(after.get("messages", [])) > MOST_MESSAGES:
        raise Refuse("LIMIT_EXCEEDED")
    return after


def version_codes(if_version: int | None) -> list[str]:
    return ["INVALID_INPUT"] if if_version is not None and if_version < 0 else []


def patch_codes(changes: Changes) -> list[str]:
    empty = not changes.given and changes.append_messages is None
    fixed = [name for name in ("strategy", "payload_type") if name in changes.given]
    return ["INVALID_INPUT"] * (empty + len(fixed)) + value_codes(changes)


def value_codes(changes: Changes) -> list[str]:
    """A code for every given value that no memory could hold."""
    codes = []
    for name, value in changes.given.items():
        if value is None:
            bad = name in NEVER_NULL
        else:
            bad = isinstance(value, Unreadable) or "NaN" in text(value) or (name in NEVER_BLANK and value == "")
        if bad:
            codes.append("INVALID_INPUT")
        if isinstance(value, tuple) and len(value) > MOST_MESSAGES:
            codes.append("LIMIT_EXCEEDED")
    if changes.append_messages is not None:
        if "messages" in changes.given:
            codes.append("INVALID_INPUT")
        if len(changes.append_messages) > MOST_MESSAGES:
            codes.append("LIMIT_EXCEEDED")
    if isinstance(changes.created_at, Unreadable):
        codes.append("INVALID_INPUT")
    return codes


def creation_codes(command: Create) -> list[str]:
    unsaid = command.changes.memory_type is MemoryType.LONG_TERM and "memory" not in command.changes.given
    astray = command.entry_id is not None and command.session_id is None
    return ["INVALID_INPUT"] * (unsaid + astray) + value_codes(command.changes)


def puts(request: UpdateContextMemory) -> list[Asked]:
    """The entries of a request as commands, or key and codes of those that cannot be accepted."""
    commands: list[Asked] = []
    seen = set()
    for entry in request.entries:
        key, codes = entry_key(entry)
        changes = Changes(
            memory_type=MemoryType.WORKING,
            given=entry.given,
            object_mode=request.object_mode,
            created_at=entry.created_at,
        )
        codes += [*version_codes(entry.if_version), *value_codes(changes)]
        if key is not None and key in seen:
            codes.append("INVALID_INPUT")
        if key is not None:
            seen.add(key)
        put = PutEntry(session_id=request.session_id, entry_id=key, changes=changes, if_version=entry.if_version)
        commands.append((key, codes) if codes else put)
    return commands


def entry_key(entry: ContextEntry) -> tuple[str | None, list[str]]:
    if entry.id is not None:
        return entry.id, [] if entry.id else ["INVALID_INPUT"]
    metadata = entry.given.get("metadata")
    key = metadata.get("messageId") if isinstance(metadata, dict) else None
    if key is None or isinstance(key, str):
        return key, []
    return None, ["INVALID_INPUT"]
