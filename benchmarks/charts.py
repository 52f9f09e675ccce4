"""Bars, as SVG that can be read on light and dark pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

WIDTH = 880
MARGIN = 16
GAP = 40
LABELS = 164
NUMBERS = 62
BAR = 14
STEP = 22
HEAD = 52
PANEL_HEAD = 42
FOOT = 54
STYLE = """
    text { font: 12px ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #3b4252 }
    .title { font-size: 16px; font-weight: 600; fill: #1c2128 }
    .panel { font-weight: 600 }
    .foot, .out { fill: #6b7280; font-size: 11px }
    .bar { fill: #b6bfcc }
    .floor { fill: #7d8aa0 }
    .ours { fill: #2f6fdb }
    .own { font-weight: 600; fill: #1c2128 }
    .axis { stroke: #c9d0da }
    @media (prefers-color-scheme: dark) {
      text { fill: #c3cad5 }
      .title, .own { fill: #f0f3f6 }
      .foot, .out { fill: #8b949e }
      .bar { fill: #4a5363 }
      .floor { fill: #8492a8 }
      .ours { fill: #5b95f5 }
      .axis { stroke: #3d4654 }
    }
"""
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
OURS, FLOOR = "mnesis", "bare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One contender; ``note`` stands where there is no value."""

    label: str
    value: float | None
    kind: str = "bar"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Bars that share a scale."""

    title: str
    scale: str
    bars: Sequence[Bar]


CHARTS = {
    "updates": (
        "One durable update with its history, by number of connections",
        ("update_1", "update_16", "update_64"),
    ),
    "many_updates": ("Many updates in a request", ("array_10", "aliases_30")),
    "entries": (
        "A session's entries, each with history and search index",
        ("entries_1", "entries_100", "entries_1000"),
    ),
    "reads": ("Reading", ("by_id_16", "by_id_64", "list_100", "search")),
}
"""By file: the title, and the works, each over both databases."""


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Writes all charts of which something was measured; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, (title, works) in CHARTS.items():
        panels = list(panels_of(results, works))
        if panels:
            path = folder / f"{name}.svg"
            path.write_text(svg(title, panels, footer(results)))
            written.append(path)
    return written


def footer(results: Mapping[str, Any]) -> tuple[str, str]:
    """When and how this was measured, and on what."""
    machine = results["machine"]
    rounds = f"medians of {results['rounds']} rounds of {results['seconds']} s"
    how = f"{results['date']} · {results['command']} · {rounds} · longer is better"
    return how, f"{machine['processor']}, the server on one core · {machine['system']} · Python {machine['python']}"


def panels_of(results: Mapping[str, Any], works: Sequence[str]) -> Iterator[Panel]:
    """For each work a panel per database."""
    titles = {work["name"]: work for work in results["works"]}
    for work in works:
        for database in DATABASES:
            found = results["results"].get(database, {}).get(work)
            if found and any("per_s" in each for each in found.values()):
                scale = f"{DATABASES[database]}, {titles[work]['unit']}"
                yield Panel(title=titles[work]["title"], scale=scale, bars=list(bars_of(results, found)))


def bars_of(results: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Bar]:
    """The contenders in the order of the line-up, without those that take no part."""
    for contender in results["contenders"]:
        each = found.get(contender["name"], {})
        if "left_out" in each or not each:
            continue
        kind = {OURS: "ours", FLOOR: "floor"}.get(contender["name"], "bar")
        note = "" if "per_s" in each else "failed"
        yield Bar(label=contender["label"], value=each.get("per_s"), kind=kind, note=note)


def svg(title: str, panels: Sequence[Panel], foot: tuple[str, str]) -> str:
    """The panels, two in a row."""
    column = (WIDTH - 2 * MARGIN - GAP) / 2
    parts: list[str] = []
    top = float(HEAD)
    for first in range(0, len(panels), 2):
        row = panels[first : first + 2]
        for place, panel in enumerate(row):
            parts += panel_svg(panel, MARGIN + place * (column + GAP), top, column)
        top += PANEL_HEAD + STEP * max(len(panel.bars) for panel in row) + 18
    height = round(top + FOOT - 18)
    lines = "\n  ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">\n  <style>{STYLE}  </style>\n'
        f'  <text class="title" x="{MARGIN}" y="28">{escape(title)}</text>\n  {lines}\n'
        f"  {lines_of(foot, height)}\n</svg>\n"
    )


def lines_of(foot: tuple[str, str], height: int) -> str:
    """At the bottom."""
    return "\n  ".join(text(MARGIN, height - up, line, "foot") for up, line in zip((29, 13), foot, strict=True))


def panel_svg(panel: Panel, left: float, top: float, width: float) -> Iterator[str]:
    """Its title, an axis and the bars with their numbers."""
    yield text(left, top + 14, panel.title, "panel")
    yield text(left, top + 30, panel.scale, "out")
    most = max((bar.value or 0 for bar in panel.bars), default=0) or 1
    begin, room = left + LABELS, width - LABELS - NUMBERS
    bottom = top + PANEL_HEAD + STEP * len(panel.bars) - STEP + BAR + 2
    yield f'<line class="axis" x1="{begin:.0f}" y1="{top + PANEL_HEAD - 2:.0f}" x2="{begin:.0f}" y2="{bottom:.0f}"/>'
    for place, bar in enumerate(panel.bars):
        y = top + PANEL_HEAD + place * STEP
        yield text(begin - 8, y + 11, bar.label, "own" if bar.kind == "ours" else "", anchor="end")
        if bar.value is None:
            yield text(begin + 6, y + 11, bar.note, "out")
            continue
        length = max(room * bar.value / most, 1)
        yield f'<rect class="{bar.kind}" x="{begin:.1f}" y="{y:.0f}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        yield text(begin + length + 6, y + 11, f"{bar.value:,.0f}", "own" if bar.kind == "ours" else "")


def text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    """A line of words."""
    marks = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{marks}>{escape(words)}</text>'
