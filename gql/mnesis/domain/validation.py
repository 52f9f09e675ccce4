"""What is wrong with a command, whatever is stored: everything at once, each fault with the path to it."""

from collections.abc import Iterator

from mnesis.domain.commands import Changes, Command, Create, PutEntry, Restore, SessionClaim, Update
from mnesis.domain.fields import ROLE_CHARACTERS, Field, FieldKind, FieldValue, Message, Unreadable
from mnesis.domain.ids import CHOSEN_ID_RULE, ID_CHARACTERS, is_id
from mnesis.domain.json_values import JsonFault, JsonObject, check_object, text_fault
from mnesis.domain.limits import Limits
from mnesis.domain.memory import FIELDS
from mnesis.domain.memory_types import NOUNS, MemoryType
from mnesis.domain.refusals import InvalidInput, LimitExceeded, NotFound, Refusal

REASON_CHARACTERS = 1_000
KEY_CHARACTERS = 255

_TEXT, _ROLE = FieldKind.TEXT, FieldKind.ROLE


def command_faults(command: Command, limits: Limits) -> tuple[Refusal, ...]:
    """Everything wrong with a command that can be known before the store is asked."""
    match command:
        case Create():
            return tuple(_create_faults(command, limits))
        case Update():
            return (
                *_unknown(command.id, ("id",), NOUNS[command.changes.memory_type]),
                *_version_faults(command.if_version),
                *_patch_faults(command, limits),
            )
        case PutEntry():
            return (
                *_entry_key_faults(command.entry_id, ("id",)),
                *_version_faults(command.if_version),
                *_changes_faults(command.changes, limits),
            )
        case _:
            return (
                *_unknown(command.id, ("id",), NOUNS[command.memory_type]),
                *_version_faults(command.if_version),
                *(_restored_version_faults(command.version) if isinstance(command, Restore) else ()),
            )


def claim_faults(claim: SessionClaim, limits: Limits) -> tuple[Refusal, ...]:
    """What is wrong with a session claim: a session that may be created needs an id that can be one."""
    faults: list[Refusal] = list(_version_faults(claim.if_version))
    if not claim.create:
        faults += _unknown(claim.session_id, ("session_id",), "session")
    else:
        if not is_id(claim.session_id):
            faults.append(InvalidInput(path=("session_id",), text=f"A session's id {CHOSEN_ID_RULE}."))
        faults += _unknown(claim.container_id, ("container_id",), "container")
        for name, value in (("namespace", claim.namespace), ("metadata", claim.metadata)):
            if value is not None:
                faults += _object_faults(value, (name,), limits)
    return tuple(faults)


def request_faults(*, reason: str | None, idempotency_key: str | None) -> tuple[Refusal, ...]:
    """What is wrong with the parts that every mutation has."""
    faults: list[Refusal] = []
    if reason is not None:
        faults += _line_faults(reason, ("reason",), "The reason", 0, REASON_CHARACTERS)
    if idempotency_key is not None:
        faults += _line_faults(idempotency_key, ("idempotency_key",), "The idempotency key", 1, KEY_CHARACTERS)
    return tuple(faults)


def _create_faults(command: Create, limits: Limits) -> Iterator[Refusal]:
    if command.id is not None and not is_id(command.id):
        yield InvalidInput(path=("id",), text=f"A session's id {CHOSEN_ID_RULE}.")
    if command.id is not None and command.changes.memory_type is not MemoryType.SESSION:
        yield InvalidInput(path=("id",), text="Only the id of a session can be chosen.")
    if command.session_id is None:
        yield from _unknown(command.container_id, ("container_id",), "container")
    else:
        yield from _unknown(command.session_id, ("session_id",), "session")
        if command.changes.memory_type is not MemoryType.WORKING:
            yield InvalidInput(path=("session_id",), text="Only a working memory can belong to a session.")
    if command.entry_id is not None:
        if command.session_id is None:
            yield InvalidInput(path=("entry_id",), text="An entry id needs a session id beside it.")
        yield from _entry_key_faults(command.entry_id, ("entry_id",))
    if command.namespace is not None:
        yield from _object_faults(command.namespace, ("namespace",), limits)
    yield from _changes_faults(command.changes, limits)
    for field in FIELDS[command.changes.memory_type].values():
        if field.required and field.name not in command.changes.given:
            yield InvalidInput(path=(field.name,), text=f"{_spoken(field)} of a new memory must be given.")


def _patch_faults(command: Update, limits: Limits) -> list[Refusal]:
    changes = command.changes
    faults: list[Refusal] = []
    if changes.is_empty and not command.always:
        faults.append(InvalidInput(text="The input holds no field to change."))
    for name in changes.given:
        if (field := FIELDS[changes.memory_type][name]).fixed:
            text = f"{_spoken(field)} is given at creation and stays as it is."
            faults.append(InvalidInput(path=(name,), text=text))
    return faults + _changes_faults(changes, limits)


def _changes_faults(changes: Changes, limits: Limits) -> list[Refusal]:
    # Entries come by the thousand, mostly without a fault: for them no generators are made on the way.
    faults: list[Refusal] = []
    fields = FIELDS[changes.memory_type]
    for name, value in changes.given.items():
        field = fields[name]
        kind = field.kind
        if isinstance(value, dict):
            faults += _object_faults(value, (name,), limits)
        elif isinstance(value, str) and kind is _TEXT:
            faults += _long_text_faults(field, value, limits)
        elif isinstance(value, str) and kind is _ROLE:
            faults += _line_faults(value, (name,), "A role", 1, ROLE_CHARACTERS)
        else:
            faults += _value_faults(field, value, limits)
    if changes.append_messages is not None:
        path = ("append_messages",)
        if "messages" in changes.given:
            faults.append(InvalidInput(path=path, text="Give either messages or the messages to append, not both."))
        faults += _message_faults(changes.append_messages, path, limits)
    if isinstance(changes.created_at, Unreadable):
        faults.append(InvalidInput(path=("created_at",), text=f"The time {changes.created_at.fact}."))
    return faults


def _long_text_faults(field: Field, text: str, limits: Limits) -> tuple[Refusal, ...]:
    path = (field.name,)
    if not text and not field.blank:
        return (InvalidInput(path=path, text=f"{_spoken(field)} cannot be empty."),)
    return _text_faults(text, path, _spoken(field), limits)


def _value_faults(field: Field, value: FieldValue, limits: Limits) -> Iterator[Refusal]:
    path = (field.name,)
    if value is None:
        if not field.clearable:
            yield InvalidInput(path=path, text=f"{_spoken(field)} cannot be cleared; leave it out to keep it.")
    elif isinstance(value, Unreadable):
        yield InvalidInput(path=path, text=f"{_spoken(field)} {value.fact}.")
    elif isinstance(value, tuple):
        yield from _message_faults(value, path, limits)
    elif isinstance(value, bytes) and len(value) > limits.text_bytes:
        yield LimitExceeded(path=path, unit="bytes", limit=limits.text_bytes, actual=len(value))


def _message_faults(messages: tuple[Message, ...], path: tuple[str, ...], limits: Limits) -> Iterator[Refusal]:
    if len(messages) > limits.messages:
        yield too_many_messages(path, len(messages), limits)
        return
    for index, message in enumerate(messages):
        here = (*path, str(index))
        yield from _line_faults(message.role, (*here, "role"), "A role", 1, ROLE_CHARACTERS)
        if (message.text is None) == (message.parts is None):
            yield InvalidInput(path=here, text="A message has either text or parts.")
        if message.text is not None:
            yield from _text_faults(message.text, (*here, "text"), "The text", limits)
        for number, part in enumerate(message.parts or ()):
            yield from _object_faults(part, (*here, "parts", str(number)), limits)


def too_many_messages(path: tuple[str, ...], actual: int, limits: Limits) -> LimitExceeded:
    """The refusal of a conversation that is too long for one memory."""
    return LimitExceeded(
        path=path,
        unit="messages in one memory",
        limit=limits.messages,
        actual=actual,
        advice="A longer conversation belongs in the entries of a session.",
    )


def _object_faults(value: JsonObject, path: tuple[str, ...], limits: Limits) -> tuple[Refusal, ...]:
    try:
        check_object(value, limits)
    except JsonFault as fault:
        return (InvalidInput(path=(*path, *fault.path), text=f"The JSON value {fault.fact}."),)
    return ()


def _text_faults(text: str, path: tuple[str, ...], spoken: str, limits: Limits) -> tuple[Refusal, ...]:
    if fault := text_fault(text):
        return (InvalidInput(path=path, text=f"{spoken} {fault}."),)
    if len(text) * 4 > limits.text_bytes and (size := len(text.encode())) > limits.text_bytes:
        return (LimitExceeded(path=path, unit="bytes of text", limit=limits.text_bytes, actual=size),)
    return ()


def _line_faults(text: str, path: tuple[str, ...], spoken: str, least: int, most: int) -> tuple[Refusal, ...]:
    if not least <= len(text) <= most:
        fault = f"has {least} to {most} characters; this has {len(text)}"
    elif (found := text_fault(text)) is not None:
        fault = found
    else:
        return ()
    return (InvalidInput(path=path, text=f"{spoken} {fault}."),)


def _entry_key_faults(entry_id: str | None, path: tuple[str, ...]) -> tuple[Refusal, ...]:
    return _line_faults(entry_id, path, "An entry's id", 1, ID_CHARACTERS) if entry_id is not None else ()


def _unknown(text: str, path: tuple[str, ...], kind: str) -> tuple[Refusal, ...]:
    """What cannot be an id names nothing. No database is asked: some cannot even read such a text."""
    return () if is_id(text) else (NotFound(path=path, kind=kind, id=text),)


def _restored_version_faults(version: int) -> Iterator[Refusal]:
    if version < 1:
        yield InvalidInput(path=("version",), text="Versions count from 1.")


def _version_faults(if_version: int | None) -> tuple[Refusal, ...]:
    if if_version is None or if_version >= 0:
        return ()
    return (InvalidInput(path=("if_version",), text="A version to insist on is 1 or more, or 0 for none."),)


def _spoken(field: Field) -> str:
    return _SPOKEN[field.name]


_SPOKEN = {name: f"The {name.replace('_', ' ')}" for fields in FIELDS.values() for name in fields}
