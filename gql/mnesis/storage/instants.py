"""How times are stored: whole microseconds since 1970 in UTC, alike on every database."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from mnesis.domain.times import instant_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_A_SECOND = 1_000_000
_SECONDS_KEPT = 4_096


# What is written together has a time in common, or a few.
@lru_cache(maxsize=256)
def to_microseconds(moment: datetime) -> int:
    """The stored form of a time with an offset."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(stored: int) -> datetime:
    """The time in UTC that a stored number stands for."""
    return _EPOCH + stored * _MICROSECOND


def stored_instant_text(stored: int) -> str:
    """What `instant_text` says of the time; a seventh of what that takes by way of a datetime."""
    milliseconds = stored // 1_000
    return f"{_to_the_second(milliseconds // 1_000)}{_DIGITS[milliseconds % 1_000]}{_LAST_DIGITS[stored % 1_000]}"


@lru_cache(maxsize=_SECONDS_KEPT)
def _to_the_second(second: int) -> str:
    """The text up to the point, which what is written together, or looked at again, shares."""
    return instant_text(from_microseconds(second * _A_SECOND)).removesuffix("000000Z")


_DIGITS = tuple(f"{number:03}" for number in range(1_000))
_LAST_DIGITS = tuple(f"{digits}Z" for digits in _DIGITS)
