"""The routes that need no credentials, or ones of their own. Every other path needs a caller's, also one where there is
nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from mnesis.web.answers import json_answer
from mnesis.web.pages import page_routes

PLAYGROUND = "/"
PANEL = "/panel"
SCHEMA = "/schema.graphql"
HEALTH = "/healthz"
READINESS = "/readyz"
METRICS = "/metrics"

PUBLIC_ROUTES = frozenset({PLAYGROUND, PANEL, SCHEMA, HEALTH, READINESS})
PUBLIC_FOLDERS = ("/playground/", "/panel/")
"""What anybody may ask for, by itself or with everything below it. It tells nothing of any tenant."""

OTHER_CREDENTIALS = frozenset({METRICS})
"""What no caller's token opens: these check for themselves who asks."""

_WITHOUT_A_CALLER = PUBLIC_ROUTES | OTHER_CREDENTIALS

CHECK_TIMEOUT_S = 2

_log = logging.getLogger(__name__)


def needs_a_caller(path: str) -> bool:
    """Whether a caller's token is needed, which also holds for a path where there is nothing."""
    return path not in _WITHOUT_A_CALLER and not path.startswith(PUBLIC_FOLDERS)


def public_routes(*, schema: str, check: Callable[[], Awaitable[None]], playground: bool) -> list[BaseRoute]:
    """The public routes. ``check`` raises when the server cannot do its work, for want of a database say."""

    async def show_schema(request: Request) -> Response:
        return PlainTextResponse(schema, headers={"Cache-Control": "no-cache"})

    async def say_alive(request: Request) -> Response:
        return json_answer({"status": "ok"})

    async def say_ready(request: Request) -> Response:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await check()
        except Exception:
            # Whatever is wrong is wrong with the server: the log says what, a stranger learns that it is so.
            _log.exception("The server is not ready.")
            return json_answer({"status": "unavailable"}, status=503)
        return json_answer({"status": "ready"})

    routes: list[BaseRoute] = [
        Route(SCHEMA, show_schema, methods=["GET"]),
        Route(HEALTH, say_alive, methods=["GET"]),
        Route(READINESS, say_ready, methods=["GET"]),
    ]
    if not playground:
        return routes
    return [*page_routes("playground", address=PLAYGROUND), *page_routes("panel", address=PANEL), *routes]
