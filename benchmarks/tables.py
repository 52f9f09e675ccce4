"""The results as tables in docs/benchmarks.md, and the line that the README says about them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.charts import DATABASES

SHOWN_FIRST = "(charts/updates.svg)"
"""What the README shows."""
BEGIN, END = "<!-- benchmarks: written by `python -m benchmarks charts` -->", "<!-- /benchmarks -->"


def write_tables(results: Mapping[str, Any], root: Path, charts: Sequence[Path] = ()) -> list[Path]:
    """Puts them and the charts between the marks of both files; where they are."""
    shown = [f"![{path.stem.replace('_', ' ').capitalize()}](charts/{path.name})" for path in charts]
    first = [line.replace("(charts/", "(docs/charts/") for line in shown if SHOWN_FIRST in line]
    pages = {
        root / "docs" / "benchmarks.md": "\n".join([*shown, "", *tables(results)]),
        root / "README.md": "\n".join([*first, "", measured_on(results)]),
    }
    return [path for path, words in pages.items() if replace(path, words)]


def replace(path: Path, words: str) -> bool:
    """Whether the file has the marks."""
    if not path.is_file():
        return False
    before, mark, rest = path.read_text().partition(BEGIN)
    if not mark:
        return False
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n{words}\n{END}{after}")
    return True


def measured_on(results: Mapping[str, Any]) -> str:
    """One sentence."""
    machine = results["machine"]
    return (
        f"Measured on {results['date']} with `{results['command']}`, {results['rounds']} rounds of"
        f" {results['seconds']} s: {machine['processor']}, {machine['cores']} cores, {machine['system']}, Python"
        f" {machine['python']}."
    )


def tables(results: Mapping[str, Any]) -> Iterator[str]:
    """A table for each database and work, what the bare databases do, and the machine."""
    yield measured_on(results)
    letters = {each["name"]: each["letter"] for each in results["contenders"]}
    titles = {each["name"]: each["title"] for each in results["contenders"]}
    for database, found in results["results"].items():
        yield f"\n### {DATABASES[database]}"
        for work in results["works"]:
            yield f"\n**{work['title']}**\n"
            yield f"| | {work['unit']} | of (b) | times (c) | p50 ms | p99 ms |"
            yield "|---|---:|---:|---:|---:|---:|"
            for name, each in found[work["name"]].items():
                label = f"({letters[name]}) {titles[name]}"
                if "per_s" in each:
                    yield (
                        f"| {label} | {each['per_s']:,.0f} | {ratio(each, 'of_floor')} | {ratio(each, 'of_textbook')} |"
                        f" {each['p50_ms']:,.2f} | {each['p99_ms']:,.2f} |"
                    )
                elif "failed" in each:
                    yield f"| {label} | failed: {cell(each['failed'])} | | | | |"
        yield from raw(results["raw"].get(database, {}))
        left_out = {
            (name, each["left_out"]) for work in found.values() for name, each in work.items() if "left_out" in each
        }
        for name, reason in sorted(left_out):
            yield f"\n({letters[name]}) {titles[name]} is left out where there is no row: {reason}"
    yield "\n### The machine\n"
    yield from machine(results)


def raw(found: Mapping[str, Any]) -> Iterator[str]:
    """The databases alone."""
    yield "\n**(h) An update with its history, the database alone**\n"
    if "left_out" in found:
        yield str(found["left_out"])
        return
    yield "| | updates/s |"
    yield "|---|---:|"
    for name, rate in found.items():
        kind, _, number = name.rpartition("_")
        label = f"pgbench, {number} clients" if kind == "update" else f"sqlite3, {number} per commit"
        yield f"| {label} | {rate:,.0f} |"


def machine(results: Mapping[str, Any]) -> Iterator[str]:
    """What it is and what it runs."""
    found = dict(results["machine"])
    packages = found.pop("packages")
    for name, value in found.items():
        yield f"- {name.replace('_', ' ')}: {value}"
    for database, settings in results["databases"].items():
        yield f"- {DATABASES[database]}: " + ", ".join(f"{name} {value}" for name, value in settings.items())
    yield "- packages: " + ", ".join(f"{name} {number}" for name, number in packages.items())


def ratio(found: Mapping[str, Any], key: str) -> str:
    """With two digits, or nothing."""
    return f"{found[key]:,.2f}" if key in found else ""


def cell(words: str) -> str:
    """What does not end a cell."""
    return " ".join(words.replace("|", "\\|").split())[:160]
