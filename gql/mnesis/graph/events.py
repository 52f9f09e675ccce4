"""Server-Sent Events as the GraphQL over SSE protocol has them, in its mode of distinct connections."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Receive, Send

from mnesis.graph.media import EVENTS

KEEP_ALIVE_S = 12.0
"""Something is sent at least this often, so that nobody on the way takes the connection for dead."""

_COMMENT = b":\n\n"
_COMPLETE = b"event: complete\ndata:\n\n"
_HEADERS = [
    (b"content-type", f"{EVENTS}; charset=utf-8".encode()),
    # What a memory holds is for its caller alone, and not for a proxy to gather.
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def send_events(
    responses: AsyncGenerator[bytes, None], receive: Receive, send: Send, *, stopping: asyncio.Event
) -> None:
    """Sends each response as an event until there are no more, the client goes away or the server stops.

    A server that stops says no goodbye: the client takes a stream without ``complete`` for broken, and comes back.
    """
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    # It also says that the subscription stands: what is committed from here on will be told.
    await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
    gone = asyncio.create_task(_gone(receive))
    stop = asyncio.create_task(stopping.wait())
    response: asyncio.Task[bytes] | None = None
    try:
        while True:
            response = response or asyncio.create_task(_next(responses))
            done, _ = await asyncio.wait(
                {response, gone, stop}, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED
            )
            if gone in done:
                return
            if response in done:
                body = response.result()
                response = None
                if body == b"":
                    await send({"type": "http.response.body", "body": _COMPLETE, "more_body": False})
                    return
                await send(
                    {"type": "http.response.body", "body": b"event: next\ndata: " + body + b"\n\n", "more_body": True}
                )
            elif stop in done:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            else:
                await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
    finally:
        tasks = [task for task in (response, gone, stop) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await responses.aclose()


async def _next(responses: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(responses, b"")


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
