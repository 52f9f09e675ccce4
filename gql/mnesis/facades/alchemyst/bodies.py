"""What a request says, read with the messages that this API's clients know. An explicit null counts as left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mnesis.domain.caller import Caller
from mnesis.facades.alchemyst.errors import invalid
from mnesis.web import json_text

DEFAULT_GROUPS = ["default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: who asks, the body, the parameters of the URL and of the path."""

    caller: Caller
    body: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None


def body_of(sent: bytes) -> Mapping[str, Any]:
    """The JSON object in a body."""
    try:
        body = json_text.decoded(sent)
    except json_text.NotJson as fault:
        raise invalid(str(fault)) from None
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    return body


def text(body: Mapping[str, Any], name: str, *, at: tuple[str, ...] = ()) -> str | None:
    """A text, or None where there is none."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{_place(at, name)} must be a string", *at, name)
    return value


def required_text(body: Mapping[str, Any], name: str, *, at: tuple[str, ...] = ()) -> str:
    """A text that has to be there and is not empty."""
    value = text(body, name, at=at)
    if not value:
        raise invalid(f"{_place(at, name)} field is required", *at, name)
    return value


def flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """True or false."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise invalid(f"{name} must be a boolean", name)
    return value


def mapping(body: Mapping[str, Any], name: str, *, at: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object; an empty one where there is none."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"{_place(at, name)} must be an object", *at, name)
    return value


def objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects that has to be there; it may be empty."""
    value = body.get(name)
    if value is None:
        raise invalid(f"{name} field is required", name)
    if not isinstance(value, list):
        raise invalid(f"{name} must be an array", name)
    for index, each in enumerate(value):
        if not isinstance(each, dict):
            raise invalid(f"{name}.{index} must be an object", name, str(index))
    return value


def one_of(value: str | None, name: str, allowed: tuple[str, ...], default: str) -> str:
    """One of a few words."""
    if value is None:
        return default
    if value not in allowed:
        raise invalid(f"{name} must be one of {', '.join(allowed)}", name)
    return value


def groups(metadata: Mapping[str, Any], *, at: str) -> list[str] | None:
    """The names of groups, which clients spell ``groupName`` or ``group_name``, and give as a list or as one text."""
    for name in ("groupName", "group_name"):
        value = metadata.get(name)
        if value is None:
            continue
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise invalid(f"{at}.{name} must be an array of strings", at, name)
        return listed
    return None


def without_groups(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What else a client has put beside the names of groups."""
    return {name: value for name, value in metadata.items() if name not in ("groupName", "group_name")}


def _place(at: tuple[str, ...], name: str) -> str:
    return ".".join((*at, name))
