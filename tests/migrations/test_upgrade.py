import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mnesis.storage import migrations
from mnesis.storage.migrations import SchemaState, check, downgrade, state, upgrade
from mnesis.storage.schema_access import CannotMigrate, changing, reading
from tests.migrations.dumps import dump, sqlite_file

PROCESSES = 4
UPGRADE_WHEN_TOLD = """
import sys
from mnesis.storage.migrations import upgrade
print("ready", flush=True)
sys.stdin.readline()
upgrade(sys.argv[1])
"""
LATER = """
import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "{newest}"


def upgrade() -> None:
    op.create_table("later", sa.Column("id", sa.Text(), primary_key=True))
    with op.batch_alter_table("tenant") as tenant:
        tenant.add_column(sa.Column("remark", sa.Text()))
        tenant.alter_column("created_at", new_column_name="made_at")
    {last}


def downgrade() -> None:
    pass
"""


@pytest.fixture
def add_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Adds a revision to a copy of ours; it ends with the given statement."""

    def add(last: str) -> None:
        folder = tmp_path / "scripts"
        shutil.copytree(migrations.scripts(), folder, dirs_exist_ok=True)
        newest = max(path.name for path in (folder / "versions").glob("0*.py")).partition("_")[0]
        (folder / "versions" / "later.py").write_text(LATER.format(newest=newest, last=last))
        monkeypatch.setattr(migrations, "scripts", lambda: folder)

    return add


def execute(url: str, *statements: str) -> None:
    with changing(url) as connection:
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()


def fill(url: str) -> None:
    execute(
        url,
        "INSERT INTO tenant (id, change, created_at) VALUES ('t', 1, 1)",
        "INSERT INTO container (tenant_id, id, name, created_at, version, updated_at, deleted)"
        " VALUES ('t', 'default', 'default', 1, 1, 1, false)",
    )


def test_a_database_is_empty_then_current(empty_database_url: str) -> None:
    before = state(empty_database_url)
    upgrade(empty_database_url)

    assert (before, state(empty_database_url)) == (SchemaState.EMPTY, SchemaState.CURRENT)


def test_asking_for_the_state_makes_no_file(tmp_path: Path) -> None:
    assert state(f"sqlite:///{tmp_path / 'mnesis.db'}") is SchemaState.EMPTY
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a folder, 100 % new" / "mnesis.db"

    upgrade(f"sqlite:///{path}")

    assert state(f"sqlite:///{path}") is SchemaState.CURRENT
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_an_older_database_is_brought_up_to_date_with_its_rows(
    empty_database_url: str, add_revision: Callable[[str], None]
) -> None:
    upgrade(empty_database_url)
    fill(empty_database_url)
    add_revision("pass")

    before = state(empty_database_url)
    upgrade(empty_database_url)

    assert (before, state(empty_database_url)) == (SchemaState.OLD, SchemaState.CURRENT)
    with reading(empty_database_url) as connection:
        rows = connection.execute(text("SELECT t.id, made_at, remark, name FROM tenant t, container")).all()
    assert [tuple(row) for row in rows] == [("t", 1, None, "default")]


def test_a_failed_migration_leaves_the_database_as_it_was(
    empty_database_url: str, add_revision: Callable[[str], None]
) -> None:
    upgrade(empty_database_url)
    fill(empty_database_url)
    before = dump(empty_database_url)
    add_revision("raise ZeroDivisionError")

    with pytest.raises(ZeroDivisionError):
        upgrade(empty_database_url)

    assert state(empty_database_url) is SchemaState.OLD
    assert dump(empty_database_url) == before


def test_a_failed_first_migration_leaves_nothing(empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE TABLE history (somebodys TEXT)")
    before = dump(empty_database_url)

    with pytest.raises(DBAPIError, match="history"):
        upgrade(empty_database_url)

    assert state(empty_database_url) is SchemaState.EMPTY
    assert dump(empty_database_url) == before


def test_a_migration_that_would_orphan_rows_is_refused(tmp_path: Path, add_revision: Callable[[str], None]) -> None:
    url = f"sqlite:///{tmp_path / 'mnesis.db'}"
    upgrade(url)
    fill(url)
    add_revision("""op.execute("DELETE FROM tenant")""")

    with pytest.raises(CannotMigrate, match="refer to rows which are not there"):
        upgrade(url)

    assert state(url) is SchemaState.OLD


def test_a_newer_database_is_left_alone(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    execute(empty_database_url, "UPDATE alembic_version SET version_num = 'from the future'")

    assert state(empty_database_url) is SchemaState.NEWER
    with pytest.raises(CannotMigrate, match=r"^The database was made by a newer mnesis\.$"):
        upgrade(empty_database_url)


def test_an_upgrade_of_a_current_database_waits_for_nobody(empty_database_url: str) -> None:
    upgrade(empty_database_url)

    with changing(empty_database_url):
        upgrade(empty_database_url)


def test_processes_may_start_at_once(empty_database_url: str) -> None:
    command = [sys.executable, "-c", UPGRADE_WHEN_TOLD, empty_database_url]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]

    assert ends == [("", 0)] * PROCESSES
    assert check(empty_database_url) == []


def test_threads_may_start_at_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(PROCESSES) as threads:
        list(threads.map(upgrade, [empty_database_url] * PROCESSES))

    assert check(empty_database_url) == []


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 37, 2))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.37.2")

    with pytest.raises(CannotMigrate, match=r"^Python uses SQLite 3\.37\.2, and mnesis needs 3\.38 or newer"):
        upgrade(f"sqlite:///{tmp_path / 'mnesis.db'}")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://host/db", "mnesis.db"])
def test_an_address_of_no_use_is_refused(url: str) -> None:
    with pytest.raises(CannotMigrate, match="address must"):
        upgrade(url)


@pytest.mark.parametrize(
    "userinfo", ["user:top@secret", "user:top/secret", "user:top?secret=1", "user:top%zzsecret", "user:top:secret"]
)
def test_a_password_is_in_no_message(userinfo: str) -> None:
    # Port 1 is where nobody listens.
    for change in (state, upgrade, check):
        with pytest.raises((CannotMigrate, DBAPIError)) as caught:
            change(f"postgresql://{userinfo}@127.0.0.1:1/db")
        assert "top" not in str(caught.value)
        assert "secret" not in str(caught.value)


def test_both_names_of_postgresql_are_understood(postgresql_url: str) -> None:
    rest = postgresql_url.partition("://")[2]

    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        assert state(f"{scheme}://{rest}") is SchemaState.CURRENT


def test_a_sqlite_database_moves_with_its_file(sqlite_url: str, tmp_path: Path) -> None:
    moved = sqlite_file(sqlite_url).rename(tmp_path / "moved.db")

    downgrade(f"sqlite:///{moved}", "base")

    assert state(f"sqlite:///{moved}") is SchemaState.EMPTY
