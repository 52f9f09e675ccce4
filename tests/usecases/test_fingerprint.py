"""When two requests count as the same for an idempotency key: equal kind, equal arguments, types included."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest

from mnesis.domain.commands import Changes, Create
from mnesis.domain.entries import ContextEntry
from mnesis.domain.fields import Message, Unreadable
from mnesis.domain.filters import MemoryFilter
from mnesis.domain.memory_types import MemoryType, ObjectMode, WriteMode
from mnesis.usecases.fingerprint import fingerprint
from mnesis.usecases.requests import (
    CreateMemories,
    DeleteMemories,
    DeleteMemory,
    EraseMemories,
    MemoryUpdate,
    UpdateContextMemory,
    UpdateMemories,
)


def put(**metadata: Any) -> UpdateContextMemory:
    return UpdateContextMemory(session_id="s1", entries=(ContextEntry(id="m1", given={"metadata": metadata}),))


def test_a_fingerprint_is_a_sha_256_in_hex_and_the_same_in_every_process() -> None:
    request = DeleteMemory(memory_type=MemoryType.SESSION, id="s1")
    assert fingerprint(request) == "d6868aaa4136aeffc48fe60242f690fb813231582b78b3f39276cb71a78fe31c"


def test_the_order_of_keys_does_not_matter() -> None:
    assert fingerprint(put(a=1, b={"c": 2, "d": [3]})) == fingerprint(put(b={"d": [3], "c": 2}, a=1))


def test_the_key_itself_does_not_count() -> None:
    assert fingerprint(replace(put(a=1), idempotency_key="k")) == fingerprint(put(a=1))


def test_a_key_of_that_name_in_the_callers_own_data_counts() -> None:
    assert fingerprint(put(idempotency_key="a")) != fingerprint(put(idempotency_key="b"))


def test_a_tuple_and_a_list_of_the_same_values_are_the_same() -> None:
    assert fingerprint(put(a=[1, {"b": 2}])) == fingerprint(put(a=(1, {"b": 2})))


@pytest.mark.parametrize(
    "values",
    [
        (1, 1.0, "1", True, [1], {"1": 1}, None, "true", "null", b"1", 2, -1),
        (0, 0.0, "", False, [], {}, [None], [[]], [{}], {"": None}, "[]", "{}", b""),
        ("a", ["a"], {"a": None}, ["a", None], "a ", "A", b"a"),
        ([1, [2, 3]], [[1, 2], 3], [1, 2, 3], [[1], 2, 3], [3, 2, 1], "list 3;1 0;2 0;3 0;"),
        ({"a": "b", "c": "d"}, {"a": "d", "c": "b"}, ["a", "b", "c", "d"], {"a": {"b": None, "c": "d"}}),
    ],
)
def test_different_values_differ(values: tuple[Any, ...]) -> None:
    for one, other in combinations(values, 2):
        assert fingerprint(put(a=one)) != fingerprint(put(a=other)), (one, other)


def test_every_argument_counts() -> None:
    entry = ContextEntry(id="m1", given={"content": "x"})
    request = UpdateContextMemory(session_id="s1", entries=(entry,))
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    variants = [
        request,
        replace(request, session_id="s2"),
        replace(request, entries=()),
        replace(request, entries=(entry, entry)),
        replace(request, entries=(replace(entry, id=None),)),
        replace(request, entries=(replace(entry, given={}),)),
        replace(request, entries=(replace(entry, given={"content": None}),)),
        replace(request, entries=(replace(entry, given={"role": "x"}),)),
        replace(request, entries=(replace(entry, if_version=0),)),
        replace(request, entries=(replace(entry, created_at=noon),)),
        replace(request, entries=(replace(entry, created_at=noon.replace(microsecond=1)),)),
        replace(request, entries=(replace(entry, created_at=Unreadable(fact="is no time")),)),
        replace(request, mode=WriteMode.PER_ENTRY),
        replace(request, if_version=0),
        replace(request, create_session=True),
        replace(request, container_id="travel"),
        replace(request, namespace={}),
        replace(request, session_metadata={}),
        replace(request, object_mode=ObjectMode.MERGE),
        replace(request, reason=""),
    ]
    assert len({fingerprint(each) for each in variants}) == len(variants)


def test_requests_of_another_kind_differ() -> None:
    changes = Changes(memory_type=MemoryType.WORKING, given={})
    requests = [
        UpdateMemories(items=()),
        CreateMemories(items=()),
        UpdateMemories(items=(MemoryUpdate(memory_type=MemoryType.WORKING, id="m", changes=changes),)),
        UpdateMemories(items=(MemoryUpdate(memory_type=MemoryType.SESSION, id="m", changes=changes),)),
        CreateMemories(items=(Create(changes=changes),)),
        CreateMemories(items=(Create(changes=replace(changes, append_messages=())),)),
        CreateMemories(items=(Create(changes=replace(changes, append_messages=(Message(role="u", text="x"),))),)),
        CreateMemories(
            items=(Create(changes=replace(changes, append_messages=(Message(role="u", parts=({"x": 1},)),))),)
        ),
    ]
    assert len({fingerprint(each) for each in requests}) == len(requests)


def test_nesting_that_will_be_refused_can_be_compared_too() -> None:
    deep: dict[str, Any] = {}
    for _ in range(50_000):
        deep = {"a": deep}
    assert fingerprint(put(a=deep)) != fingerprint(put(a={}))


def test_the_members_of_a_filter_count_in_any_order() -> None:
    """Sets come in another order in every process, and the key must be good for a day."""

    def deletion(*ids: str) -> DeleteMemories:
        return DeleteMemories(filter=MemoryFilter(ids=frozenset(ids), types=frozenset(MemoryType)))

    many = [f"id-{number}" for number in range(50)]
    assert fingerprint(deletion(*many)) == fingerprint(deletion(*reversed(many)))
    assert fingerprint(deletion(*many)) != fingerprint(deletion(*many[1:]))
    expected = "4b84514349a37abebfc5ff8f6fbb1967013d3535b22c2f5ad35c69393954fd19"
    assert fingerprint(deletion("a", "b", "c", "d")) == expected


def test_a_deletion_and_an_erasure_of_the_same_differ() -> None:
    assert fingerprint(DeleteMemories(everything=True)) != fingerprint(EraseMemories(everything=True))
