"""GraphQL over WebSocket: the ``graphql-transport-ws`` protocol, for operations of every kind.

The older ``graphql-ws`` protocol is not spoken. A socket is closed for what breaks the protocol; what is wrong with
one operation is told to that operation alone.
"""

import asyncio
import logging
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

from starlette.types import Receive, Scope, Send

from mnesis.domain.caller import Caller
from mnesis.graph.body import Operation, encoded
from mnesis.graph.execute import NotBegun
from mnesis.graph.faults import LIMIT_EXCEEDED, UNAUTHENTICATED, internal_error, rate_limited, request_error
from mnesis.graph.operations import Operations
from mnesis.graph.prepare import NotPrepared, Prepared
from mnesis.graph.socket_messages import (
    PROTOCOL,
    BadMessage,
    Complete,
    Init,
    Message,
    Ping,
    Pong,
    Subscribe,
    message_from,
)
from mnesis.usecases.watching import CredentialsExpired, time_left_s
from mnesis.web.authentication import Authenticator, Unauthenticated
from mnesis.web.keys import KeysUnavailable
from mnesis.web.rates import UNBOUNDED, RateLimiter
from mnesis.web.request_notes import called_by

INIT_TIMEOUT_S = 10.0
"""How long a client may take to say who it is."""
BEGIN_TIMEOUT_S = 5.0
"""How long a socket listens to nothing else while a subscription begins."""
REASON_BYTES = 123
"""The longest reason that a close frame can hold."""

_log = logging.getLogger("mnesis.graph")


class _Close(Exception):
    """The protocol wants the socket closed, with one of its codes."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Gone(Exception):
    """The client has closed the socket."""


class Sockets:
    """Serves WebSockets."""

    def __init__(
        self,
        operations: Operations,
        authenticator: Authenticator,
        *,
        init_timeout_s: float = INIT_TIMEOUT_S,
        rates: RateLimiter = UNBOUNDED,
    ) -> None:
        self._operations = operations
        self._authenticator = authenticator
        self._init_timeout_s = init_timeout_s
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if PROTOCOL not in scope["subprotocols"]:
            # Accepted first: a browser is not told why a handshake failed.
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 4406, "reason": "Subprotocol not acceptable"})
            return
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        socket = _Socket(self._operations, self._authenticator, _authorization(scope), receive, send, self._rates)
        try:
            await socket.serve(self._init_timeout_s)
        except _Gone:
            return
        except _Close as close:
            # It may repeat an id, and JSON can say what UTF-8 cannot.
            reason = close.reason.encode(errors="replace")[:REASON_BYTES].decode(errors="ignore")
            with suppress(OSError):
                await send({"type": "websocket.close", "code": close.code, "reason": reason})


class _Socket:
    """One socket and the operations that run over it."""

    def __init__(
        self,
        operations: Operations,
        authenticator: Authenticator,
        authorization: str | None,
        receive: Receive,
        send: Send,
        rates: RateLimiter,
    ) -> None:
        self._rates = rates
        self._operations = operations
        self._authenticator = authenticator
        self._authorization = authorization
        self._receive = receive
        self._send = send
        self._sending = asyncio.Lock()
        self._caller: Caller | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, init_timeout_s: float) -> None:
        """Raises `_Gone` and `_Close`, when everything that ran has ended."""
        try:
            await self._begin(init_timeout_s)
            while True:
                await self._hear(await self._message())
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self, init_timeout_s: float) -> None:
        """Waits until the client has said who it is."""
        try:
            async with asyncio.timeout(init_timeout_s):
                while not isinstance(message := await self._message(), Init):
                    if isinstance(message, Subscribe):
                        raise _Close(4401, "Unauthorized")
                    await self._hear(message)
        except TimeoutError:
            raise _Close(4408, "Connection initialisation timeout") from None
        try:
            self._caller = await self._authenticator.authenticate(message.authorization or self._authorization)
        except Unauthenticated as refused:
            raise _Close(4403, f"Forbidden: {refused.message}") from None
        except KeysUnavailable as unavailable:
            _log.warning("%s", unavailable)
            raise _Close(1013, "Tokens cannot be checked at the moment.") from None
        called_by(self._caller)
        await self._say({"type": "connection_ack"})

    async def _message(self) -> Message:
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise _Gone
        try:
            return message_from(event.get("text"))
        except BadMessage as bad:
            raise _Close(4400, str(bad)) from None

    async def _hear(self, message: Message) -> None:
        match message:
            case Init():
                raise _Close(4429, "Too many initialisation requests")
            case Ping():
                await self._say({"type": "pong"})
            case Pong():
                pass
            case Subscribe():
                await self._start(message.id, message.operation)
            case Complete():
                task = self._running.pop(message.id, None)
                if task is not None:
                    task.cancel()

    async def _start(self, identifier: str, operation: Operation) -> None:
        if identifier in self._running:
            raise _Close(4409, f"Subscriber for {identifier} already exists")
        most = self._operations.limits.socket_operations
        if len(self._running) >= most:
            text = f"At most {most} operations may run at once over one socket."
            error = request_error(text, LIMIT_EXCEEDED, limit=most)
            assert self._caller is not None
            self._operations.refused(operation.name, self._caller, error)
            await self._refuse(identifier, [error])
            return
        assert self._caller is not None
        if wait_s := self._rates.wait_s(self._caller):
            error = rate_limited(wait_s)
            self._operations.refused(operation.name, self._caller, error)
            await self._refuse(identifier, [error])
            return
        begun = asyncio.Event()
        task = asyncio.create_task(self._run(identifier, operation, begun))
        self._running[identifier] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Operations begin in the order in which they were sent: what a client changes after it has sent a subscription
        # is told there. A database that does not answer keeps the socket from listening for a while only.
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_TIMEOUT_S):
                await begun.wait()

    async def _run(self, identifier: str, operation: Operation, begun: asyncio.Event) -> None:
        try:
            caller = self._known_caller()
            prepared = self._operations.prepare(operation, caller)
            if prepared.watches:
                await self._watch(identifier, prepared, operation.variables, caller, begun)
                return
            begun.set()
            answer = await self._operations.answer(prepared, operation.variables, caller)
            if "data" not in answer:
                await self._refuse(identifier, answer["errors"])
                return
            await self._tell(identifier, encoded(answer))
            await self._complete(identifier)
        except (NotPrepared, NotBegun) as refused:
            await self._refuse(identifier, list(refused.errors))
        except CredentialsExpired:
            error = request_error("The token has expired.", UNAUTHENTICATED)
            assert self._caller is not None
            self._operations.refused(operation.name, self._caller, error)
            await self._refuse(identifier, [error])
        except OSError:
            # The client has gone; whoever listens hears of it too.
            pass
        except Exception as fault:
            await self._refuse(identifier, [internal_error(fault)])
        finally:
            begun.set()
            self._forget(identifier)

    async def _watch(
        self, identifier: str, prepared: Prepared, variables: dict[str, Any], caller: Caller, begun: asyncio.Event
    ) -> None:
        async with aclosing(await self._operations.watch(prepared, variables, caller)) as responses:
            begun.set()
            async for response in responses:
                await self._tell(identifier, response)
        await self._complete(identifier)

    def _known_caller(self) -> Caller:
        assert self._caller is not None
        time_left_s(self._caller, datetime.now(UTC))
        return self._caller

    async def _tell(self, identifier: str, response: bytes) -> None:
        # The response is JSON already, and often the same for many.
        start = b'{"id":' + encoded(identifier) + b',"type":"next","payload":'
        await self._say_text((start + response + b"}").decode())

    async def _complete(self, identifier: str) -> None:
        # Forgotten first, because the client may use the id again as soon as it hears of this.
        self._forget(identifier)
        await self._say({"id": identifier, "type": "complete"})

    async def _refuse(self, identifier: str, errors: list[dict[str, Any]]) -> None:
        self._forget(identifier)
        with suppress(OSError):
            await self._say({"id": identifier, "type": "error", "payload": errors})

    def _forget(self, identifier: str) -> None:
        if self._running.get(identifier) is asyncio.current_task():
            del self._running[identifier]

    async def _say(self, message: dict[str, Any]) -> None:
        await self._say_text(encoded(message).decode())

    async def _say_text(self, text: str) -> None:
        async with self._sending:
            await self._send({"type": "websocket.send", "text": text})


def _authorization(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    return str(values[0], "latin-1") if len(values) == 1 else None
