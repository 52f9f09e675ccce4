"""The first look around."""

from typer.testing import CliRunner

from mnesis.cli import app


def test_an_empty_container_is_filled_once(empty_database_url: str) -> None:
    runner = CliRunner()
    runner.invoke(app, ["migrate", "--database", empty_database_url])
    arguments = ["demo", "--database", empty_database_url, "--tenant", "acme"]
    first = runner.invoke(app, arguments)
    assert first.stdout == (
        "Put 3 sessions, 11 working memories and 3 long-term memories into the container default of the tenant acme.\n"
    ), first.stderr
    second = runner.invoke(app, arguments)
    assert (second.exit_code, second.stdout) == (1, "")
    assert second.stderr == "The container default of the tenant acme is not empty.\n"
    assert runner.invoke(app, ["demo", "--database", empty_database_url]).exit_code == 0


def test_a_container_that_does_not_exist_is_told(sqlite_url: str) -> None:
    told = CliRunner().invoke(app, ["demo", "--database", sqlite_url, "--container", "travel"])
    assert told.exit_code == 1
    assert told.stderr == 'There is no container with the id "travel".\n'
