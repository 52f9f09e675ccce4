"""Manifests of trusted documents, in the formats that the tools of clients write; which one, the content tells."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnesis.complaints import Complaint
from mnesis.domain.refusals import quoted

APOLLO_FORMAT = "apollo-persisted-query-manifest"
_APOLLO_MEMBERS = ("id", "name", "type", "body")
_KINDS = ("query", "mutation", "subscription")


class BadManifest(Complaint):
    """A manifest, or a document in it, cannot be trusted. The text names the file, the id and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A document as a manifest lists it; Apollo's also tell the ``name`` and the ``kind`` of its operation."""

    identifier: str
    text: str
    name: str | None = None
    kind: str | None = None


def read_manifest(path: Path) -> list[Listed]:
    """The documents of a file. Raises `BadManifest`.

    An object of ids and texts is what Relay and the client preset of GraphQL Code Generator write.
    """
    content = _json(path)
    if not isinstance(content, dict):
        raise BadManifest(f"{path}: a manifest is a JSON object.")
    if content.get("format") == APOLLO_FORMAT:
        return _from_apollo(path, content)
    # Other formats of Apollo's, and what is no manifest at all, hold more than texts.
    for identifier, text in content.items():
        if not isinstance(text, str):
            raise BadManifest(
                f"{path}: {quoted(identifier)} is not the text of a document; known are objects of ids and texts, and"
                f" the format {APOLLO_FORMAT}."
            )
    return [Listed(identifier=identifier, text=text) for identifier, text in content.items()]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes().decode(), object_pairs_hook=_once)
    except _Twice as twice:
        raise BadManifest(f"{path}: {quoted(twice.name)} stands there twice.") from None
    except OSError as error:
        raise BadManifest(f"{path}: the file cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise BadManifest(f"{path}: this is not JSON in UTF-8.") from None


class _Twice(Exception):
    """A member stands in an object twice."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two texts under one id Python would take the last and say nothing.
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Twice(name)
        found[name] = value
    return found


def _from_apollo(path: Path, content: dict[str, Any]) -> list[Listed]:
    version, operations = content.get("version"), content.get("operations")
    if version != 1:
        raise BadManifest(f"{path}: of the format {APOLLO_FORMAT} only version 1 is known.")
    if not isinstance(operations, list):
        raise BadManifest(f"{path}: operations must be a list.")
    return [_apollo_operation(path, index, operation) for index, operation in enumerate(operations)]


def _apollo_operation(path: Path, index: int, operation: Any) -> Listed:
    members = operation if isinstance(operation, dict) else {}
    identifier, name, kind, text = (members.get(member) for member in _APOLLO_MEMBERS)
    if not (isinstance(identifier, str) and isinstance(name, str) and isinstance(text, str) and kind in _KINDS):
        which = f"the operation {quoted(identifier)}" if isinstance(identifier, str) else f"operations[{index}]"
        raise BadManifest(
            f"{path}: {which} must have an id, a name and a body, which are strings, and the type query, mutation or"
            " subscription."
        )
    return Listed(identifier=identifier, text=text, name=name, kind=kind)
