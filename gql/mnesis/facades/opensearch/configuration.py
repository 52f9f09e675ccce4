"""What OpenSearch sets a container to. Most of it has no counterpart here: it is kept, and given back as it came.

It lies in the container's metadata under `KEY`, beside whatever else stands there.
"""

from typing import Any

from mnesis.domain.containers import Container
from mnesis.domain.json_values import JsonObject
from mnesis.domain.memory_types import MemoryType
from mnesis.facades.opensearch.kinds import NAMES

KEY = "opensearch"
"""Where a container's metadata, and a memory's namespace, hold what only OpenSearch knows."""
CONTAINER_INDEX = ".plugins-ml-am-memory-container"
DEFAULT_PREFIX = "default"


def kept_configuration(container: Container) -> JsonObject:
    """The ``configuration`` that OpenSearch gave a container, as far as it did."""
    kept = (container.metadata or {}).get(KEY)
    found = kept.get("configuration") if isinstance(kept, dict) else None
    return found if isinstance(found, dict) else {}


def kept(container: Container) -> JsonObject | None:
    """The ``configuration`` of a container that was made through OpenSearch; None for any other."""
    configuration = kept_configuration(container)
    # Given at the creation, and never later.
    return configuration if "use_system_index" in configuration else None


def configuration_of(container: Container) -> JsonObject:
    """The ``configuration`` of a container, with the two settings that every one of theirs has."""
    return {"index_prefix": DEFAULT_PREFIX, "use_system_index": True, **kept_configuration(container)}


def has_index(container: Container, kind: MemoryType) -> bool:
    """Whether OpenSearch would have an index for this type. A container that was not made through it has all four."""
    configuration = kept(container)
    if configuration is None:
        return True
    match kind:
        case MemoryType.SESSION:
            return configuration.get("disable_session") is not True
        case MemoryType.WORKING:
            return True
        case MemoryType.LONG_TERM:
            return has_strategies(configuration)
        case MemoryType.HISTORY:
            return has_strategies(configuration) and configuration.get("disable_history") is not True


def has_strategies(configuration: JsonObject) -> bool:
    """Whether facts would be distilled from conversations, so that there are long-term memories."""
    return bool(configuration.get("llm_id")) and bool(configuration.get("strategies"))


def index_of(container: Container, kind: MemoryType) -> str:
    """The name of the index that a memory of this type would lie in."""
    configuration = configuration_of(container)
    name = f"{configuration['index_prefix']}-memory-{NAMES[kind]}"
    return f".plugins-ml-am-{name}" if configuration["use_system_index"] is not False else name


def strategies_of(configuration: JsonObject) -> list[dict[str, Any]]:
    """The strategies of a configuration; what GraphQL may have put beside them is none."""
    found = configuration.get("strategies")
    listed = found if isinstance(found, list) else []
    return [each for each in listed if isinstance(each, dict) and {"id", "type"} <= each.keys()]
