"""Reads an archive whole and says what is wrong with it, before any of it is written anywhere.

What only all lines together can say (no id twice, versions without a gap, entries with their session) is kept in a
temporary database on the disk, so that an archive of any size is checked in the same memory.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import IO

import orjson

from mnesis.complaints import Complaint
from mnesis.domain.limits import MIB, Limits
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import HistoryAction, MemoryType
from mnesis.storage.archive_lines import (
    ArchivedContainer,
    ArchivedRecord,
    BadLine,
    End,
    Header,
    Line,
)
from mnesis.storage.archive_reading import parse_line

LINES_AT_ONCE = 500
BYTES_AT_ONCE = 4 * MIB
_PLACES_IN_CHANGE = 2**31

_LEDGER = """
    CREATE TABLE memory (
        id TEXT PRIMARY KEY, line INTEGER, version INTEGER, change INTEGER, arrival INTEGER UNIQUE, container TEXT,
        session TEXT, entry TEXT, is_session INTEGER, deleted INTEGER, UNIQUE (session, entry)
    ) WITHOUT ROWID;
    CREATE TABLE record (
        id TEXT PRIMARY KEY, line INTEGER, version INTEGER, change INTEGER, erased INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE container (id TEXT PRIMARY KEY, deleted INTEGER) WITHOUT ROWID;
"""
# What each finds is a line and what is wrong with it.
_AT_THE_END = (
    ("SELECT line, 'names the container ' || container || ', which the file does not hold' FROM memory"
     " WHERE NOT EXISTS (SELECT 1 FROM container WHERE id = memory.container)"),
    ("SELECT line, 'lies in the container ' || container || ', which is deleted' FROM memory"
     " WHERE NOT deleted AND EXISTS (SELECT 1 FROM container WHERE id = memory.container AND deleted)"),
    ("SELECT line, 'has the id of a container' FROM memory"
     " WHERE EXISTS (SELECT 1 FROM container WHERE id = memory.id)"),
    ("SELECT line, 'is an entry of the session ' || session || ', which the file does not hold' FROM memory"
     " WHERE session IS NOT NULL AND NOT deleted AND NOT EXISTS"
     " (SELECT 1 FROM memory AS owner WHERE owner.id = memory.session AND owner.is_session AND NOT owner.deleted)"),
    ("SELECT memory.line, 'is version ' || memory.version || ', and the history ends with version ' || record.version"
     " FROM memory JOIN record ON record.id = memory.id WHERE record.version <> memory.version"),
    ("SELECT memory.line, 'is not of the change that made its last version'"
     " FROM memory JOIN record ON record.id = memory.id WHERE record.change <> memory.change"),
    ("SELECT line, 'tells of ' || id || ', which the file does not hold' FROM record"
     " WHERE NOT erased AND NOT EXISTS (SELECT 1 FROM memory WHERE id = record.id)"),
)  # fmt: skip


class BadArchive(Complaint):
    """The file is not what `mnesis export` wrote, or not whole. Nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedLine:
    """A line's number, counted from 1, its bytes and what it says."""

    number: int
    size: int
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What is known of an archive that was read to its end and found whole."""

    whole_tenant: bool
    container_id: str
    """Of the only container, or the first one."""
    end: End


@dataclass(slots=True)
class _Course:
    """What the lines so far lead to expect of the next one."""

    whole_tenant: bool = False
    container_id: str | None = None
    containers: int = 0
    records: int = 0
    memories: int = 0
    change: int = 0
    place: int = 0
    """(change, position) as one number."""
    ended: End | None = None
    waiting: list[NumberedLine] = field(default_factory=list)


def read_lines(source: IO[bytes], limits: Limits) -> Iterator[NumberedLine]:
    """The lines of an archive from where the file stands, the end last, which is compared with what was read.

    Raises `BadArchive`.
    """
    longest = 16 * limits.memory_bytes + MIB
    digest = sha256()
    number = 0
    while raw := source.readline(longest + 1):
        number += 1
        if len(raw) > longest:
            raise BadArchive(f"Line {number} is longer than a memory can be.")
        try:
            line = parse_line(raw, limits)
        except BadLine as fault:
            raise BadArchive(f"Line {number} {fault}.") from None
        except RecursionError:
            raise BadArchive(f"Line {number} nests too deeply.") from None
        if isinstance(line, End) and line.sha256 != digest.hexdigest():
            raise BadArchive(f"Line {number} has another checksum than the lines before it: the file was altered.")
        digest.update(raw)
        yield NumberedLine(number=number, size=len(raw), line=line)


def check_archive(
    source: IO[bytes],
    limits: Limits,
    *,
    look: Callable[[list[NumberedLine]], None] = lambda lines: None,
    advance: Callable[[int], None] = lambda read_bytes: None,
) -> Archive:
    """Reads an archive to its end. ``look`` sees records and memories, some hundred at once, and may raise a complaint.

    Raises `BadArchive`, which names the line.
    """
    ledger = sqlite3.connect("", isolation_level=None)  # A file without a name that is gone when it is closed.
    try:
        ledger.execute("PRAGMA synchronous = OFF")
        ledger.execute("PRAGMA journal_mode = OFF")
        ledger.executescript(_LEDGER)
        ledger.execute("BEGIN")
        return _checked(source, limits, ledger, look, advance)
    finally:
        ledger.close()


def _checked(
    source: IO[bytes],
    limits: Limits,
    ledger: sqlite3.Connection,
    look: Callable[[list[NumberedLine]], None],
    advance: Callable[[int], None],
) -> Archive:
    course = _Course()
    weight = 0

    def flush() -> None:
        _enter(ledger, course.waiting)
        look(course.waiting)
        course.waiting.clear()

    number = 0
    for numbered in read_lines(source, limits):
        number = numbered.number
        _follow(course, numbered, ledger)
        weight += numbered.size
        advance(numbered.size)
        if len(course.waiting) >= LINES_AT_ONCE or weight >= BYTES_AT_ONCE:
            flush()
            weight = 0
    flush()
    if course.ended is None or course.container_id is None:
        if number == 0:
            raise BadArchive("The file is empty.")
        raise BadArchive(f"The file ends after line {number} without the line that closes an export: it was cut off.")
    for question in _AT_THE_END:
        for line, fact in ledger.execute(f"{question} ORDER BY 1 LIMIT 1"):
            raise BadArchive(f"Line {line} {fact}.")
    return Archive(whole_tenant=course.whole_tenant, container_id=course.container_id, end=course.ended)


def _follow(course: _Course, numbered: NumberedLine, ledger: sqlite3.Connection) -> None:
    """Takes the next line in. Raises `BadArchive` where it cannot stand there."""
    line, number = numbered.line, numbered.number
    if course.ended is not None:
        raise BadArchive(f"Line {number} comes after the end.")
    if isinstance(line, Header) is not (number == 1):
        raise BadArchive(f"Line {number} must {'' if number == 1 else 'not '}be the header of an export.")
    match line:
        case Header():
            course.whole_tenant = line.whole_tenant
        case ArchivedContainer():
            _follow_container(course, line, number, ledger)
        case ArchivedRecord():
            course.records += 1
            _follow_change(course, numbered, line.change, line.position)
        case Memory():
            course.memories += 1
            _follow_change(course, numbered, line.change, None)
        case End():
            _follow_end(course, line, number)
    if course.containers == 0 and number > 1:
        raise BadArchive(f"Line {number} must be a container.")


def _follow_container(course: _Course, line: ArchivedContainer, number: int, ledger: sqlite3.Connection) -> None:
    if course.records or course.memories:
        raise BadArchive(f"Line {number} is a container after the first record or memory.")
    if line.deleted and not course.whole_tenant:
        raise BadArchive(f"Line {number} is a deleted container, and the file says that it holds one.")
    course.containers += 1
    if course.containers > 1 and not course.whole_tenant:
        raise BadArchive(f"Line {number} is a second container, and the file says that it holds one.")
    if course.container_id is None:
        course.container_id = line.id
    try:
        ledger.execute("INSERT INTO container VALUES (?, ?)", [line.id, line.deleted])
    except sqlite3.IntegrityError:
        raise BadArchive(f"Line {number} is the container {line.id} a second time.") from None


def _follow_change(course: _Course, numbered: NumberedLine, change: int, position: int | None) -> None:
    place = change * _PLACES_IN_CHANGE + (position or 0)
    if change < course.change or (position is not None and place <= course.place):
        raise BadArchive(f"Line {numbered.number} stands after a later change.")
    course.change = change
    if position is not None:
        course.place = place
    course.waiting.append(numbered)


def _follow_end(course: _Course, line: End, number: int) -> None:
    course.ended = line
    counted = replace(line, containers=course.containers, records=course.records, memories=course.memories)
    if counted != line:
        raise BadArchive(
            f"Line {number} counts {line.containers} containers, {line.records} records and {line.memories} memories,"
            f" and there are {counted.containers}, {counted.records} and {counted.memories}."
        )


def _enter(ledger: sqlite3.Connection, lines: list[NumberedLine]) -> None:
    """Compares lines with all before them. Raises `BadArchive`."""
    records = [(each.number, each.line) for each in lines if isinstance(each.line, ArchivedRecord)]
    ids = orjson.dumps([record.memory_id for _, record in records]).decode()
    known: dict[str, tuple[int, bool]] = {
        memory_id: (version, bool(erased))
        for memory_id, version, erased in ledger.execute(
            "SELECT id, version, erased FROM record WHERE id IN (SELECT value FROM json_each(?))", [ids]
        )
    }
    ledger_rows: dict[str, tuple[str, int, int, int, bool]] = {}
    for number, record in records:
        version = int(record.columns["version"])
        before = known.get(record.memory_id)
        if before is not None and version != before[0] + 1 and not (before[1] and version == 1):
            raise BadArchive(
                f"Line {number} is version {version} of {record.memory_id}, and version {before[0] + 1} must come next."
            )
        erased = record.columns["action"] == HistoryAction.ERASE
        known[record.memory_id] = (version, erased)
        ledger_rows[record.memory_id] = (record.memory_id, number, version, record.change, erased)
    ledger.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)", ledger_rows.values())
    for each in lines:
        if isinstance(each.line, Memory):
            _enter_memory(ledger, each.number, each.line)


def _enter_memory(ledger: sqlite3.Connection, number: int, memory: Memory) -> None:
    row = (
        memory.id, number, memory.version, memory.change, memory.arrival, memory.container_id, memory.session_id,
        memory.entry_id, memory.type is MemoryType.SESSION, memory.deleted,
    )  # fmt: skip
    try:
        ledger.execute("INSERT INTO memory VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    except sqlite3.IntegrityError as error:
        if ledger.execute("SELECT 1 FROM memory WHERE id = ?", [memory.id]).fetchone():
            fact = f"is the memory {memory.id} a second time"
        elif "memory.arrival" in str(error):
            fact = "has the arrival of another memory"
        else:
            fact = f"is the entry {memory.entry_id} of the session {memory.session_id} a second time"
        raise BadArchive(f"Line {number} {fact}.") from None
