"""Which memories are meant: one filter for lists, searches, deletions and erasures.

Everything that a filter names must hold of a memory; a condition that is None lets all of them pass. A memory that
lacks a field passes no condition on it, so that ``never`` is always the exact complement of what it negates.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from mnesis.domain.fields import Unreadable
from mnesis.domain.json_values import JsonFault, JsonObject, check_object, text_fault
from mnesis.domain.limits import KIB, Limits
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import InvalidInput, Refusal

FILTER_LEVELS = 8
"""How deep filters may nest; one that nests no other has one level."""
FILTER_CONDITIONS = 50
"""How many conditions a filter may hold, the ones nested in it included."""
FILTER_JSON_BYTES = 16 * KIB
"""How much JSON one condition may compare with."""
TEXT_CHARACTERS = 1_000

Path = tuple[str, ...]


class MemoryOrder(StrEnum):
    """The orders in which memories are listed; of equal times the later arrival counts as newer."""

    CREATED_AT_DESC = "CREATED_AT_DESC"
    CREATED_AT_ASC = "CREATED_AT_ASC"
    UPDATED_AT_DESC = "UPDATED_AT_DESC"
    UPDATED_AT_ASC = "UPDATED_AT_ASC"

    @property
    def column(self) -> str:
        """The time that decides: ``created_at`` or ``updated_at``."""
        return self.value.lower().rpartition("_")[0]

    @property
    def ascending(self) -> bool:
        """Whether the oldest comes first."""
        return self.value.endswith("_ASC")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """Times from ``start``, inclusive, to ``end``, exclusive; None leaves a side open."""

    start: datetime | Unreadable | None = None
    end: datetime | Unreadable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFilter:
    """The conditions that a memory must meet, all of them.

    ``session_id`` means the entries of a session. ``namespace``, ``tags`` and ``metadata`` must be contained in the
    memory's (see `json_values.contains`). ``pinned`` is met by no working memory, which cannot be pinned. ``text`` must
    occur in the summary, the content, the memory or a message, whatever the case of its letters. ``every``, ``either``
    and ``never`` are ``and``, ``or`` and ``not``.
    """

    types: frozenset[MemoryType] | None = None
    ids: frozenset[str] | None = None
    container_id: str | None = None
    session_id: str | None = None
    namespace: JsonObject | None = None
    tags: JsonObject | None = None
    metadata: JsonObject | None = None
    pinned: bool | None = None
    created_at: TimeRange | None = None
    updated_at: TimeRange | None = None
    content_updated_at: TimeRange | None = None
    text: str | None = None
    every: "tuple[MemoryFilter, ...] | None" = None
    either: "tuple[MemoryFilter, ...] | None" = None
    never: "MemoryFilter | None" = None


OBJECTS = ("namespace", "tags", "metadata")
TIMES = ("created_at", "updated_at", "content_updated_at")
_PLAIN = ("types", "ids", "container_id", "session_id", *OBJECTS, "pinned", *TIMES, "text")
_OF_RECORDS = frozenset({"types", "ids", "container_id", "session_id", "created_at"})


def filter_faults(wanted: MemoryFilter, limits: Limits) -> tuple[Refusal, ...]:
    """Everything wrong with a filter, each fault with the path to it in the words of `MemoryFilter`.

    A filter that nests too deeply or holds too much is not looked at any further.
    """
    if (deep := _too_deep(wanted)) is not None:
        return (InvalidInput(path=deep, text=f"A filter nests at most {FILTER_LEVELS} levels deep."),)
    held = sum(_conditions(each) for _, each in _walk(wanted))
    if held > FILTER_CONDITIONS:
        text = f"A filter holds at most {FILTER_CONDITIONS} conditions, nested ones included; this one holds {held}."
        return (InvalidInput(text=text),)
    return tuple(fault for path, each in _walk(wanted) for fault in _own_faults(each, path, limits))


def lists_records(wanted: MemoryFilter) -> bool:
    """Whether a filter asks for history memories."""
    return wanted.types is not None and MemoryType.HISTORY in wanted.types


def record_filter_faults(wanted: MemoryFilter) -> tuple[Refusal, ...]:
    """What cannot be asked of history memories."""
    faults: list[Refusal] = []
    if wanted.types != frozenset({MemoryType.HISTORY}):
        faults.append(InvalidInput(path=("types",), text="HISTORY cannot be listed together with other types."))
    for name in (*_PLAIN, "every", "either", "never"):
        if name not in _OF_RECORDS and getattr(wanted, name) is not None:
            text = "Of HISTORY, only ids, containerId, sessionId and createdAt can be asked for."
            faults.append(InvalidInput(path=(name,), text=text))
    return tuple(faults)


def nested_history_faults(wanted: MemoryFilter, *, top: bool) -> tuple[Refusal, ...]:
    """Where a filter names HISTORY inside another filter, which has no meaning; at the ``top`` only if told."""
    text = "HISTORY is listed by itself: it cannot stand in a nested filter."
    if top:
        text = "History memories cannot be deleted by themselves."
    return tuple(
        InvalidInput(path=(*path, "types"), text=text)
        for path, each in _walk(wanted)
        if lists_records(each) and (path or top)
    )


def settled(wanted: MemoryFilter) -> bool | None:
    """Whether a filter lets every memory pass (True) or none (False) whatever is stored; None where it depends.

    This is how a deletion knows a filter that names nothing from one that does.
    """
    parts: list[bool | None] = [_settled_plain(name, getattr(wanted, name)) for name in _PLAIN]
    parts += map(settled, wanted.every or ())
    if wanted.either is not None:
        among = list(map(settled, wanted.either))
        parts.append(True if True in among else None if None in among else False)
    if wanted.never is not None and (inner := settled(wanted.never)) is not None:
        parts.append(not inner)
    elif wanted.never is not None:
        parts.append(None)
    return False if False in parts else None if None in parts else True


def _settled_plain(name: str, value: object) -> bool | None:
    if value is None:
        return True
    if isinstance(value, frozenset):
        return None if value else False
    if name == "namespace" and value == {}:
        return True  # Every memory has a namespace, and every object contains the empty one.
    return None


def _walk(wanted: MemoryFilter, path: Path = ()) -> Iterator[tuple[Path, MemoryFilter]]:
    """A filter and those nested in it, with the paths that lead to them."""
    yield path, wanted
    for name in ("every", "either"):
        for index, nested in enumerate(getattr(wanted, name) or ()):
            yield from _walk(nested, (*path, name, str(index)))
    if wanted.never is not None:
        yield from _walk(wanted.never, (*path, "never"))


def _too_deep(wanted: MemoryFilter) -> Path | None:
    """The path to a filter beyond the levels that are allowed; nothing below it is looked at."""
    waiting: list[tuple[Path, int, MemoryFilter]] = [((), 1, wanted)]
    while waiting:
        path, level, each = waiting.pop()
        if level > FILTER_LEVELS:
            return path
        for name in ("every", "either"):
            waiting += [
                ((*path, name, str(index)), level + 1, nested) for index, nested in enumerate(getattr(each, name) or ())
            ]
        if each.never is not None:
            waiting.append(((*path, "never"), level + 1, each.never))
    return None


def _conditions(wanted: MemoryFilter) -> int:
    """How many conditions a filter states itself; a nested one counts too, so that empty ones are bounded."""
    own = sum(getattr(wanted, name) is not None for name in (*_PLAIN, "never"))
    return own + len(wanted.every or ()) + len(wanted.either or ())


def _own_faults(wanted: MemoryFilter, path: Path, limits: Limits) -> Iterator[Refusal]:
    if wanted.ids is not None and len(wanted.ids) > limits.commands:
        text = f"At most {limits.commands} ids can be asked for at once; these are {len(wanted.ids)}."
        yield InvalidInput(path=(*path, "ids"), text=text)
    for name in OBJECTS:
        value = getattr(wanted, name)
        if value is not None:
            yield from _object_faults(value, (*path, name), limits)
    for name in TIMES:
        value = getattr(wanted, name)
        if value is not None:
            yield from _range_faults(value, (*path, name))
    if wanted.text is not None:
        here = (*path, "text")
        if not 1 <= len(wanted.text) <= TEXT_CHARACTERS:
            text = f"The text to look for has 1 to {TEXT_CHARACTERS} characters; this has {len(wanted.text)}."
            yield InvalidInput(path=here, text=text)
        elif fault := text_fault(wanted.text):
            yield InvalidInput(path=here, text=f"The text to look for {fault}.")


def _object_faults(value: JsonObject, path: Path, limits: Limits) -> Iterator[Refusal]:
    try:
        check_object(value, replace(limits, json_bytes=min(limits.json_bytes, FILTER_JSON_BYTES)))
    except JsonFault as fault:
        yield InvalidInput(path=(*path, *fault.path), text=f"The JSON value {fault.fact}.")


def _range_faults(given: TimeRange, path: Path) -> Iterator[Refusal]:
    readable = True
    for name in ("start", "end"):
        value = getattr(given, name)
        if isinstance(value, Unreadable):
            readable = False
            yield InvalidInput(path=(*path, name), text=f"The time {value.fact}.")
    if given.start is None and given.end is None:
        yield InvalidInput(path=path, text="A range of times names where it begins, where it ends, or both.")
    elif readable and isinstance(given.start, datetime) and isinstance(given.end, datetime) and given.start > given.end:
        yield InvalidInput(path=path, text="This range of times ends before it begins.")
