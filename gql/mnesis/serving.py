"""Runs the server: one process, or several that share a socket."""

import os
import signal
import socket
import sys

import uvicorn
from uvicorn.supervisors import Multiprocess

from mnesis import __version__
from mnesis.app import configure_logging, create_app
from mnesis.complaints import Complaint
from mnesis.databases import prepare_database
from mnesis.embedders import embedder_of
from mnesis.settings import PREFIX, Settings

BACKLOG = 2048


class CannotServe(Complaint):
    """The server cannot run like this."""


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then answers what is under way and returns.

    Raises `CannotServe`, `mnesis.databases.DatabaseNotReady` and what `mnesis.app.create_app` raises.
    """
    # Without this a SIGTERM would kill the process with its exit code, where a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    configure_logging(settings)
    if settings.is_sqlite and settings.workers > 1:
        raise CannotServe(
            "SQLite serves one process: set MNESIS_WORKERS to 1, or MNESIS_DATABASE_URL to a PostgreSQL database."
        )
    # Made before anything is touched, so that what is wrong with the settings is told here, also where it is other
    # processes that will serve.
    app = create_app(settings, has_process=True)
    embedder_of(settings)
    prepare_database(settings)
    with _listen(settings) as listener:
        if settings.workers == 1:
            server = uvicorn.Server(_config(settings, app))
            _announce(settings, listener)
            try:
                server.run(sockets=[listener])
            except KeyboardInterrupt:
                # The server has stopped in good order by now; a trace of the key press would look like a fault.
                return
            if not server.started:
                raise CannotServe("The server could not start; the log above says why.")
        else:
            _announce(settings, listener)
            _hand_to_processes(settings)
            config = _config(settings, "mnesis.app:create_app_from_environment")
            Multiprocess(config, sockets=[listener]).run()


def _config(settings: Settings, app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # Starlette's idea of an ASGI application is looser than uvicorn's.
        factory=isinstance(app, str),
        workers=settings.workers,
        http="httptools",
        log_config=None,
        # Below this uvicorn logs what goes over the wire.
        log_level="info" if settings.log_level == "debug" else settings.log_level,
        access_log=False,
        backlog=BACKLOG,
        # Nothing here looks at a client's address, and headers that claim one would only cost time.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
        ws_max_size=settings.limit_request_bytes,
        # It would hold the state of a compressor for every socket, and messages are short.
        ws_per_message_deflate=False,
    )


def _listen(settings: Settings) -> socket.socket:
    """A listening socket. It is ours, not uvicorn's, so that a taken port is told before anything is promised."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        # The module adds the address, and brackets, to what the system says.
        reason = str(error.strerror).partition(" (while")[0]
        raise CannotServe(f"Cannot listen on {settings.host}:{settings.port}: {reason}.") from None
    listener.set_inheritable(True)
    return listener


def _announce(settings: Settings, listener: socket.socket) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listener.getsockname()[1]}"
    lines = [f"mnesis {__version__} listens on {address}/graphql"]
    if settings.playground:
        lines.append(f"Playground: {address}/")
    if not settings.is_authenticated:
        lines.append(
            "No authentication: everybody on this machine may read and write everything of the tenant default."
            " Set MNESIS_AUTH_SECRET or MNESIS_AUTH_JWKS to change that."
        )
    lines.append(f"Database: {settings.shown_database()}")
    # Flushed, because whoever starts the server as a process of its own reads the address from here.
    print(*lines, sep="\n", flush=True)  # noqa: T201  # This is what the command has to say.


def _hand_to_processes(settings: Settings) -> None:
    """Worker processes read the environment, so what the command line said has to stand there too."""
    for name in ("host", "port", "database_url", "workers"):
        os.environ[f"{PREFIX}{name.upper()}"] = str(getattr(settings, name))
