"""Where the revisions are found, and that our folder of that name hides no library."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mnesis.storage.migrations import SchemaState, scripts, state

ROOT = Path(__file__).parents[2]
UPGRADE = """
import sys
from mnesis.storage import migrations
migrations.upgrade(sys.argv[1])
print(migrations.scripts())
"""


def run(*arguments: str, cwd: Path, **environment: str) -> str:
    """What Python wrote, started with the arguments."""
    # Coverage would count an installed copy as files of its own.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, env={**inherited, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--wheel", "--outdir", str(folder), str(ROOT), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_a_checkout_has_them_in_alembic() -> None:
    assert scripts() == ROOT / "alembic"


def test_a_wheel_brings_them_along(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)  # Nothing else happens to a wheel of pure Python when it is installed.
    url = f"sqlite:///{tmp_path / 'mnesis.db'}"

    found = run("-c", UPGRADE, url, cwd=tmp_path, PYTHONPATH=str(installed))

    assert found == f"{installed / 'mnesis' / 'migrations'}\n"
    assert state(url) is SchemaState.CURRENT


def test_a_wheel_holds_one_package_and_nothing_compiled(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"mnesis"}
    assert [name for name in names if "__pycache__" in name] == []
    assert {f"mnesis/migrations/{path.name}" for path in (ROOT / "alembic").glob("*.*")} <= set(names)


def test_alembic_and_gql_are_the_libraries_at_the_root() -> None:
    found = run("-c", "import alembic.op, gql; print(gql.Client.__name__)", cwd=ROOT)

    assert found == "Client\n"


def test_alembics_command_line_works_at_the_root(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mnesis.db'}"

    run("-m", "alembic", "-x", f"url={url}", "upgrade", "head", cwd=ROOT)

    assert "No new upgrade operations" in run("-m", "alembic", "check", cwd=ROOT, MNESIS_DATABASE_URL=url)
    assert state(url) is SchemaState.CURRENT
