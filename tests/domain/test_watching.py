"""Which changes pass a filter."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mnesis.domain.history import HistoryRecord
from mnesis.domain.memory_types import HistoryAction, MemoryType
from mnesis.domain.watching import ChangeFilter

MOMENT = datetime(2026, 1, 31, tzinfo=UTC)
ENTRY = HistoryRecord(
    memory_id="e1",
    version=2,
    memory_type=MemoryType.WORKING,
    container_id="work",
    session_id="talk",
    namespace={"user": "ann", "place": {"city": "Lisbon", "floor": 2}, "teams": ["red", "blue"]},
    change=7,
    position=0,
    action=HistoryAction.UPDATE,
    changes=(),
    actor="ann",
    reason=None,
    created_at=MOMENT,
    content_updated_at=MOMENT,
)
SESSION = replace(ENTRY, memory_id="talk", memory_type=MemoryType.SESSION, session_id=None)


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"types": frozenset({MemoryType.WORKING, MemoryType.SESSION})},
        {"ids": frozenset({"e1", "talk"})},
        {"container_id": "work"},
        {"session_id": "talk"},
        {"actions": frozenset({HistoryAction.UPDATE})},
        {"namespace": {}},
        {"namespace": {"user": "ann"}},
        {"namespace": {"place": {"floor": 2}, "teams": ["blue"]}},
    ],
)
def test_a_change_that_meets_the_conditions_passes(condition: dict[str, Any]) -> None:
    assert ChangeFilter(**condition).passes(ENTRY)
    assert ChangeFilter(**condition).passes(SESSION)


@pytest.mark.parametrize(
    "condition",
    [
        {"types": frozenset({MemoryType.LONG_TERM})},
        {"types": frozenset()},
        {"ids": frozenset({"e2"})},
        {"container_id": "home"},
        {"session_id": "walk"},
        {"actions": frozenset({HistoryAction.DELETE})},
        {"namespace": {"user": "ben"}},
        {"namespace": {"place": {"floor": "2"}}},
        {"namespace": {"place": "Lisbon"}},
        {"namespace": {"teams": ["green"]}},
        {"namespace": {"nobody": None}},
    ],
)
def test_a_change_that_misses_a_condition_does_not_pass(condition: dict[str, Any]) -> None:
    assert not ChangeFilter(**condition).passes(ENTRY)
    assert not ChangeFilter(**{"actions": frozenset({HistoryAction.UPDATE}), **condition}).passes(SESSION)
