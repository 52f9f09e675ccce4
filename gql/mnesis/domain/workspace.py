"""What a batch sees of the stored memories: those that were loaded, with the results so far laid over them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from mnesis.domain.access import OPEN, Access
from mnesis.domain.commands import Batch, BatchOutcome, Create, Delete, PutEntry, Restore, Update
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import is_id
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.quickly import quickly_made

EntryKey = tuple[str, str]


@quickly_made
class Needs:
    """What must be loaded before batches can be decided: a superset of what they look at.

    ``ids`` bring the sessions of the entries among them along; ``sessions_whole`` all entries of a session,
    deleted ones too; ``containers`` also ids that a caller chose, which no container may bear.
    """

    ids: set[str] = field(default_factory=set)
    entries: set[EntryKey] = field(default_factory=set)
    sessions_whole: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)
    history_from: dict[str, int] = field(default_factory=dict)
    """The memories whose history is needed, and from which version on."""

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> "Needs":
        """The needs of several batches together."""
        needs = cls()
        for batch in batches:
            needs._add(batch)
        # What cannot be an id names nothing, and may be a text that no database can read.
        for ids in (needs.ids, needs.sessions_whole, needs.containers):
            if ids:
                ids.difference_update([each for each in ids if not is_id(each)])
        if needs.history_from:
            for each in needs.history_from.keys() - needs.ids:
                del needs.history_from[each]
        if needs.entries:
            needs.entries.difference_update([key for key in needs.entries if key[0] not in needs.ids])
        return needs

    def _add(self, batch: Batch) -> None:
        if (claim := batch.session) is not None:
            self.ids.add(claim.session_id)
            if claim.create:
                self.containers.update((claim.container_id, claim.session_id))
        for command in batch.commands:
            match command:
                case Update():
                    self.ids.add(command.id)
                case PutEntry() if command.entry_id is not None:
                    self.entries.add((command.session_id, command.entry_id))
                case Delete():
                    self.ids.add(command.id)
                    if command.memory_type is MemoryType.SESSION:
                        self.sessions_whole.add(command.id)
                case Create():
                    self._add_creation(command)
                case Restore():
                    self._add_restoration(command)
                case _:
                    pass

    def _add_restoration(self, command: Restore) -> None:
        self.ids.add(command.id)
        least = self.history_from.get(command.id, command.version)
        self.history_from[command.id] = min(least, command.version)
        if command.memory_type is MemoryType.SESSION:
            self.sessions_whole.add(command.id)

    def _add_creation(self, command: Create) -> None:
        if command.session_id is None:
            self.containers.add(command.container_id)
        else:
            self.ids.add(command.session_id)
            if command.entry_id is not None:
                self.entries.add((command.session_id, command.entry_id))
        if command.id is not None:
            self.ids.add(command.id)
            self.containers.add(command.id)


class Workspace:
    """Memories by id and by entry key, containers by id, and answers given before by idempotency key.

    `branch` makes a workspace that sees this one and keeps what is put into it to itself until `merge`: so a
    later batch sees an earlier one's results, and a refused batch leaves no trace.
    """

    def __init__(self, below: "Workspace | None" = None) -> None:
        self._below = below
        self._memories: dict[str, Memory] = {}
        self._entries: dict[EntryKey, str] = {}
        self._of_session: dict[str, dict[str, None]] = {}
        self.containers: set[str] = below.containers if below is not None else set()
        self.deleted_containers: set[str] = below.deleted_containers if below is not None else set()
        self.guards: dict[str, Access] = below.guards if below is not None else {}
        """Who gets into the guarded containers that are looked at, deleted ones too."""
        self.answers: dict[tuple[str, str], tuple[str, BatchOutcome]] = below.answers if below is not None else {}

        self._histories: dict[str, dict[int, HistoryRecord]] = below._histories if below is not None else {}

    def keep_containers(self, found: Iterable[tuple[str, bool]]) -> None:
        """Takes over ids of containers, each with whether it is deleted."""
        for container_id, deleted in found:
            (self.deleted_containers if deleted else self.containers).add(container_id)

    def access(self, container_id: str) -> Access:
        """Who gets into a container."""
        return self.guards.get(container_id, OPEN)

    def is_container(self, some_id: str) -> bool:
        """Whether a container has or had the id, which is then no memory's."""
        return some_id in self.containers or some_id in self.deleted_containers

    def put(self, memory: Memory) -> None:
        """Lays a memory over whatever had its id."""
        self._memories[memory.id] = memory
        if memory.session_id is not None and memory.entry_id is not None:
            self._entries[memory.session_id, memory.entry_id] = memory.id
            self._of_session.setdefault(memory.session_id, {})[memory.id] = None

    def get(self, memory_id: str) -> Memory | None:
        """The memory as it is now, a tombstone too."""
        space: Workspace | None = self
        while space is not None:
            if (found := space._memories.get(memory_id)) is not None:
                return found
            space = space._below
        return None

    def entry(self, session_id: str, entry_id: str) -> Memory | None:
        """The entry that has this key, a tombstone too."""
        space: Workspace | None = self
        while space is not None:
            if (found := space._entries.get((session_id, entry_id))) is not None:
                return self.get(found)
            space = space._below
        return None

    def history(self, memory_id: str) -> Mapping[int, HistoryRecord]:
        """The records of a memory by version, as far back as they are needed and kept."""
        return self._histories.get(memory_id, {})

    def keep_history(self, memory_ids: Iterable[str], records: Iterable[HistoryRecord]) -> None:
        """Takes over the records that were loaded of these memories, which then have a history here, if only of what
        is about to be done to them."""
        for memory_id in memory_ids:
            self._histories.setdefault(memory_id, {})
        for record in records:
            self._histories[record.memory_id][record.version] = record

    def add_history(self, records: Iterable[HistoryRecord]) -> None:
        """Takes over new records of the memories that have a history here."""
        histories = self._histories
        if not histories:
            return
        for record in records:
            if (known := histories.get(record.memory_id)) is not None:
                known[record.version] = record

    def live_entries(self, session_id: str) -> Iterator[Memory]:
        """The entries of a session that are not deleted, oldest arrival first."""
        return (memory for memory in self._entries_of(session_id) if not memory.deleted)

    def entries_deleted_by(self, session_id: str, change: int) -> Iterator[Memory]:
        """The entries of a session that a change deleted and nothing has touched since, oldest arrival first."""
        return (memory for memory in self._entries_of(session_id) if memory.deleted and memory.change == change)

    def _entries_of(self, session_id: str) -> list[Memory]:
        ids: dict[str, None] = {}
        space: Workspace | None = self
        while space is not None:
            ids |= space._of_session.get(session_id, {})
            space = space._below
        found = (self.get(memory_id) for memory_id in ids)
        return sorted((memory for memory in found if memory is not None), key=lambda memory: memory.arrival)

    def branch(self) -> "Workspace":
        """A workspace on top of this one."""
        return Workspace(self)

    def merge(self, branch: "Workspace") -> None:
        """Takes over what was put into a branch of this workspace."""
        self._memories |= branch._memories
        self._entries |= branch._entries
        for session_id, ids in branch._of_session.items():
            self._of_session.setdefault(session_id, {}).update(ids)
