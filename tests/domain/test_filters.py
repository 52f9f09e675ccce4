"""Filters: what is refused of them, and what they say whatever is stored."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mnesis.domain.fields import Unreadable
from mnesis.domain.filters import (
    FILTER_CONDITIONS,
    FILTER_LEVELS,
    MemoryFilter,
    MemoryOrder,
    TimeRange,
    filter_faults,
    lists_records,
    nested_history_faults,
    record_filter_faults,
    settled,
)
from mnesis.domain.json_values import contains
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
SESSIONS = frozenset({MemoryType.SESSION})
HISTORY = frozenset({MemoryType.HISTORY})
NOTHING = MemoryFilter(ids=frozenset())


def paths(wanted: MemoryFilter) -> list[tuple[str, ...]]:
    return [fault.path for fault in filter_faults(wanted, Limits())]


def nested(levels: int, innermost: MemoryFilter) -> MemoryFilter:
    for _ in range(levels - 1):
        innermost = MemoryFilter(never=innermost)
    return innermost


def test_a_filter_of_every_condition_is_accepted() -> None:
    wanted = MemoryFilter(
        types=SESSIONS,
        ids=frozenset({"a"}),
        container_id="default",
        session_id="s",
        namespace={"user": "ann"},
        tags={"a": [1, {"b": None}]},
        metadata={},
        pinned=False,
        created_at=TimeRange(start=NOON, end=LATER),
        updated_at=TimeRange(start=NOON),
        content_updated_at=TimeRange(end=NOON),
        text="100%",
        every=(),
        either=(),
        never=MemoryFilter(),
    )
    assert all(getattr(wanted, field.name) is not None for field in fields(wanted))
    assert paths(wanted) == []


def test_a_filter_may_nest_eight_levels_and_no_more() -> None:
    assert paths(nested(FILTER_LEVELS, MemoryFilter(pinned=True))) == []
    assert paths(nested(FILTER_LEVELS + 1, MemoryFilter(pinned=True))) == [("never",) * FILTER_LEVELS]
    branch = MemoryFilter(every=(MemoryFilter(), MemoryFilter(either=(nested(FILTER_LEVELS - 1, MemoryFilter()),))))
    assert paths(branch)[0][:4] == ("every", "1", "either", "0")


def test_a_filter_a_hundred_thousand_levels_deep_is_refused_like_one_of_nine() -> None:
    assert paths(nested(100_000, MemoryFilter())) == [("never",) * FILTER_LEVELS]


def test_a_filter_may_hold_fifty_conditions_and_no_more() -> None:
    each = MemoryFilter(pinned=True)
    assert paths(MemoryFilter(either=(each,) * (FILTER_CONDITIONS // 2))) == []
    assert paths(MemoryFilter(text="a", either=(each,) * (FILTER_CONDITIONS // 2))) == [()]
    assert paths(MemoryFilter(either=(MemoryFilter(),) * (FILTER_CONDITIONS + 1))) == [()]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"created_at": TimeRange(start=LATER, end=NOON)}, ("created_at",)),
        ({"updated_at": TimeRange()}, ("updated_at",)),
        ({"content_updated_at": TimeRange(start=Unreadable(fact="is not a time"))}, ("content_updated_at", "start")),
        ({"created_at": TimeRange(start=NOON, end=Unreadable(fact="is not a time"))}, ("created_at", "end")),
        ({"text": ""}, ("text",)),
        ({"text": "x" * 1_001}, ("text",)),
        ({"text": "\0"}, ("text",)),
        ({"text": "\ud800"}, ("text",)),
        ({"namespace": {"a": [float("nan")]}}, ("namespace", "a", "0")),
        ({"tags": {"a": "x" * 17_000}}, ("tags",)),
        ({"metadata": {"a": {"b": 2**63}}}, ("metadata", "a", "b")),
        ({"ids": frozenset(map(str, range(1_001)))}, ("ids",)),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(given: dict[str, Any], path: tuple[str, ...]) -> None:
    wrong = MemoryFilter(**given)
    assert paths(wrong) == [path]
    assert paths(MemoryFilter(every=(MemoryFilter(), MemoryFilter(never=wrong)))) == [("every", "1", "never", *path)]


def test_everything_wrong_is_told_at_once() -> None:
    assert paths(MemoryFilter(text="", either=(MemoryFilter(text=""),))) == [("text",), ("either", "0", "text")]


def test_a_range_of_no_time_is_no_fault() -> None:
    assert paths(MemoryFilter(created_at=TimeRange(start=NOON, end=NOON))) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (MemoryFilter(), True),
        (MemoryFilter(pinned=False), None),
        (MemoryFilter(types=SESSIONS), None),
        (NOTHING, False),
        (MemoryFilter(types=frozenset()), False),
        (MemoryFilter(namespace={}), True),
        (MemoryFilter(tags={}), None),
        (MemoryFilter(namespace={"a": 1}), None),
        (MemoryFilter(every=()), True),
        (MemoryFilter(every=(MemoryFilter(), MemoryFilter(text="a"))), None),
        (MemoryFilter(text="a", every=(NOTHING,)), False),
        (MemoryFilter(either=()), False),
        (MemoryFilter(either=(MemoryFilter(text="a"), MemoryFilter())), True),
        (MemoryFilter(either=(MemoryFilter(text="a"), NOTHING)), None),
        (MemoryFilter(either=(NOTHING,)), False),
        (MemoryFilter(never=MemoryFilter()), False),
        (MemoryFilter(never=NOTHING), True),
        (MemoryFilter(never=MemoryFilter(pinned=True)), None),
    ],
)
def test_it_is_known_which_filters_name_nothing(wanted: MemoryFilter, expected: bool | None) -> None:
    assert settled(wanted) is expected


def test_of_history_only_some_things_can_be_asked() -> None:
    records = MemoryFilter(
        types=HISTORY, ids=frozenset({"a"}), container_id="c", session_id="s", created_at=TimeRange(start=NOON)
    )
    assert lists_records(records)
    assert not lists_records(MemoryFilter())
    assert record_filter_faults(records) == ()
    wrong: dict[str, Any] = {"tags": {}, "pinned": False, "updated_at": TimeRange(start=NOON), "never": records}
    for name, value in wrong.items():
        given: dict[str, Any] = {"types": HISTORY, name: value}
        [fault] = record_filter_faults(MemoryFilter(**given))
        assert fault.path == (name,)
    [fault] = record_filter_faults(MemoryFilter(types=HISTORY | SESSIONS))
    assert fault.path == ("types",)


def test_history_has_no_place_in_a_nested_filter() -> None:
    wanted = MemoryFilter(types=HISTORY, either=(MemoryFilter(types=HISTORY),))
    assert [fault.path for fault in nested_history_faults(wanted, top=False)] == [("either", "0", "types")]
    assert [fault.path for fault in nested_history_faults(wanted, top=True)] == [
        ("types",),
        ("either", "0", "types"),
    ]


@pytest.mark.parametrize(
    ("order", "column", "ascending"),
    [
        (MemoryOrder.CREATED_AT_DESC, "created_at", False),
        (MemoryOrder.CREATED_AT_ASC, "created_at", True),
        (MemoryOrder.UPDATED_AT_DESC, "updated_at", False),
        (MemoryOrder.UPDATED_AT_ASC, "updated_at", True),
    ],
)
def test_an_order_tells_its_column_and_direction(order: MemoryOrder, column: str, ascending: bool) -> None:
    assert (order.column, order.ascending) == (column, ascending)


@pytest.mark.parametrize(
    ("whole", "part", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}, True),
        ({"a": {"b": 1}}, {"a": {}}, True),
        ({"a": 1}, {"a": {}}, False),
        ({"a": {}}, {"a": 1}, False),
        ({"a": []}, {"a": {}}, False),
        ({"a": [1, [2, 3], {"b": 1, "c": 2}]}, {"a": [{"b": 1}, [3], 1, 1]}, True),
        ({"a": [1, 2]}, {"a": 1}, False),
        ({"a": [[1, 2]]}, {"a": [1]}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        ({"a": 2**60}, {"a": float(2**60)}, False),
        ({"a": 0}, {"a": -0.0}, True),
        ({"a": "A"}, {"a": "a"}, False),
    ],
)
def test_containment_is_that_of_postgresql(whole: Any, part: Any, expected: bool) -> None:
    """What PostgreSQL itself says of many more is asked in ``tests/storage/test_filtering.py``."""
    assert contains(whole, part) is expected
