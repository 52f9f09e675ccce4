"""What the log writes, gathered by a handler of the program's own making."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mnesis.observing.logs import formatter


class Written:
    """Everything that was written since the test began."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def events(self, *events: str) -> list[dict[str, Any]]:
        """The lines with these events."""
        return [line for line in self.lines if line["event"] in events]

    def only(self, event: str = "operation") -> dict[str, Any]:
        [line] = self.events(event)
        return line


@contextmanager
def writing(*, level: int = logging.INFO, console: bool = False) -> Iterator[Written]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(console=console))
    # The tests' own client, and a log that `mnesis serve` turns off.
    handler.addFilter(lambda record: record.name not in ("httpx", "uvicorn.access"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield Written(stream)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
