"""What SQLite has no function of its own for; its connections are given these, which answer as PostgreSQL does.

The answer is a number, since SQLite knows no truth values, or None where the column is null. A function bears the name
by which statements call it.
"""

from functools import lru_cache
from typing import Any

import orjson

from mnesis.domain.json_values import contains


def json_contains(stored: str | None, wanted: str) -> int | None:
    """Whether a JSON text contains another (see `json_values.contains`)."""
    return int(contains(orjson.loads(stored), _parsed(wanted))) if stored is not None else None


def text_contains(stored: str | None, wanted: str) -> int | None:
    """Whether a text occurs in another, whatever the case of its letters."""
    return int(_lower(wanted) in stored.lower()) if stored is not None else None


def messages_contain(stored: str | None, wanted: str) -> int | None:
    """Whether a text occurs in that of one of the messages of a JSON text."""
    if stored is None:
        return None
    lowered = _lower(wanted)
    return int(any(lowered in text.lower() for message in orjson.loads(stored) for text in _texts(message)))


def _texts(message: dict[str, Any]) -> list[str]:
    """The text of a message, or the texts of its parts."""
    said = [message.get("text"), *(part.get("text") for part in message.get("parts", ()))]
    return [text for text in said if isinstance(text, str)]


# One statement asks every row for the same; few statements run at a time.
@lru_cache(maxsize=16)
def _parsed(wanted: str) -> Any:
    return orjson.loads(wanted)


@lru_cache(maxsize=16)
def _lower(wanted: str) -> str:
    return wanted.lower()
