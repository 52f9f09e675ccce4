"""Content types: which request bodies are read, and in which form a client wants its answer."""

import re
from collections.abc import Sequence
from functools import lru_cache

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
EVENTS = "text/event-stream"

_JSON = JSON.encode()

# What each form answers to, the most specific first. Events are for those who name them: a client that takes anything
# would wait for the end of a stream.
_RANGES = {
    JSON: (JSON, "application/*", "*/*"),
    RESPONSE_JSON: (RESPONSE_JSON, "application/*", "*/*"),
    EVENTS: (EVENTS,),
}
# https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2
_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


_LONGEST_KEPT = 200
"""Clients say the same again and again, in few words."""


def is_json(content_type: bytes | None) -> bool:
    """Whether a body of this type is JSON in UTF-8."""
    if content_type == _JSON:
        return True
    media_type, parameters = _parts(str(content_type or b"", "latin-1"))
    return media_type == JSON and parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")


def answer_type(accept: Sequence[bytes], *, among: tuple[str, ...] = tuple(_RANGES)) -> str | None:
    """The type that the Accept headers prefer; of equals the first, and JSON where nothing else is said.

    None where they take none of those. As RFC 9110 has it, the most specific range decides about a type.
    """
    said = accept[0] if len(accept) == 1 else b",".join(accept)
    preferred = _kept_preference if len(said) <= _LONGEST_KEPT else _preferred
    return preferred(said, among)


def _preferred(accept: bytes, among: tuple[str, ...]) -> str | None:
    ranges = _ranges(accept)
    if not ranges:
        return JSON
    wanted = {media_type: _preference(media_type, ranges) for media_type in among}
    # Of equals, `max` takes the first.
    best = max(wanted, key=wanted.__getitem__)
    quality, _ = wanted[best]
    return best if quality > 0 else None


_kept_preference = lru_cache(maxsize=256)(_preferred)


def takes_events(accept: Sequence[bytes]) -> bool:
    """Whether the Accept headers name the one form that more than one answer can have."""
    quality, _ = _preference(EVENTS, _ranges(b",".join(accept)))
    return quality > 0


def _preference(media_type: str, ranges: dict[str, tuple[float, int]]) -> tuple[float, int]:
    """The quality of a type, and where it was said: later is less."""
    return next((ranges[name] for name in _RANGES[media_type] if name in ranges), (0.0, 0))


def _ranges(accept: bytes) -> dict[str, tuple[float, int]]:
    """Each range that can be read, with its quality and its place, counted down from 0."""
    ranges: dict[str, tuple[float, int]] = {}
    for item in str(accept, "latin-1").split(","):
        name, parameters = _parts(item)
        quality = parameters.get("q", "1")
        if name and _QUALITY.fullmatch(quality):
            ranges.setdefault(name, (float(quality), -len(ranges)))
    return ranges


def _parts(text: str) -> tuple[str, dict[str, str]]:
    media_type, *parameters = text.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return media_type.strip().lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
