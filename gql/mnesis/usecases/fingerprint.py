"""Whether two requests are the same, for idempotency keys: equal arguments, whatever the order of JSON keys."""

import hashlib
import json
from base64 import b64encode
from dataclasses import fields, is_dataclass
from typing import Any


def fingerprint(request: object) -> str:
    """A SHA-256 over the request's kind and arguments, in hex; the idempotency key itself does not count."""
    digest = hashlib.sha256()
    # A stack of its own: refused JSON counts too, and may nest more deeply than Python calls do.
    waiting: list[object] = [request]
    while waiting:
        head, members = _opened(waiting.pop())
        digest.update(f"{head} {len(members)};".encode())
        waiting += members
    return digest.hexdigest()


def _opened(value: Any) -> tuple[str, list[object]]:  # Anything that a request can hold.
    """What stands for the value itself, and the values in it."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.name != "idempotency_key"]
        return type(value).__name__, [getattr(value, name) for name in names]
    if isinstance(value, tuple | list):
        return "list", list(value)
    if isinstance(value, frozenset):
        return "set", sorted(value)
    if isinstance(value, dict):
        return "object", [member for key in sorted(value) for member in (key, value[key])]
    if isinstance(value, bytes):
        return f"bytes {b64encode(value).decode()}", []
    if value is None or isinstance(value, bool | int | float | str):
        return json.dumps(value), []
    return f"text {value}", []
