"""The charts of `growth`: SVG written by hand, light enough to be read as text and to be compared in a diff."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 460, 330
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 64, 106
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
STYLE = """
  text { font: 11px ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #3b4252 }
  .title { font-size: 14px; font-weight: 600; fill: #1c2128 }
  .panel { font-weight: 600 }
  .foot { fill: #6b7280; font-size: 10px }
  .grid { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #c3cad5 }
    .title { fill: #f0f3f6 }
    .grid { stroke: #3d4654 }
  }
"""
"""For light pages and dark ones."""
COLOURS = ("#3b82f6", "#d97706", "#16a34a", "#a371f7", "#e5484d", "#7d8590")
READS = {
    "first_page": "first page of 100",
    "deep_page": "page of 100 anywhere",
    "search_rare": "search, rarer words",
    "search_common": "search, common words",
    "history": "history of a memory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; ``points`` are numbers of memories and what was measured there."""

    label: str
    points: Sequence[tuple[int, float]]
    colour: str
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One set of axes. A logarithmic one begins at the power of ten below its least value, another at 0."""

    title: str
    lines: Sequence[Line]
    logarithmic: bool = False
    written: Callable[[float], str] = "{:g}".format


def draw(results: dict[str, Any], folder: Path) -> None:
    """Writes every chart that there are results for."""
    folder.mkdir(parents=True, exist_ok=True)
    measured = {name: found for name, found in results["databases"].items() if "sizes" in found}
    charts = {
        "update": ("What one update costs, against the smallest database", _updates),
        "latency": ("How long an update takes at 16 connections, milliseconds", _latencies),
        "reads": ("How long a read takes at one connection (median), milliseconds", _reads),
        "memory": ("Memory that the server holds, MB", _memory),
    }
    day = max((found["measured_on"] for found in measured.values()), default="")
    for name, (title, panel) in charts.items():
        panels = [panel(database, found) for database, found in measured.items()]
        if panels:
            (folder / f"growth-{name}.svg").write_text(chart(title, panels, f"{day}, python -m benchmarks.growth"))


def _updates(database: str, found: dict[str, Any]) -> Panel:
    def line(name: str, label: str, colour: str, *, dashed: bool = False) -> Line:
        points = [(int(size), grown[name]) for size, grown in found["growth"].items()]
        return Line(label=label, points=points, colour=colour, dashed=dashed)

    lines = [
        line("update_1", "mnesis, 1 connection", COLOURS[0]),
        line("bare_update_1", "bare, 1", COLOURS[0], dashed=True),
        line("update_16", "mnesis, 16", COLOURS[1]),
        line("bare_update_16", "bare, 16", COLOURS[1], dashed=True),
    ]
    return Panel(title=NAMES[database], lines=lines, written="{:g}x".format)


def _latencies(database: str, found: dict[str, Any]) -> Panel:
    lines = [
        Line(label=label, points=_points(found, "update_16", key), colour=colour)
        for label, key, colour in (("p50", "p50_ms", COLOURS[0]), ("p99", "p99_ms", COLOURS[4]))
    ]
    return Panel(title=NAMES[database], lines=lines)


def _reads(database: str, found: dict[str, Any]) -> Panel:
    lines = [
        Line(label=label, points=_points(found, name, "p50_ms"), colour=colour)
        for (name, label), colour in zip(READS.items(), COLOURS, strict=False)
    ]
    return Panel(title=NAMES[database], lines=lines, logarithmic=True)


def _memory(database: str, found: dict[str, Any]) -> Panel:
    lines = [
        Line(label="after the start", points=_points(found, "server_mb", "started"), colour=COLOURS[5]),
        Line(label="after all requests", points=_points(found, "server_mb", "after"), colour=COLOURS[2]),
    ]
    return Panel(title=NAMES[database], lines=lines)


def _points(found: dict[str, Any], name: str, key: str) -> list[tuple[int, float]]:
    return [(int(size), each[name][key]) for size, each in found["sizes"].items()]


def chart(title: str, panels: Sequence[Panel], foot: str) -> str:
    """An SVG with the panels side by side, all with the same axes."""
    width = WIDTH * len(panels)
    points = [point for panel in panels for line in panel.lines for point in line.points]
    box = f'viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * WIDTH} 0)">', *_panel(panel, points), "</g>"]
    parts.append(f'<text class="foot" x="{width - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{escape(foot)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, points: Sequence[tuple[int, float]]) -> list[str]:
    """``points`` are those of all panels, which its axes have room for."""
    sizes, values = sorted({size for size, _ in points}), [value for _, value in points]
    ticks = _powers(values) if panel.logarithmic else _steps(max(values))
    scale: Callable[[float], float] = math.log10 if panel.logarithmic else float
    low, high = scale(ticks[0]), scale(ticks[-1])
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def across(size: int) -> float:
        share = (math.log10(size) - first) / (last - first) if last > first else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT - 24), 1)

    def down(value: float) -> float:
        return round(HEIGHT - BOTTOM - (scale(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [f'<text x="{LEFT}" y="{TOP - 16}" class="panel">{escape(panel.title)}</text>']
    for tick in ticks:
        y = down(tick)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{panel.written(tick)}</text>')
    below = f'y="{HEIGHT - BOTTOM + 16}" text-anchor="middle"'
    parts += [f'<text x="{across(size)}" {below}>{size:,}</text>' for size in sizes]
    for number, line in enumerate(panel.lines):
        dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
        places = " ".join(f"{across(size)},{down(value)}" for size, value in line.points)
        parts.append(f'<polyline points="{places}" fill="none" stroke="{line.colour}" stroke-width="2"{dashes}/>')
        for size, value in line.points:
            said = f"{line.label}: {size:,} memories, {value:g}"
            parts.append(
                f'<circle cx="{across(size)}" cy="{down(value)}" r="3" fill="{line.colour}">'
                f"<title>{escape(said)}</title></circle>"
            )
        parts += _legend(number, line)
    return parts


def _legend(number: int, line: Line) -> list[str]:
    x, y = LEFT + number % 2 * 196, HEIGHT - BOTTOM + 40 + number // 2 * 18
    dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
    return [
        f'<path d="M{x} {y - 4}h16" stroke="{line.colour}" stroke-width="2"{dashes}/>',
        f'<text x="{x + 20}" y="{y}">{escape(line.label)}</text>',
    ]


def _powers(values: Sequence[float]) -> list[float]:
    least, most = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0**power for power in range(least, max(most, least + 1) + 1)]


def _steps(most: float) -> list[float]:
    """From 0 to above ``most`` in four to nine round steps."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * part for part in (0.125, 0.25, 0.5, 1.0, 2.0) if most / (power * part) <= 9)
    return [round(step * number, 6) for number in range(math.ceil(most / step) + 1)]
