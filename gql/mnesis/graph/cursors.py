"""Cursors: opaque to clients, checked strictly on the way back."""

import base64
import binascii
import re
from enum import StrEnum

from mnesis.domain.ids import is_id
from mnesis.usecases.ports import Cursor


class CursorKind(StrEnum):
    """Which order a cursor is a place in; one of another order leads nowhere."""

    MEMORIES = "m"
    OLDEST_FIRST = "o"
    UPDATED_LAST = "u"
    UPDATED_FIRST = "f"
    RECORDS = "r"
    ENTRIES = "e"
    HISTORY = "h"
    CHANGES = "c"
    CONTAINERS = "n"


_PLACE = re.compile(rf"[{''.join(CursorKind)}]:(-?[0-9]{{1,19}}):([0-9]{{1,19}})(?::(.*))?\Z")
_BEYOND = 2**63
_BY_ID = frozenset({CursorKind.CONTAINERS})


def cursor_text(kind: CursorKind, cursor: Cursor) -> str:
    """The cursor as clients see it: base64url without padding."""
    place = f"{kind}:{cursor.value}:{cursor.tie}" + (f":{cursor.id}" if kind in _BY_ID else "")
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def read_cursor(kind: CursorKind, text: str) -> Cursor | None:
    """The place that a cursor names, or None when this service never gave it out for such an order."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    found = _PLACE.match(plain)
    if found is None:
        return None
    cursor = Cursor(value=int(found[1]), tie=int(found[2]), id=found[3] or "")
    if kind in _BY_ID and not is_id(cursor.id):
        return None
    # Written again it must be the same text, which also tells cursors of other orders and other spellings apart.
    if max(abs(cursor.value), cursor.tie) >= _BEYOND or cursor_text(kind, cursor) != text:
        return None
    return cursor
