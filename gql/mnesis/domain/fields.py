"""The vocabulary in which a memory type states its fields, and the values that fields hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from mnesis.domain.json_values import JsonObject
from mnesis.domain.memory_types import PayloadType

ROLE_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation: its content is either plain ``text`` or structured ``parts``."""

    role: str
    text: str | None = None
    parts: tuple[JsonObject, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Stands where an edge was given a value it could not read; ``fact`` completes "the field ...".

    It travels as a value so that the domain refuses it together with everything else that is wrong.
    """

    fact: str


class FieldKind(Enum):
    """What a field holds; checks and storage follow from it."""

    TEXT = auto()
    ROLE = auto()
    FLAG = auto()
    OBJECT = auto()
    MESSAGES = auto()
    BINARY = auto()
    PAYLOAD = auto()


FieldValue: TypeAlias = None | str | bool | bytes | JsonObject | tuple[Message, ...] | PayloadType | Unreadable
Values: TypeAlias = Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a memory type.

    ``content`` fields move ``content_updated_at``. ``empty`` is the value of a field that was never given and
    of one that was cleared. A field that is not ``clearable`` refuses null; a ``required`` one must be given
    at creation. A ``fixed`` one is given at creation only.
    """

    name: str
    kind: FieldKind
    content: bool = False
    clearable: bool = True
    required: bool = False
    fixed: bool = False
    blank: bool = True
    empty: FieldValue = None
