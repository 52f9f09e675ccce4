"""``mnesis retention``, as a person at a terminal and a program meet it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.storage.workbench import raw, rows
from tests.test_cli import run

ACME = ("--tenant", "acme")


@pytest.fixture
def filled(database_url: str) -> str:
    """The default container of a tenant has sessions, memories and rules, that of another one memories only."""
    for tenant in ("acme", "globex"):
        assert run("demo", "--tenant", tenant, "--database", database_url)[0] == 0
    keep(database_url, LONG_TERM={"count": 1}, SESSION={"count": 1})
    return database_url


def keep(url: str, **rules: dict[str, int]) -> None:
    with raw(url) as connection:
        connection.execute(
            f"UPDATE container SET retention = '{json.dumps(rules)}', version = version + 1 WHERE tenant_id = 'acme'"
        )


def live(url: str, tenant: str) -> int:
    [(count,)] = rows(url, f"SELECT count(*) FROM memory WHERE tenant_id = '{tenant}' AND NOT deleted")
    return int(count)


def receipt(*arguments: str) -> Any:
    code, stdout, stderr = run("retention", *arguments)
    assert (code, stderr) == (0, "")
    return json.loads(stdout)


def test_a_dry_run_counts_what_a_run_removes(filled: str) -> None:
    before = live(filled, "acme"), live(filled, "globex")
    foretold = receipt("--dry-run", "--database", filled)
    assert foretold["dryRun"] is True
    assert (live(filled, "acme"), live(filled, "globex")) == before
    done = receipt("--run", "--database", filled)
    assert done == {**foretold, "dryRun": False}
    [container] = done["containers"]
    assert (container.pop("tenant"), container.pop("container")) == ("acme", "default")
    assert container == done["receipt"]
    assert container["total"] == container["sessions"] + container["working"] + container["longTerm"] > 0
    assert live(filled, "acme") == before[0] - container["total"]
    assert live(filled, "globex") == before[1]
    again = receipt("--run", *ACME, "--container", "default", "--database", filled)
    assert set(again["receipt"].values()) == {0}


def test_what_is_left_goes_into_an_archive_and_back(filled: str, tmp_path: Path) -> None:
    keep(filled, LONG_TERM={"count": 1}, SESSION={"count": 1}, HISTORY={"count": 1})
    with raw(filled) as connection:
        # Long enough ago for some of it to go for good.
        connection.execute("UPDATE history SET created_at = created_at - 86400000000 * 40")
        connection.execute("UPDATE memory SET updated_at = updated_at - 86400000000 * 40")
    assert receipt("--run", "--database", filled)["receipt"]["total"] > 0
    assert receipt("--run", "--database", filled)["receipt"]["history"] > 0
    with raw(filled) as connection:
        connection.execute("UPDATE memory SET updated_at = updated_at - 86400000000 * 40 WHERE deleted")
        connection.execute("UPDATE history SET created_at = created_at - 86400000000 * 40")
    keep(filled, HISTORY={"days": 30})
    assert receipt("--run", "--database", filled)["receipt"]["history"] > 0
    file, again, other = tmp_path / "acme.jsonl", tmp_path / "again.jsonl", f"sqlite:///{tmp_path / 'other.db'}"
    assert run("export", *ACME, "--database", filled, "--output", str(file))[0] == 0
    code, _, stderr = run("import", *ACME, "--database", other, str(file))
    assert (code, stderr) == (0, "")
    assert run("export", *ACME, "--database", other, "--output", str(again))[0] == 0
    assert again.read_bytes() == file.read_bytes()
    assert live(other, "acme") == live(filled, "acme")


def test_nothing_ages_out_where_no_container_has_rules(filled: str) -> None:
    told = receipt("--run", "--tenant", "globex", "--database", filled)
    assert told["containers"] == []
    assert set(told["receipt"].values()) == {0}


def test_what_cannot_be_done_is_told_in_a_sentence(filled: str) -> None:
    both = "Give either --dry-run, which only counts, or --run, which removes.\n"
    before = live(filled, "acme")
    for arguments, told in (
        ((), both),
        (("--dry-run", "--run"), both),
        (("--run", "--tenant", "nobody"), "There is no tenant nobody.\n"),
        (("--dry-run", "--tenant", ""), "--tenant must be the name of a tenant.\n"),
        (("--run", *ACME, "--container", "notes"), "There is no container notes in the tenant acme.\n"),
        (("--run", *ACME, "--container", "no id"), "--container must be the id of a container.\n"),
        (
            ("--run", "--container", "default"),
            "--container needs --tenant: containers of different tenants may have the same id.\n",
        ),
    ):
        assert run("retention", *arguments, "--database", filled) == (1, "", told)
    assert live(filled, "acme") == before


def test_a_database_out_of_reach_is_told_in_a_sentence() -> None:
    url = "postgresql://ada:hunter2@127.0.0.1:1/memories?connect_timeout=2"
    code, stdout, stderr = run("retention", "--run", "--database", url)
    assert (code, stdout) == (1, "")
    assert stderr.startswith("PostgreSQL database memories at 127.0.0.1:1 cannot be used: ")
    assert "hunter2" not in stderr


def test_a_run_beside_another_one_is_refused_on_postgresql(postgresql_url: str) -> None:
    assert run("demo", *ACME, "--database", postgresql_url)[0] == 0
    keep(postgresql_url, LONG_TERM={"count": 1})
    with raw(postgresql_url) as other:
        other.execute(f"SELECT pg_advisory_lock({0x6D6E65736973_72})")
        told = "Another retention run is at work on this database; wait until it has ended.\n"
        assert run("retention", "--run", "--database", postgresql_url) == (1, "", told)
        # Counting holds nobody up.
        assert receipt("--dry-run", "--database", postgresql_url)["receipt"]["longTerm"] > 0
    assert receipt("--run", "--database", postgresql_url)["receipt"]["longTerm"] > 0


def test_a_terminal_sees_a_table(filled: str) -> None:
    seen = at_a_terminal("--dry-run", "--database", filled)
    for word in ("Would be removed", "Tenant", "acme", "default", "Long-term", "Total"):
        assert word in seen
    told = json.loads(at_a_terminal("--dry-run", "--json", "--database", filled))
    assert told["dryRun"] is True
    assert "Removed" in at_a_terminal("--run", *ACME, "--database", filled)
    assert "No container has retention rules" in at_a_terminal("--run", "--tenant", "globex", "--database", filled)


def at_a_terminal(*arguments: str) -> str:
    """What a person sees of a command that succeeds."""
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mnesis", "retention", *arguments],
        stdout=its_end,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(its_end)
    seen = b""
    try:
        while chunk := os.read(terminal, 65_536):
            seen += chunk
    except OSError:
        pass  # That is how Linux says that the other end is closed.
    os.close(terminal)
    assert process.wait() == 0
    return seen.decode()
