"""The composition root: the one place where everything is named and put together."""

import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from mnesis.databases import open_database_of
from mnesis.embedders import embedder_of
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.graph.schema import sdl
from mnesis.settings import BadSettings, Settings
from mnesis.storage.database import Database
from mnesis.usecases.embedding import Embedder, Embedding, Questions
from mnesis.usecases.memories import Memories
from mnesis.usecases.watching import WatchableMemories
from mnesis.web.assembly import assemble
from mnesis.web.authentication import Authenticator, LocalAuthenticator, TokenAuthenticator
from mnesis.web.keys import JwksAddress, JwksFile, KeySource, KeysUnavailable, SharedSecret
from mnesis.web.routes import public_routes
from mnesis.web.stopping import told_of_the_end

# Collecting young objects every 700 allocations, as Python does, costs a fifth of the throughput: a request makes
# thousands of objects and almost none in cycles.
GC_THRESHOLDS = (50_000, 20, 100)


class _Service:
    """What exists only while the database is open; requests arrive after that and end before it is closed."""

    database: Database
    endpoint: GraphQLEndpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.endpoint(scope, receive, send)

    async def check(self) -> None:
        await self.database.check()


def create_app(settings: Settings, *, database: Callable[[], Database] | None = None) -> Starlette:
    """The server as an ASGI application. It opens the database when it starts and closes it when it stops.

    ``database`` opens another one than the settings name. The schema has to be current already. Raises `BadSettings`
    for what cannot be served safely.
    """
    service = _Service()
    callers = authenticator(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.database = database() if database else open_database_of(settings)
        embedder = embedder_of(settings)
        memories = Memories(
            store=service.database.store,
            reader=service.database.reader,
            limits=settings.limits(),
            questions=Questions(embedder, timeout_s=settings.embeddings_query_timeout_s),
        )
        service.endpoint = GraphQLEndpoint(
            memories,
            WatchableMemories(service.database.feed),
            authenticator=callers,
            introspection=settings.playground,
            suggestions=settings.playground,
        )
        gc.collect()
        # What is loaded by now stays; there is no need to look through it at every collection.
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        try:
            async with embedding(embedder, service.database):
                with told_of_the_end(service.endpoint.stop):
                    yield
        finally:
            gc.unfreeze()
            await service.database.close()

    return assemble(
        [
            Route("/graphql", service, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", service),
            *public_routes(schema=sdl(), check=service.check, playground=settings.playground),
        ],
        authenticator=callers,
        local_only=not settings.is_authenticated,
        cors_origins=settings.cors_origins,
        request_bytes=settings.limit_request_bytes,
        lifespan=lifespan,
    )


@asynccontextmanager
async def embedding(embedder: Embedder | None, database: Database) -> AsyncIterator[None]:
    """Embeds what is written, and what was there before, as long as the block lasts."""
    if embedder is None:
        yield
        return
    worker = Embedding(embedder, database.embeddings)
    database.written = worker.wake
    worker.start()
    try:
        yield
    finally:
        await worker.stop()
        await embedder.close()


def create_app_from_environment() -> Starlette:
    """For servers that are given an import string: the settings come from the environment alone."""
    settings = Settings.load()
    configure_logging(settings)
    return create_app(settings)


def configure_logging(settings: Settings) -> None:
    """Sends every log record to stderr, one line each."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # At every look at a schema it tells which kind of database it found.
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)


def authenticator(settings: Settings) -> Authenticator:
    """Raises `BadSettings` where strangers could reach a server that knows no callers."""
    if not settings.is_authenticated:
        if not settings.is_local:
            raise BadSettings(
                f"MNESIS_HOST is {settings.host}, which others can reach: set MNESIS_AUTH_SECRET or MNESIS_AUTH_JWKS,"
                " or listen on 127.0.0.1."
            )
        return LocalAuthenticator()
    return TokenAuthenticator(
        _key_sources(settings),
        tenant_claim=settings.auth_tenant_claim,
        issuer=settings.auth_issuer,
        audience=settings.auth_audience,
    )


def _key_sources(settings: Settings) -> list[KeySource]:
    sources: list[KeySource] = []
    if settings.auth_secret is not None:
        sources.append(SharedSecret(settings.auth_secret.get_secret_value()))
    if settings.auth_jwks is not None:
        if settings.auth_jwks.startswith(("https://", "http://")):
            sources.append(JwksAddress(settings.auth_jwks))
        else:
            try:
                sources.append(JwksFile(Path(settings.auth_jwks)))
            except KeysUnavailable as unavailable:
                raise BadSettings(f"MNESIS_AUTH_JWKS: {unavailable}.") from None
    return sources
