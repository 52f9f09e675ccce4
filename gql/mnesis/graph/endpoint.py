"""GraphQL over HTTP and WebSocket, as an ASGI application behind the gate of ``web/``."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from functools import lru_cache
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from mnesis.graph.batching import BadBatch, answer_batch
from mnesis.graph.body import BadRequest, Operation, decoded, encoded, operation_from, operation_from_url
from mnesis.graph.events import send_events
from mnesis.graph.execute import NotBegun
from mnesis.graph.faults import OVERLOADED, TIMEOUT, internal_error, rate_limited, request_error
from mnesis.graph.media import EVENTS, JSON, RESPONSE_JSON, answer_type, is_json, takes_events
from mnesis.graph.observed import KnownName, ObservedOperations, known_to_nobody
from mnesis.graph.options import EndpointOptions
from mnesis.graph.prepare import NotPrepared, Prepared
from mnesis.graph.running import RETRY_AFTER_S
from mnesis.graph.sockets import Sockets
from mnesis.graph.statuses import answer_status, refusal_status
from mnesis.usecases.memories import Memories
from mnesis.usecases.watching import NoFeed, WatchableMemories
from mnesis.web.authentication import Authenticator, LocalAuthenticator
from mnesis.web.heads import heads_of
from mnesis.web.observation import UNOBSERVED, Observer
from mnesis.web.rates import UNBOUNDED, RateLimiter

_DEFAULT_OPTIONS = EndpointOptions()


class GraphQLEndpoint:
    """Answers GET and POST, and serves WebSockets.

    The caller of a request has to stand at ``scope["state"]["caller"]``; a socket's is asked of the ``authenticator``.
    The ``observer`` hears of every operation. The ``rates`` bound how often a caller asks.
    """

    def __init__(
        self,
        memories: Memories,
        watching: WatchableMemories | None = None,
        *,
        authenticator: Authenticator | None = None,
        options: EndpointOptions = _DEFAULT_OPTIONS,
        observer: Observer = UNOBSERVED,
        known_name: KnownName = known_to_nobody,
        rates: RateLimiter = UNBOUNDED,
    ) -> None:
        watching = watching or WatchableMemories(NoFeed())
        self._operations = ObservedOperations(memories, watching, options, observer=observer, known_name=known_name)
        self._sockets = Sockets(self._operations, authenticator or LocalAuthenticator(), rates=rates)
        self._rates = rates
        self._profile = options.profile
        self._stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._sockets(scope, receive, send)
            return
        try:
            response = await self._response(scope, receive)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    def stop(self) -> None:
        """Ends the event streams, which would keep the server from stopping."""
        self._stopping.set()

    async def _response(self, scope: Scope, receive: Receive) -> ASGIApp:
        heads = heads_of(scope)
        accept = heads.every(b"accept")
        media_type = answer_type(accept)
        read_only = scope["method"] == "GET"
        if not read_only and scope["method"] != "POST":
            return _refused(405, "Send a GET or a POST request.", media_type or JSON, {"Allow": "GET, POST"})
        if media_type is None:
            return _refused(406, _FORMS, JSON)
        if not read_only and not is_json(heads.first.get(b"content-type")):
            return _refused(415, "Send the content type application/json, in UTF-8.", media_type)
        try:
            if read_only:
                operation = operation_from_url(QueryParams(scope["query_string"]))
            else:
                asked = decoded(await _body(receive))
                if isinstance(asked, list):
                    if wait_s := self._rates.wait_s(scope["state"]["caller"], max(1, len(asked))):
                        return _too_often(wait_s, media_type)
                    return await self._batch(asked, scope, accept)
                operation = operation_from(asked)
        except BadRequest as bad:
            return _refused(refusal_status(bad, self._profile), str(bad), media_type)
        if wait_s := self._rates.wait_s(scope["state"]["caller"]):
            return _too_often(wait_s, media_type)
        return await self._executed(operation, scope, accept, media_type, read_only=read_only)

    async def _batch(self, asked: list[Any], scope: Scope, accept: Sequence[bytes]) -> ASGIApp:
        media_type = answer_type(accept, among=(JSON, RESPONSE_JSON))
        if media_type is None:
            return _refused(406, "A list of operations is answered in JSON.", JSON)
        try:
            answers = await answer_batch(self._operations, asked, scope["state"]["caller"])
        except BadBatch as bad:
            return _response(int(self._profile), {"errors": [bad.error]}, media_type)
        return _response(200, answers, media_type)

    async def _executed(
        self, asked: Operation, scope: Scope, accept: Sequence[bytes], media_type: str, *, read_only: bool
    ) -> ASGIApp:
        try:
            prepared = self._operations.prepare(asked, scope["state"]["caller"])
        except NotPrepared as refused:
            return self._answer({"errors": refused.errors}, media_type)
        except Exception as fault:
            return _response(500, {"errors": [internal_error(fault)]}, media_type)
        if prepared.writes and read_only:
            return _refused(405, "A GET request cannot carry a mutation; send a POST request.", media_type, _POST_ONLY)
        try:
            if prepared.watches:
                if not takes_events(accept):
                    return _refused(406, _HOW_TO_WATCH, media_type)
                return await self._watched(prepared, asked, scope)
            answer = await self._operations.answer(prepared, asked.variables, scope["state"]["caller"])
        except Exception as fault:
            return _response(500, {"errors": [internal_error(fault)]}, media_type)
        return self._answer(answer, media_type)

    async def _watched(self, prepared: Prepared, asked: Operation, scope: Scope) -> ASGIApp:
        try:
            responses = await self._operations.watch(prepared, asked.variables, scope["state"]["caller"])
        except NotBegun as refused:
            return self._answer({"errors": refused.errors}, EVENTS)
        return self._stream(responses)

    def _answer(self, answer: dict[str, Any], media_type: str) -> ASGIApp:
        """An answer in GraphQL's own terms."""
        if media_type == EVENTS:
            return self._stream(_once(answer))
        if "data" not in answer and (refusal := _BUSY.get(answer["errors"][0]["extensions"]["code"])):
            status, headers = refusal
            return _response(status, answer, media_type, headers)
        return _response(answer_status(answer, media_type, self._profile), answer, media_type)

    def _stream(self, responses: AsyncGenerator[bytes, None]) -> ASGIApp:
        async def respond(_: Scope, receive: Receive, send: Send) -> None:
            await send_events(responses, receive, send, stopping=self._stopping)

        return respond


# Told by the status too, because proxies and clients look at it before they try again.
_BUSY = {OVERLOADED: (503, {"Retry-After": str(RETRY_AFTER_S)}), TIMEOUT: (504, None)}
_FORMS = f"Answers come as {JSON}, {RESPONSE_JSON} or {EVENTS}; accept one of them."
_POST_ONLY = {"Allow": "POST"}
_HOW_TO_WATCH = "Subscriptions are served over a WebSocket, or to clients that accept text/event-stream."


async def _body(receive: Receive) -> bytes:
    """The whole body. Raises `ClientDisconnect`."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return b"".join((*parts, part)) if parts else part
        parts.append(part)


class _Answer:
    """An answer that is sent as it is: Starlette's own prepares for much that is never wanted here."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, body: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._body = body
        self._status = status
        # What a memory holds is for its caller alone.
        self._headers = [(b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store"), *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _once(answer: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    yield encoded(answer)


def _refused(status: int, message: str, media_type: str, headers: dict[str, str] | None = None) -> ASGIApp:
    code = "METHOD_NOT_ALLOWED" if status == 405 else "BAD_USER_INPUT"
    return _response(status, {"errors": [request_error(message, code)]}, media_type, headers)


def _too_often(wait_s: float, media_type: str) -> ASGIApp:
    error = rate_limited(wait_s)
    headers = {"Retry-After": str(error["extensions"]["retryAfter"])}
    return _response(429, {"errors": [error]}, media_type, headers)


def _response(status: int, content: object, media_type: str, headers: dict[str, str] | None = None) -> ASGIApp:
    # A refusal of the request as such is no event.
    shown = JSON if media_type == EVENTS else media_type
    described = _described(shown)
    return _Answer(encoded(content), status, [*described, *_raw(headers)] if headers else described)


@lru_cache
def _described(media_type: str) -> list[tuple[bytes, bytes]]:
    return _raw({"Content-Type": f"{media_type}; charset=utf-8"})
