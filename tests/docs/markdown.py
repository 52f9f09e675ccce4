"""Reads the documentation as its readers' tools do: code blocks, headings and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "clients"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block; ``line`` is that of its first line of code, from 1."""

    language: str
    code: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(language=found[1], code=found[2], line=text.count("\n", 0, found.start(2)) + 1)
        for found in _BLOCK.finditer(text)
    ]


def program(page: Path, language: str) -> str:
    """All blocks of one language as one source, each on the lines that it has in the page."""
    source = ""
    for block in blocks(page):
        if block.language == language:
            source += "\n" * (block.line - 1 - source.count("\n")) + block.code
    return source


def anchors(page: Path) -> set[str]:
    """What the page's headings are called after ``#``: lower case, without punctuation, hyphens for spaces."""
    prose = _BLOCK.sub("", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose)}


def links(page: Path) -> Iterator[str]:
    """The targets of links and pictures, those in code left out."""
    prose = re.sub(r"`[^`\n]*`", "", _BLOCK.sub("", page.read_text()))
    yield from _LINK.findall(prose)
