"""``mnesis export`` and ``mnesis import``, as a person at a terminal meets them."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mnesis.cli import app


def run(*arguments: str, given: bytes | None = None) -> tuple[int, bytes, str]:
    """The exit code, stdout and stderr of ``mnesis`` with these arguments."""
    result = CliRunner().invoke(app, arguments, input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout_bytes, result.stderr


@pytest.fixture
def filled(database_url: str) -> str:
    assert run("demo", "--tenant", "acme", "--database", database_url)[0] == 0
    return database_url


def test_a_tenant_goes_into_a_file_and_back(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "acme.jsonl"
    told = run("export", "--tenant", "acme", "--database", filled, "--output", str(file))
    assert told == (0, b"", "Exported the tenant acme: 1 container, 17 memories and 17 history records.\n")
    assert file.stat().st_mode & 0o077 == 0
    other = f"sqlite:///{tmp_path / 'other.db'}"
    told = run("import", "--tenant", "acme", "--database", other, str(file))
    assert told == (0, b"Imported into the tenant acme: 1 container, 17 memories and 17 history records.\n", "")
    _, archive, _ = run("export", "--tenant", "acme", "--database", other)
    assert archive == file.read_bytes()
    # It is written over, since it would be whole whatever happens.
    assert run("export", "--tenant", "acme", "--database", other, "--output", str(file))[0] == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".jsonl"] == ["acme.jsonl"]


def test_a_container_goes_through_a_pipe(filled: str) -> None:
    _, archive, told = run("export", "--tenant", "acme", "--container", "default", "--database", filled)
    assert told.startswith("Exported the container default of the tenant acme: ")
    arguments = ("import", "--tenant", "globex", "--container", "notes", "--database", filled, "-")
    code, stdout, _ = run(*arguments, given=archive)
    assert (code, stdout.decode()) == (
        0,
        "Imported into the container notes of the tenant globex: 1 container, 17 memories and 17 history records.\n",
    )
    code, _, told = run(*arguments, given=archive)
    assert code == 1
    assert told.startswith("The container notes of the tenant globex is not empty; ")


def test_a_failed_export_leaves_the_old_file(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.jsonl"
    file.write_text("the last one")
    told = run("export", "--tenant", "nobody", "--database", filled, "--output", str(file))
    assert told == (1, b"", "There is no tenant nobody.\n")
    assert file.read_text() == "the last one"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_cannot_be_done_is_told_in_a_sentence(filled: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "no folder" / "file")
    acme = ("--tenant", "acme")
    for arguments, told in (
        (("export", *acme, "--output", missing), f"{missing} cannot be written: No such file or directory.\n"),
        (("import", missing), f"{missing} cannot be read: No such file or directory.\n"),
        (("import", str(tmp_path)), f"{tmp_path} cannot be read: Is a directory.\n"),
        (("export", "--container", "no id"), "--container must be the id of a container.\n"),
        (("import", "--container", "", "-"), "--container must be the id of a container.\n"),
        (("export", "--tenant", ""), "--tenant must be the name of a tenant.\n"),
        (("import", "-"), "The file is empty.\n"),
    ):
        assert run(*arguments, "--database", filled) == (1, b"", told)


@pytest.mark.parametrize("command", [("export",), ("import", "-")])
def test_a_database_out_of_reach_is_told_in_a_sentence(command: tuple[str, ...]) -> None:
    code, _, stderr = run(*command, "--database", "postgresql://ada:hunter2@127.0.0.1:1/memories?connect_timeout=2")
    assert code == 1
    assert stderr.startswith("PostgreSQL database memories at 127.0.0.1:1 cannot be used: ")
    assert "hunter2" not in stderr


def test_a_device_is_written_to_and_a_pipe_read_from(filled: str, tmp_path: Path) -> None:
    assert run("export", "--tenant", "acme", "--database", filled, "--output", os.devnull)[0] == 0
    assert Path(os.devnull).is_char_device()
    _, archive, _ = run("export", "--tenant", "acme", "--database", filled)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    reading, writing = os.pipe()
    os.write(writing, archive)
    os.close(writing)
    code, _, stderr = run("import", "--tenant", "acme", "--database", other, f"/dev/fd/{reading}")
    os.close(reading)
    assert (code, stderr) == (0, "")


def test_a_reader_that_leaves_is_told_once(filled: str) -> None:
    command = [sys.executable, "-m", "mnesis", "export", "--tenant", "acme", "--database", filled]
    reading, writing = os.pipe()
    os.close(reading)
    told = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (told.returncode, told.stderr) == (1, "The output cannot be written: Broken pipe.\n")


def test_a_terminal_sees_how_far_it_is(filled: str, tmp_path: Path) -> None:
    file, other = str(tmp_path / "acme.jsonl"), f"sqlite:///{tmp_path / 'other.db'}"
    assert "Exporting" in at_a_terminal("export", "--tenant", "acme", "--database", filled, "--output", file)
    seen = at_a_terminal("import", "--tenant", "acme", "--database", other, file)
    assert "Checking" in seen
    assert "Importing" in seen
    assert "100%" in seen


def at_a_terminal(*arguments: str) -> str:
    """What a person sees of a command that succeeds."""
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mnesis", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=its_end,
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
