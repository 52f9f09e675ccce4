"""The composition root: the one place where everything is named and put together."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from mnesis.databases import open_database_of
from mnesis.embedders import embedder_of
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.graph.observed import known_among
from mnesis.graph.options import EndpointOptions
from mnesis.graph.prepare import Documents
from mnesis.graph.schema import schema, sdl
from mnesis.graph.trusted_documents import TrustedDocuments, load_trusted_documents
from mnesis.observing.logs import configure_logs
from mnesis.observing.set_up import Observation, observation
from mnesis.schedule import retained
from mnesis.settings import BadSettings, Settings
from mnesis.storage.database import Database
from mnesis.usecases.embedding import Embedder, Embedding, Questions
from mnesis.usecases.jobs import Jobs, JobWorker
from mnesis.usecases.memories import Memories
from mnesis.usecases.retention import MemoryRetention
from mnesis.usecases.traces import Traces
from mnesis.usecases.watching import WatchableMemories
from mnesis.web.assembly import assemble
from mnesis.web.authentication import Authenticator, LocalAuthenticator, TokenAuthenticator
from mnesis.web.dialects import Dialect
from mnesis.web.keys import JwksAddress, JwksFile, KeySource, KeysUnavailable, SharedSecret
from mnesis.web.observation import Observer
from mnesis.web.rates import RateLimiter
from mnesis.web.routes import public_routes
from mnesis.web.stopping import told_of_the_end

# Collecting young objects every 700 allocations, as Python does, costs a fifth of the throughput: a request makes
# thousands of objects and almost none in cycles.
GC_THRESHOLDS = (50_000, 20, 100)


class _Service:
    """What exists only while the database is open; requests arrive after that and end before it is closed."""

    database: Database
    memories: Memories
    endpoint: GraphQLEndpoint
    jobs: JobWorker

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self.endpoint(scope, receive, send)

    async def check(self) -> None:
        await self.database.check()


def create_app(
    settings: Settings, *, database: Callable[[], Database] | None = None, has_process: bool = False
) -> Starlette:
    """The server as an ASGI application. It opens the database when it starts and closes it when it stops.

    ``database`` opens another one than the settings name. ``has_process``: nothing else lives in the process, whose
    garbage collector is set up for the server. The schema has to be current already. Raises `BadSettings`
    for what cannot be served safely, and `mnesis.graph.manifests.BadManifest`.
    """
    service = _Service()
    callers = authenticator(settings)
    options = endpoint_options(settings)
    rates = RateLimiter(per_subject=settings.requests_per_minute, per_tenant=settings.tenant_requests_per_minute)
    observed = observation_of(settings)

    routes, dialects = facades_of(settings, service, observed.observer, rates)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.database = database() if database else open_database_of(settings, observed.meter)
        embedder = embedder_of(settings)
        memories = Memories(
            store=service.database.store,
            reader=service.database.reader,
            limits=settings.limits(),
            questions=Questions(embedder, timeout_s=settings.embeddings_query_timeout_s),
        )
        service.memories = memories
        service.endpoint = GraphQLEndpoint(
            memories,
            WatchableMemories(service.database.feed),
            authenticator=callers,
            options=options,
            observer=observed.observer,
            known_name=known_among(settings.metrics_operations),
            rates=rates,
        )
        retention = MemoryRetention(service.database.aging, service.database.store, service.database.reader)
        if has_process:
            collect_rarely()
        try:
            async with (
                retained(retention, service.database.aging, every_s=settings.retention_every_s),
                embedding(embedder, service.database),
                working(settings, service),
            ):
                with told_of_the_end(service.endpoint.stop):
                    yield
        finally:
            await service.database.close()
            await asyncio.get_running_loop().run_in_executor(None, observed.close)

    return assemble(
        [
            Route("/graphql", service),
            WebSocketRoute("/graphql", service),
            *routes,
            *observed.routes,
            *public_routes(schema=sdl(), check=service.check, playground=settings.playground),
        ],
        straight=("/graphql", service),
        authenticator=callers,
        local_only=not settings.is_authenticated,
        cors_origins=settings.cors_origins,
        request_bytes=settings.limit_request_bytes,
        observer=observed.observer,
        dialects=dialects,
        lifespan=lifespan,
    )


def facades_of(
    settings: Settings, service: _Service, observer: Observer, rates: RateLimiter
) -> tuple[list[BaseRoute], list[Dialect]]:
    """The routes of the façades that are switched on, and how what they refuse sounds. Others are not even imported."""
    routes: list[BaseRoute] = []
    dialects: list[Dialect] = []
    if not settings.facades:
        return routes, dialects
    from mnesis.facades.around import Around

    around = Around(limits=settings.operation_limits(), observer=observer, wait_s=rates.wait_s)
    if "alchemyst" in settings.facades:
        from mnesis.facades.alchemyst.routes import DIALECT, Service, alchemyst_routes

        def opened() -> Service:
            jobs = Jobs(service.database.jobs, settings.limits())
            traces = Traces(service.database.traces)
            return Service(memories=service.memories, traces=traces, jobs=jobs, wake=service.jobs.wake)

        routes += alchemyst_routes(opened, around)
        dialects.append(DIALECT)
    if "opensearch" in settings.facades:
        from mnesis.facades.opensearch.routes import OPENSEARCH, opensearch_routes

        routes += opensearch_routes(lambda: service.memories, around, retains=settings.retention_every_s > 0)
        dialects.append(OPENSEARCH)
    return routes, dialects


@asynccontextmanager
async def working(settings: Settings, service: _Service) -> AsyncIterator[None]:
    """Works jobs off as long as the block lasts, where there is a façade that takes them."""
    service.jobs = JobWorker(service.database.jobs, service.memories)
    if "alchemyst" in settings.facades:
        service.jobs.start()
    try:
        yield
    finally:
        await service.jobs.stop()


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
    return create_app(settings, has_process=True)


def collect_rarely() -> None:
    """What is loaded by now stays, so there is no need to look through it at every collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def configure_logging(settings: Settings) -> None:
    """Sends every log record to stderr, one line each."""
    configure_logs(level=settings.log_level, form=settings.log_format)


def observation_of(settings: Settings) -> Observation:
    """Raises `BadSettings` and `CannotTrace`."""
    check_metrics(settings)
    return observation(
        metrics=settings.metrics,
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token is not None else None,
        tracing=settings.tracing,
        database="sqlite" if settings.is_sqlite else "postgresql",
    )


def check_metrics(settings: Settings) -> None:
    """Raises `BadSettings` where metrics would be wrong, or shown to strangers."""
    if settings.metrics and settings.workers > 1:
        raise BadSettings(
            "MNESIS_METRICS counts within one process: set MNESIS_WORKERS to 1, and run several servers instead."
        )
    if settings.metrics and settings.is_authenticated and settings.metrics_token is None:
        raise BadSettings("MNESIS_METRICS tells about all tenants: set MNESIS_METRICS_TOKEN, which /metrics asks for.")


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
        roles_claim=settings.auth_roles_claim,
        issuer=settings.auth_issuer,
        audience=settings.auth_audience,
    )


def endpoint_options(settings: Settings) -> EndpointOptions:
    """Raises what `trusted_documents` raises."""
    return EndpointOptions(
        introspection=settings.introspection,
        # They tell strangers who guess what there is; people who try things out sit before their own server.
        suggestions=settings.introspection and not settings.is_authenticated,
        trusted=trusted_documents(settings),
        only_trusted=settings.only_trusted_documents,
        persisted_queries=settings.persisted_queries,
        limits=settings.operation_limits(),
        profile=settings.http_profile,
    )


def trusted_documents(settings: Settings) -> TrustedDocuments:
    """Raises `BadSettings` where nothing could run, and `mnesis.graph.manifests.BadManifest`."""
    # Whoever reads what is wrong with a document is the operator, to whom no suggestion gives anything away.
    documents = Documents(
        schema(), introspection=settings.introspection, suggestions=True, limits=settings.operation_limits()
    )
    trusted = load_trusted_documents(settings.trusted_documents, documents)
    if settings.only_trusted_documents and not trusted.documents:
        raise BadSettings(
            "MNESIS_ONLY_TRUSTED_DOCUMENTS is true and there is no trusted document, so that nothing could run: name"
            " manifests that hold some in MNESIS_TRUSTED_DOCUMENTS."
        )
    return trusted


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
