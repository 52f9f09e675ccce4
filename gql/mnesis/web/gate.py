"""What a request passes before any edge sees it: its host, its caller, the size of its body."""

import logging
from collections.abc import Awaitable, Collection
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnesis.web.answers import error_answer
from mnesis.web.authentication import Authenticator, Unauthenticated
from mnesis.web.dialects import dialect_of
from mnesis.web.keys import KeysUnavailable
from mnesis.web.request_notes import called_by
from mnesis.web.routes import OTHER_CREDENTIALS, is_public

_SAFE = ((b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"), (b"referrer-policy", b"no-referrer"))

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_log = logging.getLogger(__name__)


class LocalOnly:
    """Lets pass only what was addressed to this machine by one of its local names, and by no foreign page.

    A page on the web can point a name of its own at 127.0.0.1 (DNS rebinding) and so read from a server that
    trusts everybody who reaches it; its requests still bear that name in Host, and its origin in Origin.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)

    # Here and below: what only hands on awaits nothing itself, because every coroutine in between is paid for at every
    # step of those inside.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._app(scope, receive, send)
        refusal = self._refusal(_header(scope, b"host") or "", _header(scope, b"origin"))
        if refusal is None:
            return self._app(scope, receive, send)
        if scope["type"] == "websocket":
            # Closed before it is accepted, a socket is answered with the status 403.
            return send({"type": "websocket.close", "code": 1008, "reason": ""})
        return error_answer(403, refusal)(scope, receive, send)

    def _refusal(self, host: str, origin: str | None) -> str | None:
        if _host_name(f"//{host}") not in LOCAL_NAMES:
            return "Without authentication the server answers to localhost, 127.0.0.1 and [::1] only."
        if origin is not None and origin not in self._origins and _host_name(origin) not in LOCAL_NAMES:
            return "Without authentication the server answers to local pages and MNESIS_CORS_ORIGINS only."
        return None


class Authentication:
    """Puts the `Caller` at ``scope["state"]["caller"]`` for every request to a route that needs a caller.

    Sockets pass: browsers cannot send a header with one, so their edge asks for credentials in the first message.
    """

    def __init__(self, app: ASGIApp, *, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_public(scope["path"]) and scope["path"] not in OTHER_CREDENTIALS:
            try:
                header = _authorization(scope)
                if (dialect := dialect_of(scope)) is not None:
                    header = dialect.authorization(header)
                caller = await self._authenticator.authenticate(header)
            except Unauthenticated as refused:
                await _challenge(refused)(scope, receive, send)
                return
            except KeysUnavailable as unavailable:
                _log.warning("%s", unavailable)
                answer = error_answer(503, "Tokens cannot be checked at the moment.", headers={"Retry-After": "10"})
                await answer(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
            called_by(caller)
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a request body of more than ``limit_bytes``, whether its length is announced or not."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = _header(scope, b"content-length") or ""
        if announced.isdecimal() and int(announced) > self._limit_bytes:
            await self._answer()(scope, receive, send)
            return
        received = 0
        started = False

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._limit_bytes:
                    raise _TooLarge
            return message

        def watch(message: Message) -> Awaitable[None]:
            nonlocal started
            started = True
            return send(message)

        try:
            await self._app(scope, receive_within_limit, watch)
        except _TooLarge:
            if started:
                raise
            await self._answer()(scope, receive, send)

    def _answer(self) -> Response:
        return error_answer(413, f"A request body may have at most {self._limit_bytes} bytes.", limit=self._limit_bytes)


class _TooLarge(Exception):
    pass


class SafeHeaders:
    """Tells browsers to take no answer for anything but what it says it is, and to frame none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_SAFE]
            return send(message)

        return self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class Straight:
    """Serves one path past the router, which would try the paths before it first and look for faults that none has.

    The router knows the path too, for requests that a proxy has given a prefix.
    """

    def __init__(self, app: ASGIApp, *, path: str, service: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._service = service

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        is_asked = scope["type"] != "lifespan" and scope["path"] == self._path
        return (self._service if is_asked else self._app)(scope, receive, send)


def _authorization(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) > 1:
        raise Unauthenticated("There must be one Authorization header.")
    return str(values[0], "latin-1") if values else None


def _challenge(refused: Unauthenticated) -> Response:
    challenge = 'Bearer realm="mnesis"'
    if not refused.missing:
        told = refused.message.replace('"', "'")
        challenge += f', error="invalid_token", error_description="{told}"'
    return error_answer(401, refused.message, headers={"WWW-Authenticate": challenge})


def _header(scope: Scope, wanted: bytes) -> str | None:
    """The first header of this name, which is in small letters."""
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return None


@lru_cache(maxsize=256)
def _host_name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
