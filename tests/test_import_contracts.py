"""The import contracts are guards, so each is broken once in a copy of the package and has to notice."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint(folder: Path) -> tuple[int, str]:
    """The exit code and the report of import-linter in a folder that holds the configuration and ``mnesis``."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    # Its lines are as wide as the terminal, which must not decide whether a name is found in them.
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package that takes the place of the installed one."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "gql" / "mnesis", tmp_path / "mnesis", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_the_package_as_it_is_keeps_all_contracts(copy: Path) -> None:
    code, report = lint(copy)
    assert code == 0, report


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("domain/limits.py", "import mnesis.usecases.ports", "Imports run one way"),
        ("usecases/ports.py", "import mnesis.web.keys", "Imports run one way"),
        ("web/keys.py", "import mnesis.settings", "Imports run one way"),
        ("settings.py", "import mnesis.graph", "Imports run one way"),
        ("graph/__init__.py", "import mnesis.storage", "Imports run one way"),
        ("app.py", "import mnesis.cli", "Imports run one way"),
        ("elsewhere.py", "", "Imports run one way"),
        ("domain/limits.py", "import pydantic", "What a memory is knows no framework"),
        ("usecases/ports.py", "from strawberry import type", "What a memory is knows no framework"),
        ("web/keys.py", "import sqlalchemy", "SQL stays in storage"),
        ("databases.py", "from sqlmodel import Session", "SQL stays in storage"),
        ("execution/engine.py", "import mnesis.domain.limits", "What executes operations knows nothing of memories"),
        ("usecases/ports.py", "import mnesis.execution", "What a memory is knows no framework"),
        ("storage/__init__.py", "import mnesis.web.keys", "Storage knows nothing of the web"),
        ("storage/lanes.py", "import prometheus_client", "Nothing that is observed knows what observes it"),
        ("graph/operations.py", "import structlog", "Nothing that is observed knows what observes it"),
        ("observing/logs.py", "import sqlalchemy", "SQL stays in storage"),
    ],
)
def test_a_broken_contract_is_noticed(copy: Path, module: str, statement: str, contract: str) -> None:
    with (copy / "mnesis" / module).open("a") as file:
        file.write(f"\n{statement}\n")
    code, report = lint(copy)
    assert code == 1
    assert f"{contract} BROKEN" in report
