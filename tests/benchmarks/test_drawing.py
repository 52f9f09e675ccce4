"""Charts and tables of results, as they get into the pages."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from benchmarks.charts import draw
from benchmarks.tables import BEGIN, END, write_tables

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {
    "processor": "A <fast> one & only",
    "cores": 2,
    "system": "Linux 6",
    "python": "3.11.7",
    "packages": {"starlette": "1.0"},
}


@pytest.fixture
def results() -> dict[str, Any]:
    """What a run leaves, with one contender that failed and one that took no part."""
    return {
        "date": "2026-11-21",
        "command": "python -m benchmarks",
        "seconds": 2,
        "rounds": 3,
        "machine": MACHINE,
        "contenders": [
            {"name": "mnesis", "title": "mnesis", "label": "mnesis", "letter": "a"},
            {"name": "bare", "title": "bare Starlette", "label": "bare", "letter": "b"},
            {"name": "ariadne", "title": "Ariadne", "label": "Ariadne", "letter": "d"},
            {"name": "yoga", "title": "graphql-yoga", "label": "yoga", "letter": "e"},
        ],
        "works": [{"name": "update_16", "title": "updateMemory, 16 connections", "unit": "updates/s"}],
        "databases": {"sqlite": {"synchronous": "FULL"}},
        "results": {
            "sqlite": {
                "update_16": {
                    "mnesis": {"per_s": 9_000.0, "p50_ms": 1.5, "p99_ms": 9.25, "of_floor": 0.9},
                    "bare": {"per_s": 10_000.0, "p50_ms": 1.25, "p99_ms": 8.0, "of_floor": 1.0},
                    "ariadne": {"failed": "500: a | b"},
                    "yoga": {"left_out": "It knows PostgreSQL only."},
                }
            }
        },
        "raw": {"sqlite": {"per_commit_1": 4_000.0, "per_commit_64": 20_000.0}},
    }


def test_a_chart_has_a_bar_as_long_as_what_was_measured(results: dict[str, Any], tmp_path: Path) -> None:
    [path] = draw(results, tmp_path)

    root = ElementTree.parse(path).getroot()
    lengths = {bar.get("class"): float(bar.get("width", "0")) for bar in root.iter(f"{SVG}rect")}
    assert path.name == "updates.svg"
    assert set(lengths) == {"ours", "floor"}
    assert lengths["ours"] == pytest.approx(0.9 * lengths["floor"], abs=0.1)


def test_a_chart_says_who_failed_and_when_and_how_it_was_measured(results: dict[str, Any], tmp_path: Path) -> None:
    [path] = draw(results, tmp_path)

    words = [line.text or "" for line in ElementTree.parse(path).getroot().iter(f"{SVG}text")]
    assert "failed" in words
    assert "yoga" not in words
    assert words[-2].startswith("2026-11-21 · python -m benchmarks · medians of 3 rounds of 2 s")
    assert words[-1].startswith("A <fast> one & only")


def test_tables_stand_between_the_marks_however_often_they_are_written(results: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "docs" / "benchmarks.md"
    page.parent.mkdir()
    page.write_text(f"Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")

    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n")
    charts = [Path("updates.svg"), Path("reads.svg")]

    assert write_tables(results, tmp_path, charts) == [page, readme]
    once = page.read_text()
    write_tables(results, tmp_path, charts)

    assert page.read_text() == once
    assert once.startswith(
        f"Before.\n\n{BEGIN}\n![Updates](charts/updates.svg)\n![Reads](charts/reads.svg)\n\nMeasured on 2026-11-21"
    )
    assert once.endswith(f"{END}\n\nAfter.\n")
    assert "old" not in once
    assert "| (a) mnesis | 9,000 | 0.90 |  | 1.50 | 9.25 |" in once
    assert "| (d) Ariadne | failed: 500: a \\| b | | | | |" in once
    assert "(e) graphql-yoga is left out where there is no row: It knows PostgreSQL only." in once
    assert readme.read_text().startswith(f"{BEGIN}\n![Updates](docs/charts/updates.svg)\n\nMeasured on 2026-11-21")
    assert "| sqlite3, 64 per commit | 20,000 |" in once
