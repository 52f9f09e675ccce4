"""``python -m benchmarks``: measures mnesis beside what could be used instead, and draws what was measured."""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.charts import draw
from benchmarks.lineup import BOTH, ROOT, lineup
from benchmarks.tables import write_tables
from benchmarks.works import WORKS

RESULTS = Path(__file__).parent / "results" / "contenders.json"


def main() -> None:
    """Does what the command line asks for."""
    asked = _arguments().parse_args()
    if asked.action == "run":
        results = _run(asked)
        target = asked.output or (None if _is_partial(asked) else RESULTS)
        if target is None:
            print("\nOnly a part was measured: nothing is kept. --output keeps it.")  # noqa: T201
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(results, indent=1) + "\n")
        if target != RESULTS:
            return
    if not RESULTS.is_file():
        raise SystemExit("There are no results yet: run `python -m benchmarks`.")
    results = json.loads(RESULTS.read_text())
    drawn = draw(results, ROOT / "docs" / "charts")
    for path in [*drawn, *write_tables(results, ROOT, drawn)]:
        print(path.relative_to(ROOT))  # noqa: T201  # What was written.


def _run(asked: argparse.Namespace) -> dict[str, object]:
    # Here, so that charts are drawn without what only measuring needs.
    from benchmarks.measuring import Plan, measured

    works = [work for work in WORKS if not asked.work or work.name in asked.work]
    plan = Plan(
        contenders=lineup(asked.contenders),
        works=works,
        databases=asked.database or BOTH,
        seconds=1 if asked.quick else asked.seconds,
        rounds=1 if asked.quick else asked.rounds,
        warming=not asked.quick,
        command=_command(sys.argv[1:]),
    )
    return measured(plan)


def _command(arguments: list[str]) -> str:
    """What others would type; where the results went is nobody's business."""
    kept = list(arguments)
    if "--output" in kept:
        place = kept.index("--output")
        del kept[place : place + 2]
    return " ".join(["python -m benchmarks", *kept])


def _is_partial(asked: argparse.Namespace) -> bool:
    return bool(asked.quick or asked.work or asked.database or asked.contenders)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("action", nargs="?", choices=["run", "charts"], default="run", help="charts: only draw again")
    parser.add_argument("--quick", action="store_true", help="one round of one second, to see whether all works")
    parser.add_argument("--work", nargs="+", choices=[work.name for work in WORKS], help="only these")
    parser.add_argument("--database", nargs="+", choices=BOTH, help="only these")
    parser.add_argument("--contenders", nargs="+", metavar="NAME", help="only these, such as mnesis bare strawberry")
    parser.add_argument("--seconds", type=_between(1, 60), default=2, help="of each measurement (2)")
    parser.add_argument("--rounds", type=_between(1, 20), default=3, help="measurements of which the median counts (3)")
    parser.add_argument("--output", type=Path, help="where results go (benchmarks/results/contenders.json)")
    return parser


def _between(least: int, most: int):  # type: ignore[no-untyped-def]  # argparse wants any callable.
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{least} to {most}")
        return value

    return number


if __name__ == "__main__":
    main()
