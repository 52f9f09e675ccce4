"""What an id looks like. An id names one thing within a tenant, whatever its type or container."""

import re
from typing import NamedTuple

ID_CHARACTERS = 512
DEFAULT_CONTAINER = "default"

_CHOSEN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,511}\Z")
_RECORD_ID = re.compile(r"(?P<memory>[A-Za-z0-9][A-Za-z0-9_.:-]{0,511})~(?P<version>[1-9][0-9]{0,9})\Z")

_PAST_ID = re.compile(r"(?P<memory>[A-Za-z0-9][A-Za-z0-9_.:-]{0,511})@(?P<version>[1-9][0-9]{0,9})\Z")

CHOSEN_ID_RULE = "must have 1 to 512 characters of A-Z a-z 0-9 _ . : - and begin with a letter or a digit"


class RecordId(NamedTuple):
    """The two halves of a history record's id, written ``<memory id>~<version>``."""

    memory_id: str
    version: int

    def __str__(self) -> str:
        return f"{self.memory_id}~{self.version}"


class PastId(NamedTuple):
    """A memory as it was: its id and a version, written ``<memory id>@<version>``."""

    memory_id: str
    version: int

    def __str__(self) -> str:
        return f"{self.memory_id}@{self.version}"


def is_id(text: str) -> bool:
    """Whether this could be the id of a memory or a container."""
    return _CHOSEN_ID.match(text) is not None


def parse_record_id(text: str) -> RecordId | None:
    """The parts of a history record's id, or None when it is not one."""
    found = _RECORD_ID.match(text)
    if found is None:
        return None
    return RecordId(found["memory"], int(found["version"]))


def parse_past_id(text: str) -> PastId | None:
    """The parts of the id of a memory as it was, or None when it is not one."""
    found = _PAST_ID.match(text)
    return PastId(found["memory"], int(found["version"])) if found is not None else None
