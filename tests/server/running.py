"""A server as its users run it: a process of its own, listening on a free port of the loopback address."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15


class NotStarted(Exception):
    """The server ended with this exit code, or None if it goes on without an answer; its stderr says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """``url`` is without a slash at its end; ``announced`` is what the server printed when it started."""

    url: str
    announced: str
    process: "subprocess.Popen[str]"

    @property
    def graphql(self) -> str:
        return f"{self.url}/graphql"

    def stop(self) -> int:
        """Asks the server to stop and waits for it; its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def running_server(database_url: str, **env: object) -> Iterator[RunningServer]:
    """Runs ``mnesis serve``; ``running_server(url, auth_secret="...")`` sets MNESIS_AUTH_SECRET for it.

    What it writes to stderr goes to the test's stderr, so pytest shows it when the test fails.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MNESIS_")}
    environment |= {f"MNESIS_{name.upper()}": str(value) for name, value in env.items()}
    environment |= {"MNESIS_DATABASE_URL": database_url, "MNESIS_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "mnesis", "serve"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield _announced(process)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _announced(process: "subprocess.Popen[str]") -> RunningServer:
    assert process.stdout is not None
    lines = []
    # The last of the lines that a server prints when it starts names the database.
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Database:"):
            break
    announced = "".join(lines)
    found = re.search(r"listens on (http://\S+)/graphql", announced)
    if found is None:
        process.wait(STOP_TIMEOUT_S)
        raise NotStarted(process.returncode)
    _wait_until_alive(found[1], process)
    return RunningServer(url=found[1], announced=announced, process=process)


def _wait_until_alive(url: str, process: "subprocess.Popen[str]") -> None:
    """Connections are accepted before the first process is up, several may come up one after the other."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", timeout=START_TIMEOUT_S)
            return
        except httpx.TransportError:
            if process.poll() is not None:
                raise NotStarted(process.returncode) from None
            time.sleep(0.05)
    raise NotStarted(None)
