"""What npm is told to install for ``tests/clients/``, and what a release promises to clients."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CLIENTS = ROOT / "tests" / "clients"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Breaking\n\n- `Query.node`: gone.\n"


def test_every_client_has_one_version_and_comes_from_whichever_registry_is_configured() -> None:
    package: dict[str, Any] = json.loads((CLIENTS / "package.json").read_text())
    lock: dict[str, Any] = json.loads((CLIENTS / "package-lock.json").read_text())
    installed = {name.removeprefix("node_modules/"): each for name, each in lock["packages"].items() if name}
    for name, version in package["devDependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert installed[name]["version"] == version
    for name, each in installed.items():
        assert each["integrity"], name
        assert "resolved" not in each, name


def test_a_release_closes_the_changelog_and_moves_the_promise(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    changelog, promised = tmp_path / "CHANGELOG.md", tmp_path / "schema.released.graphql"
    changelog.write_text(CHANGELOG)
    promised.write_text("type Query { node: ID }")
    (tmp_path / "schema.graphql").write_text("type Query { other: ID }")

    def release(*settings: str) -> int:
        return subprocess.run(["make", "release", *settings], cwd=tmp_path, capture_output=True, check=False).returncode

    assert release() != 0
    assert release("VERSION=1.0.0", "MAKE=false") != 0  # As when a check fails.
    assert (changelog.read_text(), promised.read_text()) == (CHANGELOG, "type Query { node: ID }")

    assert release("VERSION=1.0.0", "MAKE=true") == 0
    dated = re.sub(r"\d{4}-\d\d-\d\d", "DATE", changelog.read_text())
    assert dated == CHANGELOG.replace("[Unreleased]", "[Unreleased]\n\n## [1.0.0] - DATE")
    assert promised.read_text() == "type Query { other: ID }"
    assert release("VERSION=1.0.0", "MAKE=true") != 0
