"""The changelog in the format of Keep a Changelog 1.1.0."""

import re
from datetime import date

import pytest

from tests.docs.markdown import ROOT

# What breaks generated code is listed by coordinate under a kind of its own; tests/clients read it.
KINDS = ("Breaking", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def complaints(text: str) -> list[str]:
    """What a changelog does otherwise than the format has it."""
    found = [] if text.startswith("# Changelog\n") else ["It begins with the title."]
    found += _of_headings(re.findall(r"^## (.*)$", text, re.MULTILINE))
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        found += _of_section(section)
    return found


def _of_headings(headings: list[str]) -> list[str]:
    found = [] if headings[:1] == ["[Unreleased]"] else ["What is not released yet comes first."]
    releases = []
    for heading in headings[1:]:
        release = re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)(?: \[YANKED\])?", heading)
        if release is None:
            found.append(f"{heading} is no version with a date.")
        else:
            releases.append((date.fromisoformat(release[4]), tuple(int(part) for part in release.groups()[:3])))
    return found if releases == sorted(set(releases), reverse=True) else [*found, "The newest version comes first."]


def _of_section(section: str) -> list[str]:
    before, *parts = re.split(r"^### (.*)\n", section, flags=re.MULTILINE)
    kinds, bodies = parts[::2], parts[1::2]
    found = [f"{kind} is no kind of change." for kind in kinds if kind not in KINDS]
    if before.partition("\n")[2].strip():
        found.append("Every change stands under its kind.")
    if len(set(kinds)) < len(kinds):
        found.append("Each kind of change stands there once.")
    if not all(re.fullmatch(r"(?:- .+\n(?:  .+\n)*)+", body.strip() + "\n") for body in bodies):
        found.append("Changes are the items of one list.")
    return found


def test_the_changelog_keeps_the_format() -> None:
    assert complaints((ROOT / "CHANGELOG.md").read_text()) == []


GOOD = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- One\n  thing.\n- Another.\n\n## [0.1.0] - 2026-01-31\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Changelog\n", "Changes\n"),
        ("## [Unreleased]\n\n", ""),
        ("Added", "New"),
        ("- One", "One"),
        ("### Added\n\n", ""),
        ("- Another.", "### Added\n\n- Another."),
        ("2026-01-31", "soon"),
        ("## [0.1.0]", "## [0.1.0] - 2026-01-30\n\n## [0.2.0]"),
    ],
)
def test_what_does_not_keep_it_is_found(old: str, new: str) -> None:
    assert complaints(GOOD) == []
    assert complaints(GOOD.replace(old, new)) != []
