"""Times as texts, the way every edge takes and shows them."""

import re
from datetime import UTC, datetime

from mnesis.domain.fields import Unreadable

_RFC3339 = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", flags=re.ASCII)
_TIME_RULE = "is not an RFC 3339 time with an offset, such as 2026-01-31T12:00:00.000Z"


def instant(text: str) -> datetime | Unreadable:
    """The time that an RFC 3339 text names; digits beyond microseconds are cut off."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        return Unreadable(fact=_TIME_RULE)
    date, time, fraction, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{(fraction or '')[:7]}{offset.upper()}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return Unreadable(fact=_TIME_RULE)


def instant_text(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat("T", "microseconds")[:-6] + "Z"
