"""What is noted of the request under way: an id, by which its lines in the log are found, and who calls."""

import re
from collections.abc import Awaitable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from random import getrandbits

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnesis.domain.caller import Caller
from mnesis.web.answers import CODES, answer_fault
from mnesis.web.heads import Heads, heads_of
from mnesis.web.observation import UNOBSERVED, Observer

HEADER = "X-Request-Id"
_HEADER = HEADER.lower().encode()
# What proxies make: UUIDs, hexadecimal numbers, `Root=1-67891233-abcdef`. Nothing that could end a line of a log.
_ID = re.compile(rb"[A-Za-z0-9._:/=+@-]{1,100}")

_SAFE = ((b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"), (b"referrer-policy", b"no-referrer"))
"""These tell browsers to take no answer for anything but what it says it is, and to frame none."""

CLOSING_CODES = {
    1008: "FORBIDDEN",
    1013: "UNAVAILABLE",
    4400: "BAD_USER_INPUT",
    4401: "UNAUTHENTICATED",
    4403: "UNAUTHENTICATED",
    4406: "BAD_USER_INPUT",
    4408: "UNAUTHENTICATED",
    4409: "BAD_USER_INPUT",
    4429: "BAD_USER_INPUT",
}
"""What the close of a socket by the server says, in the words that a request is refused with."""


@dataclass(slots=True)
class RequestNote:
    """One HTTP request, or one socket with everything that is asked over it.

    ``status`` is 0 until it is answered. ``operations`` counts what was observed of it, so that a refusal is not told
    twice.
    """

    id: str
    headers: Sequence[tuple[bytes, bytes]] = ()
    caller: Caller | None = None
    status: int = 0
    operations: int = 0


_current: ContextVar[RequestNote | None] = ContextVar("mnesis_request", default=None)


def current_request() -> RequestNote | None:
    """The request that the running task works for."""
    return _current.get()


def called_by(caller: Caller) -> None:
    """Notes who the request is from, as soon as that is known."""
    note = _current.get()
    if note is not None:
        note.caller = caller


class RequestNotes:
    """Gives every request its id, taken from the header X-Request-Id or made, and the answer the same header.

    Every answer passes here last, and so is given the headers that make it safe too.
    """

    def __init__(self, app: ASGIApp, *, observer: Observer = UNOBSERVED) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        note = RequestNote(_id(heads_of(scope)), scope["headers"])

        # What only hands on awaits nothing itself: every coroutine in between is paid for at every step of those
        # inside.
        def send_noted(message: Message) -> Awaitable[None]:
            kind = message["type"]
            if kind == "http.response.start":
                note.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_SAFE, (_HEADER, note.id.encode())]
            elif kind == "websocket.accept":
                note.status = 101
                message["headers"] = [*message.get("headers", ()), (_HEADER, note.id.encode())]
            elif kind == "websocket.close" and message.get("code") in CLOSING_CODES:
                self._observer.refused(CLOSING_CODES[message["code"]], message["code"])
            return send(message)

        token = _current.set(note)
        try:
            await self._app(scope, receive, send_noted)
        except Exception as fault:
            # Starlette would answer outside of this, where neither the answer nor the log knew the id.
            if scope["type"] == "http" and not note.status:
                await (await answer_fault(Request(scope), fault))(scope, receive, send_noted)
            raise
        finally:
            if note.status >= 400 and not note.operations:
                self._observer.refused(CODES.get(note.status, CODES[400]), note.status)
            _current.reset(token)


def _id(heads: Heads) -> str:
    if _HEADER in heads.first:
        for value in heads.every(_HEADER):
            if _ID.fullmatch(value):
                return str(value, "ascii")
    # No secret: an id has to be another one each time, and asking the system for it would let other threads go first.
    return getrandbits(128).to_bytes(16, "big").hex()
