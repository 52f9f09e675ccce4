"""Measures all contenders in turns, and sums up."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.checking import WrongAnswer, checked
from benchmarks.databases import Databases, PostgresDatabases, SqliteDatabases, postgresql
from benchmarks.lineup import FLOOR, Contender
from benchmarks.load import Load, NoResult, load
from benchmarks.machine import cores, machine, pin
from benchmarks.raw import raw_postgresql, raw_sqlite
from benchmarks.servers import NotStarted, Server
from benchmarks.works import Work

TEXTBOOK = "strawberry"
"""Ratios are to this one, too."""
MISSING_RECORDS = 0.01
"""Of what was answered, so much may not be found written: nothing, but for rounding."""
WARMING_SECONDS = 1
FEW = 3
"""Answers to each connection below which nothing can be said about how often and how fast."""
LONGER = 3
"""So many times the seconds, for those who answered few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, and for how long: ``rounds`` of ``seconds`` for each work of each contender."""

    contenders: Sequence[Contender]
    works: Sequence[Work]
    databases: Sequence[str]
    seconds: int
    rounds: int
    warming: bool
    command: str


@dataclass(slots=True, kw_only=True)
class Measured:
    """The rounds of one contender at one work, or why there are none."""

    loads: list[Load] = field(default_factory=list)
    left_out: str | None = None
    failed: str | None = None
    is_slow: bool = False

    def shown(self, work: Work) -> dict[str, Any]:
        """For the results."""
        if self.left_out or self.failed or not self.loads:
            return {"left_out": self.left_out} if self.left_out else {"failed": self.failed or "not measured"}
        return {
            "per_s": round(statistics.median(load.per_s for load in self.loads) * work.per_request, 1),
            "p50_ms": round(statistics.median(load.p50_us for load in self.loads) / 1e3, 3),
            "p99_ms": round(statistics.median(load.p99_us for load in self.loads) / 1e3, 3),
            "rounds_per_s": [round(load.per_s * work.per_request, 1) for load in self.loads],
        }


def measured(plan: Plan) -> dict[str, Any]:
    """Runs the plan; what is written to the results."""
    began = time.monotonic()
    pinned = cores()
    results: dict[str, Any] = {
        "date": date.today().isoformat(),  # noqa: DTZ011  # The day at this machine, for people.
        "command": plan.command,
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "machine": machine() | {"pinned": pinned is not None},
        "contenders": [
            {"name": each.name, "title": each.title, "label": each.label, "letter": each.letter}
            for each in plan.contenders
        ],
        "works": [
            {"name": work.name, "title": work.title, "unit": work.unit, "per_request": work.per_request}
            for work in plan.works
        ],
        "databases": {},
        "results": {},
        "raw": {},
    }
    server_core = None
    if pinned is not None:
        server_core, other = pinned
        pin(other)
    for name in plan.databases:
        with tempfile.TemporaryDirectory(prefix="mnesis-bench-") as made:
            folder = Path(made)
            # PostgreSQL may have to run as somebody else.
            folder.chmod(0o755)
            with _databases(name, folder) as databases:
                results["databases"][name] = databases.settings
                results["results"][name] = _Run(plan, databases, name, folder, server_core).measured()
                results["raw"][name] = _raw(databases, plan, folder, server_core)
    results["took_min"] = round((time.monotonic() - began) / 60, 1)
    return results


@contextmanager
def _databases(name: str, folder: Path) -> Iterator[Databases]:
    if name == "sqlite":
        yield SqliteDatabases(folder)
        return
    with postgresql(folder / "postgresql") as databases:
        yield databases


def _raw(databases: Databases, plan: Plan, folder: Path, core: int | None) -> dict[str, Any]:
    if isinstance(databases, PostgresDatabases):
        return raw_postgresql(databases, folder, seconds=plan.seconds, rounds=plan.rounds, core=core)
    assert isinstance(databases, SqliteDatabases)
    return raw_sqlite(databases, seconds=plan.seconds, rounds=plan.rounds, core=core)


class _Run:
    """Over one kind of database."""

    def __init__(self, plan: Plan, databases: Databases, database: str, folder: Path, core: int | None) -> None:
        self._plan = plan
        self._databases = databases
        self._database = database
        self._folder = folder
        self._core = core
        self._measured = {
            work.name: {contender.name: Measured() for contender in plan.contenders} for work in plan.works
        }

    def measured(self) -> dict[str, Any]:
        with ExitStack() as stack:
            servers = list(self._started(stack))
            for work in self._plan.works:
                ready = [server for server in servers if self._checked(server, work)]
                for turn in range(self._plan.rounds):
                    # Nobody is always the first after a pause.
                    for server in ready[turn % max(len(ready), 1) :] + ready[: turn % max(len(ready), 1)]:
                        self._measure(server, work)
                self._tell(work)
        return {work.name: self._summed_up(work) for work in self._plan.works}

    def _started(self, stack: ExitStack) -> Iterator[Server]:
        for contender in self._plan.contenders:
            asked = []
            for work in self._plan.works:
                reason = contender.left_out(work, self._database)
                self._measured[work.name][contender.name].left_out = reason
                if reason is None:
                    asked.append(work)
            if not asked:
                print(f"{self._database}: {contender.name} is left out: {reason}", flush=True)  # noqa: T201
                continue
            url = self._databases.copy(contender.name, of_mnesis=contender.on_mnesis_tables)
            log = self._folder / f"{contender.name}.log"
            try:
                server = Server(contender, url, log=log, core=self._core)
            except NotStarted as error:
                print(f"{self._database}: {contender.name} does not start: {error}", flush=True)  # noqa: T201
                for work in asked:
                    self._measured[work.name][contender.name].failed = f"It does not start: {str(error)[-300:]}"
                continue
            stack.callback(server.stop)
            server.halt()
            yield server

    def _checked(self, server: Server, work: Work) -> bool:
        """Whether it takes part, and answers as mnesis does."""
        found = self._measured[work.name][server.contender.name]
        if found.left_out:
            return False
        self._databases.gather_statistics(server.database_url)
        try:
            with server.awake():
                shape = checked(server, work)
        except WrongAnswer as error:
            found.failed = str(error)
            return False
        if not server.contender.documents:
            known = _SHAPES.setdefault(work.name, (server.contender.name, shape))
            if _comparable(shape) != _comparable(known[1]):
                found.failed = f"Its answer differs from that of {known[0]}: {shape} instead of {known[1]}"
        return found.failed is None

    def _measure(self, server: Server, work: Work) -> None:
        found = self._measured[work.name][server.contender.name]
        if found.failed:
            return
        body = self._folder / "body.json"
        body.write_text(server.contender.body(work))
        body.chmod(0o644)
        with server.awake():
            if self._plan.warming and (work.key, work.array) not in server.warm:
                server.warm.add((work.key, work.array))
                self._load(server, work, body, WARMING_SECONDS)
            before = self._databases.records(server.database_url) if work.records else 0
            try:
                seen = self._load(server, work, body, self._plan.seconds * (LONGER if found.is_slow else 1))
                if seen.requests < FEW * work.connections and not found.is_slow:
                    found.is_slow = True
                    before = self._databases.records(server.database_url) if work.records else 0
                    seen = self._load(server, work, body, self._plan.seconds * LONGER)
            except NoResult as error:
                found.failed = f"wrk: {error}"
                return
            fault = self._fault(server, work, seen, before)
        if fault is None:
            found.loads.append(seen)
        else:
            found.failed = fault

    def _load(self, server: Server, work: Work, body: Path, seconds: int) -> Load:
        begin = server.counted
        # More than anybody answers; nobody may see a number twice, or nothing would change.
        server.counted += 1_000_000 * seconds
        address = server.address + server.contender.path(work)
        return load(address, body, connections=work.connections, seconds=seconds, count_from=begin)

    def _fault(self, server: Server, work: Work, seen: Load, before: int) -> str | None:
        """What was wrong with what wrk saw: statuses, answers, or nothing in the database."""
        if seen.failures:
            return f"{seen.not_200} answers were not 200, {seen.lost} connections broke, {seen.late} answers were late"
        if not seen.requests:
            return "Nothing was answered in time."
        try:
            checked(server, work, samples=1)
        except WrongAnswer as error:
            return str(error)
        if work.records:
            written = self._databases.records(server.database_url) - before
            if written < seen.requests * work.records * (1 - MISSING_RECORDS):
                return f"{written} history rows for {seen.requests} requests of {work.records}"
        return None

    def _summed_up(self, work: Work) -> dict[str, Any]:
        shown = {name: found.shown(work) for name, found in self._measured[work.name].items()}
        for base, key in ((FLOOR, "of_floor"), (TEXTBOOK, "of_textbook")):
            by = shown.get(base, {}).get("per_s")
            for found in shown.values():
                if by and "per_s" in found:
                    found[key] = round(found["per_s"] / by, 2)
        return shown

    def _tell(self, work: Work) -> None:
        print(f"\n{self._database}: {work.title}", flush=True)  # noqa: T201  # It takes long; somebody waits.
        for name, found in self._summed_up(work).items():
            if "per_s" not in found:
                print(f"  {name:18} {found.get('failed') or found.get('left_out')}", flush=True)  # noqa: T201
                continue
            line = f"  {name:18} {found['per_s']:>10,.0f} {work.unit:12} p50 {found['p50_ms']:>8.2f} ms"
            line += f"  p99 {found['p99_ms']:>8.2f} ms"
            if "of_floor" in found:
                line += f"  {found['of_floor']:.2f} of the floor"
            print(line, flush=True)  # noqa: T201  # As above.


_SHAPES: dict[str, tuple[str, object]] = {}
"""What the first contender answered, for both databases."""


def _comparable(shape: object) -> object:
    """Keys in any order: a bare contender may write them as it likes."""
    if isinstance(shape, dict):
        return {key: _comparable(value) for key, value in sorted(shape.items())}
    return [_comparable(value) for value in shape] if isinstance(shape, list) else shape
