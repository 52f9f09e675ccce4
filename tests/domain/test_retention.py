"""What goes by which rule, and what is recorded as the reason."""

from datetime import UTC, datetime, timedelta

import pytest

from mnesis.domain.containers import RetentionRule
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.retention import AgingRecord, Fate, LastChange, fate_of, kept_from, reason_of

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
DAYS_AGO = {days: NOW - timedelta(days=days) for days in range(100)}
OLD = LastChange(DAYS_AGO[40], 7)
YOUNG = LastChange(DAYS_AGO[2], 7)


@pytest.mark.parametrize(
    ("rule", "last_of_count", "expected"),
    [
        (RetentionRule(days=30), None, LastChange(DAYS_AGO[30], 0)),
        (RetentionRule(count=5), YOUNG, YOUNG),
        (RetentionRule(count=5), None, None),
        # What breaks either bound goes.
        (RetentionRule(days=30, count=5), OLD, LastChange(DAYS_AGO[30], 0)),
        (RetentionRule(days=30, count=5), YOUNG, YOUNG),
        (RetentionRule(days=30, count=5), None, LastChange(DAYS_AGO[30], 0)),
    ],
)
def test_what_lies_before_the_later_bound_goes(
    rule: RetentionRule, last_of_count: LastChange | None, expected: LastChange | None
) -> None:
    assert kept_from(rule, NOW, last_of_count) == expected


def test_what_changed_exactly_so_many_days_ago_stays() -> None:
    place = kept_from(RetentionRule(days=30), NOW, None)
    assert place is not None
    assert not LastChange(DAYS_AGO[30], 1) < place
    assert LastChange(DAYS_AGO[30] - timedelta(microseconds=1), 10**18) < place


def test_of_equal_times_the_later_arrival_is_newer() -> None:
    assert LastChange(NOW, 3) < LastChange(NOW, 4) < LastChange(NOW + timedelta(microseconds=1), 0)


@pytest.mark.parametrize(
    ("rule", "version", "age_days", "deleted", "fate"),
    [
        (RetentionRule(days=30), 4, 31, False, Fate.GOES),
        (RetentionRule(days=30), 4, 29, False, Fate.STAYS),
        (RetentionRule(days=30), 5, 31, False, Fate.STAYS),
        (RetentionRule(days=30), 5, 31, True, Fate.GOES_WITH_ITS_MEMORY),
        (RetentionRule(days=30), 5, 29, True, Fate.STAYS),
        (RetentionRule(days=30), 4, 31, True, Fate.GOES),
        (RetentionRule(count=2), 3, 0, False, Fate.GOES),
        (RetentionRule(count=2), 4, 99, False, Fate.STAYS),
        (RetentionRule(count=1), 5, 99, True, Fate.STAYS),
        (RetentionRule(days=30, count=2), 3, 1, False, Fate.GOES),
        (RetentionRule(days=30, count=2), 4, 31, False, Fate.GOES),
        (RetentionRule(days=30, count=2), 4, 1, False, Fate.STAYS),
    ],
)
def test_records_go_by_age_and_number_and_the_newest_only_with_a_deleted_memory(
    rule: RetentionRule, version: int, age_days: int, deleted: bool, fate: Fate
) -> None:
    record = AgingRecord(
        memory_id="m",
        version=version,
        change=1,
        position=0,
        created_at=DAYS_AGO[age_days],
        newest_version=5,
        deleted=deleted,
    )
    assert fate_of(record, rule, rule.expires_before(NOW)) is fate


def test_a_reason_names_the_rule() -> None:
    both = RetentionRule(days=1, count=1_000)
    assert reason_of(MemoryType.SESSION, both) == (
        "Retention: sessions of this container are kept for 1 day after their last change and up to the newest 1,000."
    )
    assert reason_of(MemoryType.LONG_TERM, RetentionRule(days=365)) == (
        "Retention: long-term memories of this container are kept for 365 days after their last change."
    )
