"""Asking many times at once, by wrk."""

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.contenders.seeding import PLACES, SESSIONS

SCRIPT = Path(__file__).with_name("load.lua")
RESULT = "RESULT "


class NoResult(Exception):
    """wrk could not measure; the text says what it wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What wrk saw. ``late`` answers took longer than its patience; ``not_200`` had another status; ``lost`` ones
    met a broken connection."""

    requests: int
    duration_us: int
    p50_us: int
    p99_us: int
    not_200: int
    lost: int
    late: int

    @property
    def per_s(self) -> float:
        """Requests answered in a second."""
        return self.requests / (self.duration_us / 1e6)

    @property
    def failures(self) -> int:
        """What was not answered as it should be."""
        return self.not_200 + self.lost + self.late

    def shown(self) -> dict[str, Any]:
        """For the results."""
        return asdict(self)


def parsed(output: str) -> Load:
    """The line that `load.lua` writes. Raises `NoResult`."""
    for line in output.splitlines():
        if line.startswith(RESULT):
            return Load(**json.loads(line.removeprefix(RESULT)))
    raise NoResult(output.strip() or "wrk wrote nothing.")


def load(address: str, body: Path, *, connections: int, seconds: int, count_from: int) -> Load:
    """Keeps ``connections`` busy for some seconds. Raises `NoResult`."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("There is no wrk: on Debian and Ubuntu `apt install wrk`, on macOS `brew install wrk`.")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT), address]
    arguments = ["--", str(body), str(count_from), str(SESSIONS), ",".join(PLACES)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=seconds + 60)  # noqa: S603  # Ours.
    return parsed(done.stdout + done.stderr)
