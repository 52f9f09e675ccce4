"""How the answer to a request with an idempotency key is kept: what its sender saw, without the memories.

The memories of a repeated answer are read as they are now, by their ids.
"""

import json
from dataclasses import fields
from typing import Any

from mnesis.domain.caller import Scope
from mnesis.domain.commands import BatchOutcome, Outcome
from mnesis.domain.memory_types import MemoryType, WriteStatus
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
    VersionConflict,
)

_CLASSES: dict[str, type[Refusal]] = {
    refusal.code: refusal
    for refusal in (
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
        VersionConflict,
    )
}
_WORDS: dict[str, Any] = {
    "requested": MemoryType,
    "memory_type": MemoryType,
    "required_scope": Scope,
}


def answer_text(answer: BatchOutcome) -> str:
    """The answer as JSON."""
    # Not orjson: a refused entry's key is repeated as it was given, which may be no valid Unicode.
    return json.dumps(
        {
            "outcomes": [_outcome_json(outcome) for outcome in answer.outcomes],
            "session_version": answer.session_version,
            "cascaded": {str(index): count for index, count in answer.cascaded.items()},
        },
        separators=(",", ":"),
    )


def answer_from(text: str) -> BatchOutcome:
    """The answer that `answer_text` wrote; its outcomes carry ids and no memories."""
    stored = json.loads(text)
    return BatchOutcome(
        outcomes=tuple(map(_outcome_from, stored["outcomes"])),
        session_version=stored["session_version"],
        cascaded={int(index): count for index, count in stored["cascaded"].items()},
    )


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    stored: dict[str, Any] = {"status": outcome.status.value}
    for name in ("id", "entry_id", "version"):
        value = getattr(outcome, name)
        if value is not None:
            stored[name] = value
    if outcome.refusals:
        stored["refusals"] = [_refusal_json(refusal) for refusal in outcome.refusals]
    return stored


def _outcome_from(stored: dict[str, Any]) -> Outcome:
    return Outcome(
        status=WriteStatus(stored["status"]),
        id=stored.get("id"),
        entry_id=stored.get("entry_id"),
        version=stored.get("version"),
        refusals=tuple(map(_refusal_from, stored.get("refusals", ()))),
    )


def _refusal_json(refusal: Refusal) -> dict[str, Any]:
    facts = {name: getattr(refusal, name) for name in _facts(type(refusal))}
    return {"code": refusal.code, "path": refusal.path, "facts": facts}


def _refusal_from(stored: dict[str, Any]) -> Refusal:
    made = _CLASSES[stored["code"]]
    facts = {name: _worded(made, name, value) for name, value in stored["facts"].items()}
    if made is VersionConflict:
        facts["current"] = None  # It is read as it is now.
    return made(path=tuple(stored["path"]), **facts)


def _facts(refusal: type[Refusal]) -> list[str]:
    return [fact.name for fact in fields(refusal) if fact.name not in ("path", "current")]


def _worded(refusal: type[Refusal], name: str, value: Any) -> Any:
    if refusal is MemoryTypeMismatch and name == "actual":
        return MemoryType(value)
    return _WORDS[name](value) if name in _WORDS else value
