"""What is refused before the store is asked: every fault of a command, at once, with the path to it."""

from dataclasses import replace
from typing import Any

import pytest

from mnesis.domain.commands import Changes, Create, Delete, PutEntry, SessionClaim, Update
from mnesis.domain.fields import Message, Unreadable
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType, PayloadType
from mnesis.domain.validation import claim_faults, command_faults, request_faults
from tests.domain.workbench import LONG_TERM, SESSION, WORKING, codes, new_fact, new_session, new_working

INVALID = "INVALID_INPUT"
LIMIT = "LIMIT_EXCEEDED"
SMALL = Limits(text_bytes=8, messages=2, json_bytes=20, json_levels=2)


def faults_of(memory_type: MemoryType, **given: Any) -> list[tuple[str, tuple[str, ...]]]:
    update = Update(id="m", changes=Changes(memory_type=memory_type, given=given))
    return codes(command_faults(update, SMALL))


@pytest.mark.parametrize(
    ("memory_type", "name"),
    [(SESSION, "pinned"), (WORKING, "messages"), (WORKING, "content"), (WORKING, "role"), (LONG_TERM, "memory"),
     (LONG_TERM, "pinned")],
)  # fmt: skip
def test_null_is_refused_where_a_field_cannot_be_empty(memory_type: MemoryType, name: str) -> None:
    assert faults_of(memory_type, **{name: None}) == [(INVALID, (name,))]


@pytest.mark.parametrize(
    ("memory_type", "name"),
    [(SESSION, "summary"), (SESSION, "metadata"), (SESSION, "agents"), (SESSION, "additional_info"),
     (WORKING, "structured_data"), (WORKING, "binary_data"), (WORKING, "tags"), (WORKING, "metadata"),
     (LONG_TERM, "tags")],
)  # fmt: skip
def test_null_clears_every_other_field(memory_type: MemoryType, name: str) -> None:
    assert faults_of(memory_type, **{name: None}) == []


@pytest.mark.parametrize(("memory_type", "name"), [(WORKING, "payload_type"), (LONG_TERM, "strategy")])
def test_what_is_given_at_creation_only_cannot_be_changed(memory_type: MemoryType, name: str) -> None:
    assert (INVALID, (name,)) in faults_of(memory_type, **{name: PayloadType.DATA})


@pytest.mark.parametrize(
    ("memory_type", "name", "value", "fault"),
    [
        (SESSION, "summary", "", None),
        (SESSION, "summary", "12345678", None),
        (SESSION, "summary", "1234567é", (LIMIT, ("summary",))),
        (SESSION, "summary", "éééé", None),
        (SESSION, "summary", "😀😀", None),
        (SESSION, "summary", "123456789", (LIMIT, ("summary",))),
        (SESSION, "summary", "a\0", (INVALID, ("summary",))),
        (SESSION, "summary", "\ud83d", (INVALID, ("summary",))),
        (SESSION, "summary", Unreadable(fact="is no text"), (INVALID, ("summary",))),
        (SESSION, "metadata", {"a": float("nan")}, (INVALID, ("metadata", "a"))),
        (SESSION, "metadata", {"a": [2**64]}, (INVALID, ("metadata", "a", "0"))),
        (SESSION, "metadata", {"a": {"b": {}}}, (INVALID, ("metadata", "a", "b"))),
        (SESSION, "metadata", {"a": "0123456789abc"}, (INVALID, ("metadata",))),
        (SESSION, "pinned", True, None),
        (WORKING, "content", "", (INVALID, ("content",))),
        (WORKING, "content", "x", None),
        (WORKING, "role", "", (INVALID, ("role",))),
        (WORKING, "role", "r" * 64, None),
        (WORKING, "role", "r" * 65, (INVALID, ("role",))),
        (WORKING, "role", "r\0", (INVALID, ("role",))),
        (WORKING, "binary_data", b"12345678", None),
        (WORKING, "binary_data", b"123456789", (LIMIT, ("binary_data",))),
        (WORKING, "messages", (), None),
        (WORKING, "messages", (Message(role="user", text=""),), None),
        (WORKING, "messages", (Message(role="user", parts=({"a": 1}, {})),), None),
        (WORKING, "messages", (Message(role="u", text="1"),) * 3, (LIMIT, ("messages",))),
        (WORKING, "messages", (Message(role="", text="1"),), (INVALID, ("messages", "0", "role"))),
        (WORKING, "messages", (Message(role="u"),), (INVALID, ("messages", "0"))),
        (WORKING, "messages", (Message(role="u", text="", parts=()),), (INVALID, ("messages", "0"))),
        (WORKING, "messages", (Message(role="u", text="123456789"),), (LIMIT, ("messages", "0", "text"))),
        (
            WORKING,
            "messages",
            (Message(role="u", text="1"), Message(role="u", parts=({}, {"a": float("inf")}))),
            (INVALID, ("messages", "1", "parts", "1", "a")),
        ),
        (LONG_TERM, "memory", "", (INVALID, ("memory",))),
    ],
)
def test_a_value_is_judged_by_the_kind_of_its_field(
    memory_type: MemoryType, name: str, value: object, fault: tuple[str, tuple[str, ...]] | None
) -> None:
    assert faults_of(memory_type, **{name: value}) == ([fault] if fault else [])


def test_everything_wrong_with_a_command_is_told_at_once() -> None:
    update = Update(
        id="",
        if_version=-1,
        changes=Changes(
            memory_type=WORKING,
            given={"messages": None, "tags": {"a": "\0"}, "binary_data": Unreadable(fact="is not Base64")},
            append_messages=(Message(role="u"),),
        ),
    )
    assert codes(command_faults(update, SMALL)) == [
        ("NOT_FOUND", ("id",)),
        (INVALID, ("if_version",)),
        (INVALID, ("messages",)),
        (INVALID, ("tags", "a")),
        (INVALID, ("binary_data",)),
        (INVALID, ("append_messages",)),
        (INVALID, ("append_messages", "0")),
    ]


def test_the_sentences_name_the_field_the_limit_and_the_actual_size() -> None:
    given: dict[str, Any] = {"additional_info": {"a": 2**63}, "summary": "123456789", "pinned": None}
    update = Update(id="m", changes=Changes(memory_type=SESSION, given=given))
    assert [fault.message for fault in command_faults(update, SMALL)] == [
        "The JSON value is an integer beyond 64 bits.",
        "At most 8 bytes of text are allowed; there are 9.",
        "The pinned cannot be cleared; leave it out to keep it.",
    ]


def test_a_patch_without_any_field_is_refused() -> None:
    assert faults_of(SESSION) == [(INVALID, ())]


def test_appending_alone_is_a_change() -> None:
    changes = Changes(memory_type=WORKING, given={}, append_messages=(Message(role="u", text="1"),))
    assert command_faults(Update(id="m", changes=changes), SMALL) == ()


def test_a_time_that_could_not_be_read_is_refused_with_the_rest() -> None:
    changes = Changes(memory_type=WORKING, given={}, created_at=Unreadable(fact="has no offset"))
    put = PutEntry(session_id="s", entry_id="", changes=changes, if_version=-2)
    faults = command_faults(put, SMALL)
    assert codes(faults) == [(INVALID, ("id",)), (INVALID, ("if_version",)), (INVALID, ("created_at",))]
    assert faults[2].message == "The time has no offset."


@pytest.mark.parametrize("memory_id", ["no such", "a\0b", "\ud800", "x" * 513])
def test_what_cannot_be_an_id_is_not_found_without_asking_a_database(memory_id: str) -> None:
    assert codes(command_faults(Delete(memory_type=SESSION, id=memory_id), SMALL)) == [("NOT_FOUND", ("id",))]
    assert codes(claim_faults(SessionClaim(session_id=memory_id), SMALL)) == [("NOT_FOUND", ("session_id",))]
    assert codes(command_faults(new_session(container_id=memory_id), SMALL)) == [("NOT_FOUND", ("container_id",))]
    assert codes(command_faults(new_working(memory_id), SMALL)) == [("NOT_FOUND", ("session_id",))]


def test_a_session_that_may_be_created_needs_an_id_that_can_be_one() -> None:
    claim = SessionClaim(session_id="a b", create=True, if_version=-1, container_id="\0")
    assert codes(claim_faults(claim, SMALL)) == [
        (INVALID, ("if_version",)),
        (INVALID, ("session_id",)),
        ("NOT_FOUND", ("container_id",)),
    ]
    assert claim_faults(SessionClaim(session_id="a", create=True, if_version=0), SMALL) == ()


def test_what_a_new_session_is_given_has_to_be_storable() -> None:
    claim = SessionClaim(session_id="a", create=True, namespace={"x": "\0"}, metadata={"y": {"z": "\ud800"}})
    assert codes(claim_faults(claim, SMALL)) == [(INVALID, ("namespace", "x")), (INVALID, ("metadata", "y", "z"))]
    assert claim_faults(replace(claim, namespace={"x": 1}, metadata={}), SMALL) == ()


def test_a_version_to_insist_on_is_never_negative() -> None:
    assert codes(command_faults(Delete(memory_type=SESSION, id="s", if_version=-1), SMALL)) == [
        (INVALID, ("if_version",))
    ]
    assert command_faults(Delete(memory_type=SESSION, id="s", if_version=0), SMALL) == ()


def test_the_id_of_a_new_session_may_be_chosen() -> None:
    assert command_faults(new_session("chat:2026-05-01"), SMALL) == ()
    assert command_faults(new_session(None), SMALL) == ()
    assert codes(command_faults(new_session("a b"), SMALL)) == [(INVALID, ("id",))]


def test_the_id_of_another_memory_is_not_chosen() -> None:
    made = Create(id="mine", changes=Changes(memory_type=WORKING, given={}))
    assert codes(command_faults(made, SMALL)) == [(INVALID, ("id",))]


def test_an_entry_id_needs_a_session() -> None:
    assert codes(command_faults(new_working(None, "m1"), SMALL)) == [(INVALID, ("entry_id",))]
    assert codes(command_faults(new_working("s1", "m" * 513), SMALL)) == [(INVALID, ("entry_id",))]
    assert command_faults(new_working("s1", "m" * 512), SMALL) == ()


def test_only_a_working_memory_belongs_to_a_session() -> None:
    made = Create(session_id="s1", changes=Changes(memory_type=LONG_TERM, given={"memory": "x"}))
    assert codes(command_faults(made, SMALL)) == [(INVALID, ("session_id",))]


def test_a_new_fact_must_be_stated() -> None:
    made = Create(changes=Changes(memory_type=LONG_TERM, given={"tags": {}}), namespace={"n": "0123456789abcdef"})
    assert codes(command_faults(made, SMALL)) == [(INVALID, ("namespace",)), (INVALID, ("memory",))]
    assert command_faults(new_fact("x", strategy="s", pinned=True), SMALL) == ()


def test_a_reason_has_up_to_a_thousand_characters() -> None:
    assert request_faults(reason=None, idempotency_key=None) == ()
    assert request_faults(reason="", idempotency_key=None) == ()
    assert request_faults(reason="é" * 1000, idempotency_key=None) == ()
    assert codes(request_faults(reason="é" * 1001, idempotency_key=None)) == [(INVALID, ("reason",))]
    assert codes(request_faults(reason="\0", idempotency_key=None)) == [(INVALID, ("reason",))]


def test_an_idempotency_key_has_one_to_255_characters() -> None:
    assert request_faults(reason=None, idempotency_key="k" * 255) == ()
    for key in ("", "k" * 256, "\ud800"):
        assert codes(request_faults(reason=None, idempotency_key=key)) == [(INVALID, ("idempotency_key",))]
