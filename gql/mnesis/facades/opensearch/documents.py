"""Memories, history records and containers as OpenSearch's documents.

A ``source`` is the document as it is stored, which searches answer with; ``shown`` is what GET answers with, where
the values of some objects are made strings of.
"""

from base64 import b64encode
from datetime import datetime
from typing import Any

import orjson

from mnesis.domain.containers import Container
from mnesis.domain.fields import Message
from mnesis.domain.history import HistoryRecord
from mnesis.domain.json_values import JsonObject
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import ChangeKind, HistoryAction, MemoryType, PayloadType
from mnesis.domain.working import DEFAULT_ROLE
from mnesis.facades.opensearch.configuration import KEY, configuration_of
from mnesis.facades.opensearch.kinds import NAMES

PARTICULARS = ("message_id", "checkpoint_id", "parameters", "infer")
"""What a working memory of theirs is given once and for all and ours has no field for: it lies in the namespace, which
stays as it is too, in an object under `KEY`."""
BLOB = "opensearch_blob"
"""The key in our structured data that their ``structured_data_blob`` lies under."""
STRATEGY_TYPES = ("SEMANTIC", "USER_PREFERENCE", "SUMMARY")

_STRINGS = {
    MemoryType.SESSION: (),
    MemoryType.WORKING: ("namespace", "metadata", "tags"),
    MemoryType.LONG_TERM: ("namespace", "tags"),
    MemoryType.HISTORY: ("namespace", "tags"),
}
_ACTIONS = {
    HistoryAction.CREATE: "ADD",
    HistoryAction.UPDATE: "UPDATE",
    HistoryAction.RESTORE: "UPDATE",
    HistoryAction.DELETE: "DELETE",
    HistoryAction.ERASE: "DELETE",
}


def source_of(memory: Memory) -> dict[str, Any]:
    """The stored document of a session, a working or a long-term memory; what is null is left out."""
    match memory.type:
        case MemoryType.SESSION:
            fields = _session(memory)
        case MemoryType.WORKING:
            fields = _working(memory)
        case _:
            fields = _long_term(memory)
    namespace = namespace_of(memory)
    document = {
        "memory_container_id": memory.container_id,
        "owner_id": memory.owner,
        **fields,
        "namespace": namespace or None,
        "namespace_size": len(namespace) or None,
        "created_time": millis(memory.created_at),
        "last_updated_time": millis(memory.content_updated_at),
    }
    return {name: value for name, value in document.items() if value is not None}


def shown(memory: Memory) -> dict[str, Any]:
    """The document that GET answers with."""
    document = _as_strings(source_of(memory), memory.type)
    if memory.type is MemoryType.LONG_TERM:
        del document["memory_container_id"]
    return document


def record_source(record: HistoryRecord) -> dict[str, Any]:
    """The stored document of a history record. ``before`` and ``after`` hold the fields that changed."""
    before = {each.field: _json(each.before) for each in record.changes if each.kind is ChangeKind.SET}
    after = {each.field: _json(each.after) for each in record.changes}
    namespace = _without_particulars(record.namespace)
    document = {
        "memory_container_id": record.container_id,
        "owner_id": record.owner,
        "memory_id": record.memory_id,
        "action": _ACTIONS[record.action],
        "before": {name: value for name, value in before.items() if value is not None} or None,
        "after": {name: value for name, value in after.items() if value is not None} or None,
        "namespace": namespace or None,
        "namespace_size": len(namespace) or None,
        "created_time": millis(record.created_at),
    }
    return {name: value for name, value in document.items() if value is not None}


def record_shown(record: HistoryRecord) -> dict[str, Any]:
    """The document that GET answers with for a history record."""
    return _as_strings(record_source(record), MemoryType.HISTORY)


def container_source(container: Container) -> dict[str, Any]:
    """The document of a container, which GET and searches show alike."""
    document = {
        "name": container.name,
        "description": container.description,
        "configuration": {**configuration_of(container), **_policy(container)},
        "owner": {"name": container.owner} if container.owner is not None else None,
        "backend_roles": list(container.roles) or None,
        "created_time": millis(container.created_at) if container.created_at is not None else None,
        "last_updated_time": millis(container.updated_at) if container.updated_at is not None else None,
    }
    return {name: value for name, value in document.items() if value is not None}


def _policy(container: Container) -> JsonObject:
    policy: JsonObject = {}
    for kind, rule in container.retention.items():
        bounds = {"retention_days": rule.days, "max_count": rule.count}
        policy[NAMES[kind]] = {name: bound for name, bound in bounds.items() if bound is not None}
    return {"retention_policy": policy} if policy else {}


def namespace_of(memory: Memory) -> JsonObject:
    """The namespace as OpenSearch knows it: with the session of an entry, without what is ours."""
    namespace = _without_particulars(memory.namespace)
    if memory.session_id is not None:
        namespace.setdefault("session_id", memory.session_id)
    return namespace


def particulars_of(memory: Memory) -> JsonObject:
    """What stands in the namespace of a working memory and is none of it; see `PARTICULARS`."""
    found = memory.namespace.get(KEY)
    return found if isinstance(found, dict) else {}


def messages_of(memory: Memory) -> list[dict[str, Any]]:
    """The messages of a working memory; the content of an entry counts as one."""
    messages = memory.values["messages"]
    if isinstance(messages, tuple) and messages:
        return list(map(_message, messages))
    content = memory.values["content"]
    if not isinstance(content, str):
        return []
    role = memory.values["role"]
    return [_message(Message(role=role if isinstance(role, str) else DEFAULT_ROLE, text=content))]


def millis(instant: datetime) -> int:
    """Milliseconds since 1970."""
    return round(instant.timestamp() * 1_000_000) // 1_000


def strings(values: JsonObject) -> JsonObject:
    """An object whose values are strings: those that are none are written as JSON."""
    return {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in values.items()}


def _session(memory: Memory) -> dict[str, Any]:
    values = memory.values
    return {
        "summary": values["summary"],
        "metadata": values["metadata"],
        "agents": values["agents"],
        "additional_info": values["additional_info"],
        "pinned": values["pinned"] or None,
    }


def _working(memory: Memory) -> dict[str, Any]:
    values = memory.values
    binary = values["binary_data"]
    structured = values["structured_data"]
    data = dict(structured) if isinstance(structured, dict) else {}
    blob = data.pop(BLOB, None)
    given = particulars_of(memory)
    return {
        "session_id": memory.session_id,
        "payload_type": "data" if values["payload_type"] is PayloadType.DATA else "conversational",
        "messages": messages_of(memory) or None,
        "message_id": given.get("message_id"),
        "checkpoint_id": given.get("checkpoint_id"),
        "binary_data": b64encode(binary).decode() if isinstance(binary, bytes) else None,
        "structured_data": data if data or (structured is not None and blob is None) else None,
        "structured_data_blob": blob,
        "metadata": values["metadata"],
        "tags": values["tags"],
        "parameters": given.get("parameters"),
        "infer": given.get("infer", False),
    }


def _long_term(memory: Memory) -> dict[str, Any]:
    values = memory.values
    strategy = values["strategy"]
    return {
        "memory": values["memory"],
        "tags": values["tags"],
        "strategy_type": strategy if strategy in STRATEGY_TYPES else None,
        "strategy_id": strategy if strategy not in STRATEGY_TYPES else None,
        "pinned": values["pinned"] or None,
    }


def _message(message: Message) -> dict[str, Any]:
    parts = message.parts if message.parts is not None else ({"type": "text", "text": message.text},)
    return {"role": message.role, "content": list(parts)}


def _without_particulars(namespace: JsonObject) -> JsonObject:
    return {name: value for name, value in namespace.items() if name != KEY or not isinstance(value, dict)}


def _as_strings(document: dict[str, Any], kind: MemoryType) -> dict[str, Any]:
    for name in _STRINGS[kind]:
        if name in document:
            document[name] = strings(document[name])
    return document


def _json(value: Any) -> Any:
    match value:
        case bytes():
            return b64encode(value).decode()
        case datetime():
            return millis(value)
        case tuple():
            return [_message(each) for each in value]
        case PayloadType():
            return value.value.lower()
        case _:
            return value
