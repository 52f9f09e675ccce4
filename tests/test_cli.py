"""The command line, as a person at a terminal meets it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from mnesis import __version__
from mnesis.cli import app
from mnesis.storage.migrations import SchemaState, state

SECRET = "a secret of at least thirty-two bytes"
ROOT = Path(__file__).parents[1]
COMMANDS_PAGE = ROOT / "docs" / "operating.md"
SetEnvironment = Callable[..., None]


def run(*arguments: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of ``mnesis`` with these arguments."""
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def commands() -> list[str]:
    return sorted(get_command(app).commands)  # type: ignore[attr-defined]  # The command is a group.


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help_and_is_documented(command: str) -> None:
    code, stdout, _ = run(command, "--help")
    assert code == 0
    assert "Usage:" in stdout
    assert f"`mnesis {command}" in COMMANDS_PAGE.read_text()


def test_the_command_is_also_a_module() -> None:
    told = subprocess.run([sys.executable, "-m", "mnesis", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"mnesis {__version__}\n"


def test_without_a_command_the_help_is_shown() -> None:
    _, stdout, stderr = run()
    assert "Usage:" in stdout + stderr


@pytest.mark.parametrize("command", ["serve", "migrate", "token --tenant acme --subject ada"])
def test_bad_settings_are_told_in_a_sentence(set_environment: SetEnvironment, command: str) -> None:
    set_environment(port="http")
    code, stdout, stderr = run(*command.split())
    assert (code, stdout) == (1, "")
    assert stderr == "MNESIS_PORT must be a valid integer, unable to parse string as an integer.\n"


def test_strangers_may_not_reach_a_server_that_knows_no_callers() -> None:
    code, _, stderr = run("serve", "--host", "0.0.0.0")
    assert code == 1
    assert stderr == (
        "MNESIS_HOST is 0.0.0.0, which others can reach: set MNESIS_AUTH_SECRET or MNESIS_AUTH_JWKS,"
        " or listen on 127.0.0.1.\n"
    )


def test_sqlite_is_not_served_by_several_processes(tmp_path: Path) -> None:
    path = tmp_path / "mnesis.db"
    code, _, stderr = run("serve", "--workers", "2", "--database", f"sqlite:///{path}")
    assert code == 1
    assert stderr.startswith("SQLite serves one process:")
    assert not path.exists()


def test_keys_that_cannot_be_read_are_told_before_serving(set_environment: SetEnvironment, tmp_path: Path) -> None:
    set_environment(auth_jwks=tmp_path / "jwks.json")
    code, _, stderr = run("serve")
    assert code == 1
    assert stderr == f"MNESIS_AUTH_JWKS: {tmp_path / 'jwks.json'} cannot be used: there is no such file.\n"


def test_a_document_that_cannot_be_trusted_is_told_before_serving(
    set_environment: SetEnvironment, tmp_path: Path
) -> None:
    manifest = tmp_path / "persisted-documents.json"
    manifest.write_text('{"sessions": "{ session }"}')
    set_environment(trusted_documents=manifest)
    for workers in ("1", "2"):
        code, _, stderr = run("serve", "--workers", workers, "--database", "postgresql://127.0.0.1:1/memories")
        assert code == 1
        assert stderr.startswith(f'{manifest}: the document "sessions" cannot run: Cannot query field')
    path = tmp_path / "mnesis.db"
    assert run("serve", "--database", f"sqlite:///{path}")[0] == 1
    assert not path.exists()


def test_an_empty_postgresql_is_not_served(empty_database_url: str) -> None:
    if empty_database_url.startswith("sqlite"):
        return  # A SQLite file is made on the spot; tests/server starts one.
    code, _, stderr = run("serve", "--database", empty_database_url)
    assert code == 1
    assert "run `mnesis migrate` first" in stderr


def test_a_database_out_of_reach_is_told_in_a_sentence() -> None:
    code, _, stderr = run("migrate", "--database", "postgresql://ada:hunter2@127.0.0.1:1/memories?connect_timeout=2")
    assert code == 1
    assert stderr.startswith("PostgreSQL database memories at 127.0.0.1:1 cannot be used: ")
    assert "hunter2" not in stderr
    assert "Traceback" not in stderr


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, stderr = run("migrate", "--database", f"sqlite:///{tmp_path / 'file' / 'mnesis.db'}")
    assert code == 1
    assert "cannot be used: " in stderr


def test_a_migration_can_be_run_again(empty_database_url: str) -> None:
    for _ in range(2):
        code, stdout, _ = run("migrate", "--database", empty_database_url)
        assert code == 0
        assert stdout.endswith(" is up to date.\n")
        assert state(empty_database_url) is SchemaState.CURRENT


def test_the_schema_is_the_one_in_the_repository() -> None:
    code, stdout, _ = run("schema")
    assert code == 0
    assert stdout == (ROOT / "schema.graphql").read_text()


def test_a_token_says_what_was_asked_for(set_environment: SetEnvironment) -> None:
    set_environment(auth_secret=SECRET, auth_tenant_claim="org", auth_audience="mnesis", auth_issuer="us")
    code, stdout, _ = run(
        "token", "--tenant", "acme", "--subject", "ada", "--expires-in", "15m",
        "--scope", "memory:read", "--scope", "memory:admin",
    )  # fmt: skip
    assert code == 0
    claims = jwt.decode(stdout.strip(), SECRET, algorithms=["HS256"], audience="mnesis", issuer="us")
    assert claims.pop("exp") - claims.pop("iat") == 900
    assert claims == {
        "sub": "ada", "org": "acme", "scope": "memory:admin memory:read", "iss": "us", "aud": "mnesis"
    }  # fmt: skip


def test_a_token_may_read_and_write_unless_told_otherwise(set_environment: SetEnvironment) -> None:
    set_environment(auth_secret=SECRET)
    _, stdout, _ = run("token", "--tenant", "acme", "--subject", "ada")
    claims = jwt.decode(stdout.strip(), SECRET, algorithms=["HS256"])
    assert claims["scope"] == "memory:write"


@pytest.mark.parametrize("expires_in", ["soon", "0s", "-1h", "15", "1.5h"])
def test_a_token_needs_a_duration(set_environment: SetEnvironment, expires_in: str) -> None:
    set_environment(auth_secret=SECRET)
    code, stdout, stderr = run("token", "--tenant", "acme", "--subject", "ada", f"--expires-in={expires_in}")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("--expires-in must be")


def test_a_token_needs_a_secret() -> None:
    code, _, stderr = run("token", "--tenant", "acme", "--subject", "ada")
    assert code == 1
    assert stderr == "Set MNESIS_AUTH_SECRET to the secret that the server verifies tokens with.\n"
