"""The configuration of a container: what may be in it, and what a change makes of it."""

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from mnesis.domain.containers import GivenRule, RetentionRule
from mnesis.domain.memory_types import MemoryType
from mnesis.facades.opensearch.configuration import DEFAULT_PREFIX, strategies_of
from mnesis.facades.opensearch.errors import OpenSearchError, illegal_argument, status_error
from mnesis.facades.opensearch.kinds import KINDS
from mnesis.facades.opensearch.reading_bodies import text

DENSE = "TEXT_EMBEDDING"
SPARSE = "SPARSE_ENCODING"
STRATEGIES = ("SEMANTIC", "USER_PREFERENCE", "SUMMARY")
EMBEDDING = ("embedding_model_type", "embedding_model_id", "embedding_dimension")
FIXED = ("index_prefix", "use_system_index", "disable_history", "disable_session")
"""What an update of a container leaves as it is, whatever it says."""
MOST_INFERRED = 10
ROLE_CHARACTERS = 128
WORKING_RETENTION = (
    "Working memory retention cannot be configured directly. Working memory is deleted when its parent session expires."
    ' To control message lifetime, configure retention on "sessions" instead.'
)
NO_RETENTION = (
    "Cannot set retention_policy: the memory retention feature is not enabled. To enable it, please update the cluster"
    " setting plugins.ml_commons.memory.retention_enabled"
)

_ROLE = re.compile(r"[a-zA-Z0-9:+=,.@_/-]+\Z")


def new_configuration(given: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a new container. Raises `OpenSearchError`."""
    configuration = {name: value for name, value in given.items() if value is not None and name != "retention_policy"}
    _check_prefix(configuration.get("index_prefix"))
    configuration.setdefault("use_system_index", True)
    prefix = DEFAULT_PREFIX if configuration["use_system_index"] is not False else uuid4().hex[:8]
    configuration.setdefault("index_prefix", prefix)
    _check_embedding(configuration)
    _check_inferred(configuration)
    if "strategies" in configuration:
        configuration["strategies"] = [_new_strategy(each) for each in _listed(configuration["strategies"])]
        _check_models(configuration)
    return configuration


def changed_configuration(stored: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The configuration after an update, in which what is null changes nothing. Raises `OpenSearchError`."""
    changes = {
        name: value
        for name, value in given.items()
        if value is not None and name != "retention_policy" and name not in FIXED
    }
    before = {name: stored.get(name) for name in EMBEDDING}
    after = {name: changes.get(name, before[name]) for name in EMBEDDING}
    if strategies_of(stored) and after != before:
        told = json.dumps({name: value for name, value in before.items() if value is not None})
        raise status_error(
            400,
            "Cannot change embedding configuration once strategies are configured. The long-term memory index already"
            f" exists with specific embedding mappings. Current: {told}",
        )
    configuration = {**stored, **changes}
    _check_embedding(configuration)
    _check_inferred(configuration)
    if "strategies" in changes:
        configuration["strategies"] = _merged(strategies_of(stored), _listed(changes["strategies"]))
        _check_models(configuration)
    return configuration


def merged_rules(stored: Mapping[MemoryType, RetentionRule], policy: Any) -> dict[MemoryType, GivenRule] | None:
    """What a ``retention_policy`` makes of a container's rules; None removes all of them.

    What a policy leaves out stays, null removes it. Raises `OpenSearchError`.
    """
    if policy is None:
        return None
    if not isinstance(policy, dict):
        raise illegal_argument("retention_policy must be an object")
    for name in policy:
        if name == "working":
            raise status_error(400, WORKING_RETENTION)
        if name not in KINDS:
            raise status_error(400, f"unknown memory type: {name}")
    return {KINDS[name]: _rule(name, stored.get(KINDS[name], RetentionRule()), rule) for name, rule in policy.items()}


def check_roles(roles: Any) -> list[str]:
    """The backend roles. Raises `OpenSearchError`."""
    if not isinstance(roles, list):
        raise illegal_argument("backend_roles must be an array")
    for role in roles:
        if not isinstance(role, str) or not role.strip():
            raise status_error(400, "Backend role cannot be empty or blank")
        if len(role) > ROLE_CHARACTERS:
            told = f"Backend role exceeds maximum length of {ROLE_CHARACTERS} characters: {role}"
            raise status_error(400, told)
        if not _ROLE.match(role):
            raise status_error(
                400,
                "Backend role contains invalid characters. Only alphanumeric characters and :+=,.@-_/ are allowed:"
                f" {role}",
            )
    return roles


def _rule(name: str, before: RetentionRule, given: Any) -> GivenRule:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise illegal_argument(f"retention_policy.{name} must be an object")
    if name == "history" and given.get("retention_days") is not None:
        raise status_error(400, "retention_days is not supported for history memory type")
    for field in ("retention_days", "max_count"):
        value = given.get(field)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise status_error(400, f"{field} must be a positive integer or null")
    days, count = given.get("retention_days", before.days), given.get("max_count", before.count)
    return RetentionRule(days=days, count=count) if days is not None or count is not None else None


def _check_prefix(prefix: Any) -> None:
    if prefix is None:
        return
    if not isinstance(prefix, str) or not prefix or prefix != prefix.lower() or set(prefix) & set(' "*\\<|,>/?#:'):
        raise status_error(400, f"missing or invalid index prefix [{prefix}]")
    if any(not character.isprintable() for character in prefix):
        raise status_error(400, "Index prefix must not contain any control characters")


def _check_embedding(configuration: dict[str, Any]) -> None:
    kind, model, dimension = (configuration.get(name) for name in EMBEDDING)
    if kind is None and model is not None:
        raise illegal_argument("Embedding model type is required when embedding model ID is provided")
    if kind is None:
        return
    if not isinstance(kind, str) or kind.upper() not in (DENSE, SPARSE):
        raise illegal_argument(f"Embedding model type must be either {DENSE} or {SPARSE}")
    if model is None:
        raise illegal_argument("Embedding model ID is required when embedding model type is provided")
    if kind.upper() == DENSE and dimension is None:
        raise illegal_argument(f"Dimension is required for {DENSE}")
    if kind.upper() == SPARSE and dimension is not None:
        raise illegal_argument(f"Dimension is not allowed for {SPARSE}")
    configuration["embedding_model_type"] = kind.upper()


def _check_inferred(configuration: dict[str, Any]) -> None:
    most = configuration.get("max_infer_size")
    if most is None and configuration.get("llm_id"):
        configuration["max_infer_size"] = 5
    elif isinstance(most, int) and most > MOST_INFERRED:
        raise illegal_argument(f"Maximum infer size cannot exceed {MOST_INFERRED}")


def _check_models(configuration: dict[str, Any]) -> None:
    lacking = {"LLM model": "llm_id", "embedding model": "embedding_model_id"}
    missing = [spoken for spoken, name in lacking.items() if not configuration.get(name)]
    if configuration["strategies"] and missing:
        raise illegal_argument(
            "Strategies require both an LLM model and embedding model to be configured. Missing:"
            f" {' and '.join(missing)}. Strategies use LLM for fact extraction and embedding model for semantic search."
        )


def _listed(strategies: Any) -> list[Any]:
    if not isinstance(strategies, list):
        raise illegal_argument("strategies must be an array")
    return strategies


def _new_strategy(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise illegal_argument("Strategy cannot be null")
    kind = _strategy_type(given.get("type"))
    if not isinstance(given.get("namespace"), list) or not given["namespace"]:
        raise illegal_argument("Strategy namespace is required. Please provide a non-empty namespace array.")
    id = text("strategies.id", "new", given.get("id")) or f"{kind.lower()}_{uuid4().hex[:8]}"
    return {"enabled": True, **given, "id": id, "type": kind}


def _strategy_type(name: Any) -> str:
    if not isinstance(name, str) or name.upper() not in STRATEGIES:
        raise illegal_argument(f"Invalid memory type: {name}. Must be SEMANTIC, USER_PREFERENCE, or SUMMARY")
    return name.upper()


def _merged(stored: list[dict[str, Any]], given: list[Any]) -> list[dict[str, Any]]:
    """The strategies after an update: one with an id changes the one that has it, one without is new."""
    merged = {str(each["id"]): each for each in stored}
    for each in given:
        if not isinstance(each, dict):
            raise illegal_argument("Strategy cannot be null")
        id = text("strategies.id", "new", each.get("id"))
        if id is None:
            new = _new_strategy(each)
            merged[new["id"]] = new
        else:
            merged[id] = _changed_strategy(merged.get(id), {**each, "id": id})
    return list(merged.values())


def _changed_strategy(before: dict[str, Any] | None, given: dict[str, Any]) -> dict[str, Any]:
    id = given["id"]
    if before is None:
        raise _no_strategy(id)
    if given.get("type") is not None and (kind := _strategy_type(given["type"])) != before["type"]:
        raise status_error(400, f"Cannot change strategy type from {before['type']} to {kind} for strategy {id}")
    changes = {name: value for name, value in given.items() if value is not None and name != "type"}
    return {**before, **changes}


def _no_strategy(id: Any) -> OpenSearchError:
    return status_error(404, f"Strategy with id {id} not found")
