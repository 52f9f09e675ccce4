"""How times are stored: whole microseconds since 1970 in UTC, alike on every database."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


# What is written together has a time in common, or a few.
@lru_cache(maxsize=256)
def to_microseconds(moment: datetime) -> int:
    """The stored form of a time with an offset."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(stored: int) -> datetime:
    """The time in UTC that a stored number stands for."""
    return _EPOCH + stored * _MICROSECOND
