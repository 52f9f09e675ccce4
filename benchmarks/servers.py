"""The contenders' processes: started once, pinned to one core, and halted while another one is measured."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.lineup import ROOT, Contender

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10


class NotStarted(Exception):
    """The contender does not answer; the text is the end of what it wrote."""


class Server:
    """One contender over one database."""

    def __init__(self, contender: Contender, url: str, *, log: Path, core: int | None) -> None:
        self.contender = contender
        self.database_url = url
        self.counted = 0
        """Up to where the numbers in bodies were used."""
        self.warm: set[tuple[str, int]] = set()
        """What it was asked for before anybody counted: the kinds of works, and the lengths of their lists."""
        self._log = log
        port = _free_port()
        self.address = f"http://127.0.0.1:{port}"
        names = {"PORT": str(port), "DATABASE_URL": url, "MNESIS_PORT": str(port), "MNESIS_DATABASE_URL": url}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MNESIS_")}
        paths = os.pathsep.join([str(ROOT / "gql"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        with log.open("w") as output:
            self.process = subprocess.Popen(  # noqa: S603  # The line-up's own commands.
                [*pinned, *contender.command],
                cwd=ROOT,
                env={**kept, **names, "PYTHONPATH": paths, **contender.environment},
                stdout=output,
                stderr=output,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < until:
            try:
                answer = httpx.post(f"{self.address}/graphql", json={"query": "{__typename}"}, timeout=5)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                return
            time.sleep(0.05)
        raise NotStarted(self._log.read_text()[-2_000:])

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Lets it run for as long as the block lasts."""
        self.process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            # What was asked for last is answered by then.
            time.sleep(0.1)
            self.halt()

    def halt(self) -> None:
        """It does nothing at all, so that it cannot disturb the others."""
        self.process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Ends it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
