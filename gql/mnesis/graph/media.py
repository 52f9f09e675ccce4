"""Content types: which request bodies are read, and in which form a client wants its answer."""

from collections.abc import Iterable, Iterator

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
EVENTS = "text/event-stream"

_STANDS_FOR = {RESPONSE_JSON: RESPONSE_JSON, JSON: JSON, "application/*": JSON, "*/*": JSON, EVENTS: EVENTS}


def is_json(content_type: str | None) -> bool:
    """Whether a body of this type is JSON in UTF-8."""
    media_type, parameters = _parts(content_type or "")
    return media_type == JSON and parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")


def answer_type(accept: Iterable[str]) -> str:
    """The type that the Accept headers prefer; of equals the first. JSON where none of them can be had."""
    best, best_quality = JSON, 0.0
    for media_type, quality in _preferences(accept):
        if media_type in _STANDS_FOR and quality > best_quality:
            best, best_quality = _STANDS_FOR[media_type], quality
    return best


def takes_events(accept: Iterable[str]) -> bool:
    """Whether the Accept headers name the one form that more than one answer can have."""
    return any(media_type == EVENTS and quality > 0 for media_type, quality in _preferences(accept))


def _preferences(accept: Iterable[str]) -> Iterator[tuple[str, float]]:
    for header in accept:
        for item in header.split(","):
            media_type, parameters = _parts(item)
            try:
                yield media_type, float(parameters.get("q", "1"))
            except ValueError:
                continue


def _parts(text: str) -> tuple[str, dict[str, str]]:
    media_type, *parameters = text.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return media_type.strip().lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
