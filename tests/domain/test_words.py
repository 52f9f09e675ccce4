"""The small vocabulary of the domain: ids, callers and their scopes, and the sentences of refusals."""

import pytest

from mnesis.domain.caller import EVERY_SCOPE, Caller, Scope
from mnesis.domain.ids import RecordId, is_id, parse_record_id
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import (
    AlreadyExists,
    ContainerNotEmpty,
    Forbidden,
    IdempotencyConflict,
    ImmutableMemory,
    InvalidInput,
    LimitExceeded,
    MemoryTypeMismatch,
    NotFound,
    QuotaExceeded,
    Refusal,
    Refused,
    VersionConflict,
    quoted,
)


@pytest.mark.parametrize("text", ["a", "0", "A.b:c-d_9", "x" * 512])
def test_these_can_be_ids(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize("text", ["", ".a", "-a", "_a", "a b", "a~1", "a@1", "é", "a\n", "x" * 513, "a\0"])
def test_these_cannot_be_ids(text: str) -> None:
    assert not is_id(text)


def test_the_id_of_a_record_is_taken_apart_and_put_together() -> None:
    parsed = parse_record_id("s:1~12")
    assert parsed == RecordId("s:1", 12)
    assert str(parsed) == "s:1~12"


@pytest.mark.parametrize("text", ["s1", "s1~", "s1~0", "s1~01", "s1~-1", "~1", "s1~1~2", "s1~12345678901", "s1~1\n"])
def test_what_is_no_id_of_a_record_is_none(text: str) -> None:
    assert parse_record_id(text) is None


@pytest.mark.parametrize(
    ("granted", "allowed"),
    [
        (frozenset(), frozenset()),
        ({Scope.READ}, {Scope.READ}),
        ({Scope.WRITE}, {Scope.READ, Scope.WRITE}),
        ({Scope.ADMIN}, EVERY_SCOPE),
    ],
)
def test_each_scope_includes_the_lesser_ones(granted: frozenset[Scope], allowed: frozenset[Scope]) -> None:
    caller = Caller(tenant="t", subject="ann", scopes=frozenset(granted))
    assert {scope for scope in Scope if caller.may(scope)} == allowed


@pytest.mark.parametrize(
    ("refusal", "code", "sentence"),
    [
        (InvalidInput(text="No."), "INVALID_INPUT", "No."),
        (NotFound(kind="session", id="s1"), "NOT_FOUND", 'There is no session with the id "s1".'),
        (
            MemoryTypeMismatch(requested=MemoryType.SESSION, actual=MemoryType.WORKING),
            "MEMORY_TYPE_MISMATCH",
            "A SESSION memory was asked for, but this id is of type WORKING.",
        ),
        (
            MemoryTypeMismatch(requested=MemoryType.SESSION, actual=MemoryType.WORKING, given_input=True),
            "MEMORY_TYPE_MISMATCH",
            "The type is SESSION, but the input holds fields of WORKING.",
        ),
        (
            ImmutableMemory(memory_type=MemoryType.HISTORY),
            "IMMUTABLE_MEMORY",
            "HISTORY memories cannot be created, changed or deleted.",
        ),
        (
            VersionConflict(expected=3, actual=5, current=None),
            "VERSION_CONFLICT",
            "Expected version 3, found version 5.",
        ),
        (
            VersionConflict(expected=0, actual=5, current=None),
            "VERSION_CONFLICT",
            "Expected no memory, found version 5.",
        ),
        (
            VersionConflict(expected=3, actual=0, current=None),
            "VERSION_CONFLICT",
            "Expected version 3, found no memory.",
        ),
        (
            AlreadyExists(kind="session", id="m1"),
            "ALREADY_EXISTS",
            'There is already a session with the id "m1".',
        ),
        (
            ContainerNotEmpty(id="c", memories=2),
            "CONTAINER_NOT_EMPTY",
            'The container "c" holds 2 memories, which have to be deleted with it or before it.',
        ),
        (Forbidden(required_scope=Scope.WRITE), "FORBIDDEN", "This needs the scope memory:write."),
        (
            IdempotencyConflict(),
            "IDEMPOTENCY_CONFLICT",
            "This idempotency key was used before with other arguments.",
        ),
        (
            LimitExceeded(unit="items", limit=2, actual=3),
            "LIMIT_EXCEEDED",
            "At most 2 items are allowed; there are 3.",
        ),
        (
            LimitExceeded(unit="items", limit=2, actual=3, advice="Send fewer."),
            "LIMIT_EXCEEDED",
            "At most 2 items are allowed; there are 3. Send fewer.",
        ),
        (
            QuotaExceeded(unit="memories", limit=10, used=10),
            "QUOTA_EXCEEDED",
            "The quota of 10 memories is used up (10).",
        ),
    ],
)
def test_every_refusal_says_what_is_wrong_in_a_sentence(refusal: Refusal, code: str, sentence: str) -> None:
    assert (refusal.code, refusal.message) == (code, sentence)


def test_every_kind_of_refusal_is_known_to_the_test_above() -> None:
    assert {kind.__name__ for kind in Refusal.__subclasses__()} == {
        "InvalidInput", "NotFound", "MemoryTypeMismatch", "ImmutableMemory", "VersionConflict", "AlreadyExists",
        "Forbidden", "IdempotencyConflict", "LimitExceeded", "QuotaExceeded", "ContainerNotEmpty",
    }  # fmt: skip


def test_a_callers_own_text_is_shown_short_and_printable() -> None:
    assert quoted("a" * 81) == '"' + "a" * 77 + '..."'
    assert quoted('a"\n\x1bb') == '"a\N{REPLACEMENT CHARACTER}' + "\N{REPLACEMENT CHARACTER}" * 2 + 'b"'


def test_a_refused_request_tells_everything() -> None:
    refused = Refused(InvalidInput(text="One."), InvalidInput(text="Two."))
    assert str(refused) == "One. Two."
    assert len(refused.refusals) == 2
