"""What a request passes before any edge sees it: its host, its caller, the size of its body."""

import logging
from collections.abc import Collection, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnesis.web.answers import error_answer
from mnesis.web.authentication import Authenticator, Unauthenticated
from mnesis.web.dialects import Dialect, dialect_at
from mnesis.web.heads import Heads, heads_of
from mnesis.web.keys import KeysUnavailable
from mnesis.web.request_notes import current_request
from mnesis.web.routes import needs_a_caller

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_log = logging.getLogger(__name__)


class Gate:
    """Lets a request through to the edge that serves it, or answers it.

    It stands before everything, and every request pays for it: so it is one step, made of the rules below, each of
    which says for itself what it keeps out. ``local`` is for a server that knows no callers.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        request_bytes: int,
        local: "LocalOnly | None" = None,
        straight: tuple[str, ASGIApp] | None = None,
        dialects: Sequence[Dialect] = (),
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._request_bytes = request_bytes
        self._local = local
        # The one path that is served past the router, which would try the paths before it first and look for faults
        # that none has. The router knows the path too, for requests that a proxy has given a prefix.
        self._path, self._service = straight or ("", app)
        self._dialects = tuple(dialects)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._app(scope, receive, send)
            return
        heads = heads_of(scope)
        if self._local is not None and (foreign := self._local.refusal(heads)) is not None:
            if kind == "websocket":
                # Closed before it is accepted, a socket is answered with the status 403.
                await send({"type": "websocket.close", "code": 1008, "reason": ""})
            else:
                await error_answer(403, foreign)(scope, receive, send)
            return
        path = scope["path"]
        service = self._service if path == self._path else self._app
        if kind != "http":
            # A socket passes: browsers cannot send a header with one, so its edge asks for credentials in the first
            # message.
            await service(scope, receive, send)
            return
        note = current_request()
        assert note is not None  # `RequestNotes` stands before this.
        if needs_a_caller(path):
            try:
                caller = await self._authenticator.authenticate(self._credentials(heads, path))
            except (Unauthenticated, KeysUnavailable) as unknown:
                await _unknown(unknown)(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = note.caller = caller
        if announces_more(heads, self._request_bytes):
            await self._too_large()(scope, receive, send)
            return
        try:
            await service(scope, at_most(self._request_bytes, receive), send)
        except TooLarge:
            if note.status:
                # It has been answered already.
                raise
            await self._too_large()(scope, receive, send)

    def _credentials(self, heads: Heads, path: str) -> str | None:
        """What stands in `Authorization`, as an `Authenticator` reads it. Raises `Unauthenticated`."""
        header = authorization(heads) if b"authorization" in heads.first else None
        if self._dialects and (dialect := dialect_at(path, self._dialects)) is not None:
            return dialect.authorization(header)
        return header

    def _too_large(self) -> Response:
        most = self._request_bytes
        return error_answer(413, f"A request body may have at most {most} bytes.", limit=most)


class LocalOnly:
    """Lets pass only what was addressed to this machine by one of its local names, and by no foreign page.

    A page on the web can point a name of its own at 127.0.0.1 (DNS rebinding) and so read from a server that
    trusts everybody who reaches it; its requests still bear that name in Host, and its origin in Origin.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def refusal(self, heads: Heads) -> str | None:
        """Why a request does not pass; None where it does."""
        if not _is_this_machine(heads.first.get(b"host", b"")):
            return "Without authentication the server answers to localhost, 127.0.0.1 and [::1] only."
        origin = heads.first.get(b"origin")
        if origin is not None and str(origin, "latin-1") not in self._origins and not _is_local(origin):
            return "Without authentication the server answers to local pages and MNESIS_CORS_ORIGINS only."
        return None


def authorization(heads: Heads) -> str:
    """The credentials of a request that has some; raises `Unauthenticated` where there are several, of which one might
    not hold."""
    values = heads.every(b"authorization")
    if len(values) > 1:
        raise Unauthenticated("There must be one Authorization header.")
    return str(values[0], "latin-1")


def _unknown(unknown: Unauthenticated | KeysUnavailable) -> Response:
    """The answer to somebody of whom it is not known who it is."""
    if isinstance(unknown, KeysUnavailable):
        _log.warning("%s", unknown)
        return error_answer(503, "Tokens cannot be checked at the moment.", headers={"Retry-After": "10"})
    # As RFC 6750 has it.
    challenge = 'Bearer realm="mnesis"'
    if not unknown.missing:
        told = unknown.message.replace('"', "'")
        challenge += f', error="invalid_token", error_description="{told}"'
    return error_answer(401, unknown.message, headers={"WWW-Authenticate": challenge})


def announces_more(heads: Heads, most_bytes: int) -> bool:
    """Whether a body is announced that is too large; what is no number announces nothing."""
    announced = heads.first.get(b"content-length", b"")
    return announced.isdigit() and int(announced) > most_bytes


class TooLarge(Exception):
    """A body has more bytes than it may have."""


def at_most(most_bytes: int, receive: Receive) -> Receive:
    """Receives a body that has no more bytes, whether its length was announced or not; raises `TooLarge` else."""
    received = 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > most_bytes:
                raise TooLarge
        return message

    return receive_within_limit


@lru_cache(maxsize=256)
def _is_this_machine(host: bytes) -> bool:
    return _is_local(b"//" + host)


@lru_cache(maxsize=256)
def _is_local(address: bytes) -> bool:
    try:
        return urlsplit(str(address, "latin-1")).hostname in LOCAL_NAMES
    except ValueError:
        return False
