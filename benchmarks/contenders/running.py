"""How every contender in Python is run: uvicorn with httptools and uvloop, one process, at the address it is given."""

import os

import uvicorn


def run(app: object) -> None:
    """Serves until SIGTERM. ``PORT`` is in the environment."""
    uvicorn.run(
        app,  # type: ignore[arg-type]  # Frameworks have their own ideas of an ASGI application.
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        http="httptools",
        loop="uvloop",
        log_level="warning",
        access_log=False,
        backlog=2048,
    )
