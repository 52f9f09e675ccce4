"""Puts the routes behind the gate, in the one order in which they hold."""

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from mnesis.web.answers import answer_fault, answer_http_exception
from mnesis.web.authentication import Authenticator
from mnesis.web.dialects import Dialect
from mnesis.web.gate import Gate, LocalOnly
from mnesis.web.observation import UNOBSERVED, Observer
from mnesis.web.request_notes import HEADER, RequestNotes


def assemble(
    routes: Sequence[BaseRoute],
    *,
    authenticator: Authenticator,
    local_only: bool,
    cors_origins: Sequence[str],
    request_bytes: int,
    straight: tuple[str, ASGIApp] | None = None,
    observer: Observer = UNOBSERVED,
    dialects: Sequence[Dialect] = (),
    lifespan: Any = None,  # Starlette's own type for it is not public.
) -> Starlette:
    """The application that serves these routes.

    ``local_only`` is for a server that knows no callers: see `LocalOnly`. Pages of the ``cors_origins`` may call. The
    ``observer`` hears of what is refused, which below the paths of the ``dialects`` is told in their words. What goes
    ``straight`` is a path and what serves it, which the routes name too.
    """
    gate = [
        # Outside of everything, so that every answer bears the id and every refusal is heard of.
        Middleware(RequestNotes, observer=observer),
        Middleware(
            Gate,
            authenticator=authenticator,
            request_bytes=request_bytes,
            local=LocalOnly(cors_origins) if local_only else None,
            straight=straight,
            dialects=dialects,
        ),
    ]
    if cors_origins:
        # Outside of the gate, because a browser sends its preflight without credentials.
        gate.insert(1, _cors(cors_origins, ["GET", "POST", *(["PUT", "DELETE"] if dialects else [])]))
    app = Starlette(
        routes=routes,
        middleware=gate,
        exception_handlers={HTTPException: answer_http_exception, Exception: answer_fault},
        lifespan=lifespan,
    )
    app.state.dialects = tuple(dialects)
    # A redirect to the path without the slash would lead around a proxy's prefix; such a path is simply unknown.
    app.router.redirect_slashes = False
    return app


def _cors(origins: Sequence[str], methods: Sequence[str]) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=methods,
        allow_headers=["*"],
        expose_headers=["WWW-Authenticate", "Retry-After", HEADER],
        max_age=7200,
    )
