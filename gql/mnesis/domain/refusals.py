"""Why a command was refused: one class per reason, with a stable code and the facts as attributes.

A refusal knows no HTTP and no GraphQL; every edge has one table from ``code`` to its own words. ``path`` leads
from the command to the value at fault in the domain's words: ``("tags", "topic")``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mnesis.domain.caller import Scope
from mnesis.domain.memory_types import MemoryType

if TYPE_CHECKING:
    from mnesis.domain.memory import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(ABC):
    """The base of all refusals. ``message`` is one sentence for the person who must act."""

    code: ClassVar[str]
    path: tuple[str, ...] = ()

    @property
    @abstractmethod
    def message(self) -> str:
        """One sentence with the facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidInput(Refusal):
    """A value that cannot be accepted wherever it is aimed."""

    code = "INVALID_INPUT"
    text: str

    @property
    def message(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound(Refusal):
    """Nothing of this kind has the id, as far as the caller can see. ``kind`` is a noun: "session"."""

    code = "NOT_FOUND"
    kind: str
    id: str

    @property
    def message(self) -> str:
        return f"There is no {self.kind} with the id {quoted(self.id)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTypeMismatch(Refusal):
    """The named type, the given input and the stored memory do not agree."""

    code = "MEMORY_TYPE_MISMATCH"
    requested: MemoryType
    actual: MemoryType
    given_input: bool = False

    @property
    def message(self) -> str:
        if self.given_input:
            return f"The type is {self.requested}, but the input holds fields of {self.actual}."
        return f"A {self.requested} memory was asked for, but this id is of type {self.actual}."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImmutableMemory(Refusal):
    """A kind of memory that nobody changes: history is made by the service alone."""

    code = "IMMUTABLE_MEMORY"
    memory_type: MemoryType

    @property
    def message(self) -> str:
        return f"{self.memory_type} memories cannot be created, changed or deleted."


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionConflict(Refusal):
    """The version that the caller insists on is not the stored one. ``actual`` is 0 where nothing is stored."""

    code = "VERSION_CONFLICT"
    expected: int
    actual: int
    current: "Memory | None"

    @property
    def message(self) -> str:
        if self.actual == 0:
            return f"Expected version {self.expected}, found no memory."
        if self.expected == 0:
            return f"Expected no memory, found version {self.actual}."
        return f"Expected version {self.expected}, found version {self.actual}."


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyExists(Refusal):
    """The id, or the entry's key, is taken."""

    code = "ALREADY_EXISTS"
    kind: str
    id: str

    @property
    def message(self) -> str:
        return f"There is already a {self.kind} with the id {quoted(self.id)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerNotEmpty(Refusal):
    """A container that still holds ``memories`` is deleted only together with them."""

    code = "CONTAINER_NOT_EMPTY"
    id: str
    memories: int

    @property
    def message(self) -> str:
        held = "a memory" if self.memories == 1 else f"{self.memories} memories"
        return f"The container {quoted(self.id)} holds {held}, which have to be deleted with it or before it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden(Refusal):
    """The caller's credentials do not carry the scope that this needs; ``or_owner``: of those who are not its owner."""

    code = "FORBIDDEN"
    required_scope: Scope
    or_owner: bool = False

    @property
    def message(self) -> str:
        if self.or_owner:
            return f"Only its owner, or the scope {self.required_scope}, may do this."
        return f"This needs the scope {self.required_scope}."


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyConflict(Refusal):
    """The key was used within the last 24 hours for other arguments."""

    code = "IDEMPOTENCY_CONFLICT"

    @property
    def message(self) -> str:
        return "This idempotency key was used before with other arguments."


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitExceeded(Refusal):
    """More than is allowed. ``limit`` and ``actual`` are in ``unit``; ``advice`` is a further sentence or empty."""

    code = "LIMIT_EXCEEDED"
    unit: str
    limit: int
    actual: int
    advice: str = ""

    @property
    def message(self) -> str:
        sentence = f"At most {self.limit} {self.unit} are allowed; there are {self.actual}."
        return f"{sentence} {self.advice}" if self.advice else sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaExceeded(Refusal):
    """The tenant has used up what it may use."""

    code = "QUOTA_EXCEEDED"
    unit: str
    limit: int
    used: int

    @property
    def message(self) -> str:
        return f"The quota of {self.limit} {self.unit} is used up ({self.used})."


def quoted(text: str) -> str:
    """A caller's own text, cut short and free of what cannot be printed, for use in a message."""
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return '"' + "".join(c if c.isprintable() and c != '"' else "\N{REPLACEMENT CHARACTER}" for c in shown) + '"'


class Refused(Exception):
    """Raised where a request as a whole is refused, with everything that is wrong with it."""

    def __init__(self, *refusals: Refusal) -> None:
        super().__init__(" ".join(refusal.message for refusal in refusals))
        self.refusals = refusals
