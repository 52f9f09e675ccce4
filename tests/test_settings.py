"""What an operator sets, what is refused and in which words, and what the documentation says of it."""

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from mnesis.domain.limits import Limits
from mnesis.settings import PREFIX, BadSettings, Settings, is_loopback, unknown_variables

SETTINGS_PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
SetEnvironment = Callable[..., None]


def documented() -> dict[str, tuple[str, str]]:
    """Default and meaning by variable, as the table in docs has them."""
    rows = re.findall(r"^\| `(MNESIS_\w+)` \| (.*?) \| (.*) \|$", SETTINGS_PAGE.read_text(), re.MULTILINE)
    return {name: (default.strip("`"), meaning) for name, default, meaning in rows}


def written(default: object) -> str:
    match default:
        case None | ():
            return "none"
        case bool():
            return str(default).lower()
        case _:
            return str(default)


def test_the_documentation_describes_every_setting_as_it_is() -> None:
    expected = {}
    for name, field in Settings.model_fields.items():
        default = "a file in the user's data folder" if name == "database_url" else written(field.default)
        expected[f"{PREFIX}{name.upper()}"] = (default, field.description)
    assert documented() == expected


def test_nothing_has_to_be_set() -> None:
    settings = Settings.load()
    assert settings.is_sqlite
    assert settings.is_local
    assert not settings.is_authenticated
    assert settings.limits() == Limits()


def test_every_limit_can_be_set(set_environment: SetEnvironment) -> None:
    wanted = {field.name: number for number, field in enumerate(fields(Limits), start=7)}
    set_environment(**{name if name.startswith("search_") else f"limit_{name}": at for name, at in wanted.items()})
    assert Settings.load().limits() == Limits(**wanted)


def test_the_command_line_comes_before_the_environment(set_environment: SetEnvironment) -> None:
    set_environment(port=1, host="127.0.0.2")
    settings = Settings.load(port=2, host=None)
    assert (settings.port, settings.host) == (2, "127.0.0.2")


def test_an_empty_variable_is_one_that_is_not_set(set_environment: SetEnvironment) -> None:
    set_environment(auth_secret="", auth_jwks="", port="")
    assert Settings.load() == Settings.load(port=8000)


def test_origins_are_separated_by_commas(set_environment: SetEnvironment) -> None:
    set_environment(cors_origins="https://a.example, http://localhost:5173 ,")
    assert Settings.load().cors_origins == ("https://a.example", "http://localhost:5173")


def test_facades_are_named_each_once(set_environment: SetEnvironment) -> None:
    set_environment(facades="alchemyst, alchemyst")
    assert Settings.load().facades == ("alchemyst",)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("port", "99999", "MNESIS_PORT must be less than or equal to 65535."),
        ("port", "http", "MNESIS_PORT must be a valid integer, unable to parse string as an integer."),
        ("workers", "0", "MNESIS_WORKERS must be greater than or equal to 1."),
        ("auth_secret", "short", "MNESIS_AUTH_SECRET must have at least 32 bytes."),
        (
            "auth_jwks",
            "http://issuer.example/jwks",
            "MNESIS_AUTH_JWKS must begin with https:// unless it is on this machine.",
        ),
        ("database_url", "mysql://db", "MNESIS_DATABASE_URL must begin with sqlite:/// or postgresql://."),
        ("database_url", "sqlite://", "MNESIS_DATABASE_URL must begin with sqlite:/// or postgresql://."),
        (
            "database_url",
            "sqlite:///:memory:",
            "MNESIS_DATABASE_URL must name a file; a database in memory would be lost with the process.",
        ),
        (
            "cors_origins",
            "app.example.com",
            "MNESIS_CORS_ORIGINS must hold origins such as https://app.example.com, without a path.",
        ),
        (
            "cors_origins",
            "https://app.example.com/",
            "MNESIS_CORS_ORIGINS must hold origins such as https://app.example.com, without a path.",
        ),
        (
            "facades",
            "alchemyst,other",
            "MNESIS_FACADES must hold names of façades that there are (alchemyst, opensearch), not other.",
        ),
        ("log_level", "loud", "MNESIS_LOG_LEVEL must be 'critical', 'error', 'warning', 'info' or 'debug'."),
        ("playground", "perhaps", "MNESIS_PLAYGROUND must be a valid boolean, unable to interpret input."),
    ],
)
def test_a_bad_value_is_told_in_a_sentence(set_environment: SetEnvironment, name: str, value: str, told: str) -> None:
    set_environment(**{name: value})
    with pytest.raises(BadSettings) as refused:
        Settings.load()
    assert str(refused.value) == told


def test_everything_that_is_wrong_is_told_at_once(set_environment: SetEnvironment) -> None:
    set_environment(port="-1", limit_commands="0")
    with pytest.raises(BadSettings) as refused:
        Settings.load()
    assert [line.split()[0] for line in str(refused.value).splitlines()] == ["MNESIS_PORT", "MNESIS_LIMIT_COMMANDS"]


def test_a_secret_is_never_shown(set_environment: SetEnvironment) -> None:
    secret, password = "x" * 40, "correct horse"
    set_environment(auth_secret=secret, database_url=f"postgresql://ada:{password}@db.internal:5433/memories")
    settings = Settings.load()
    assert settings.shown_database() == "PostgreSQL database memories at db.internal:5433"
    for shown in (repr(settings), str(settings), settings.shown_database()):
        assert secret not in shown
        assert password not in shown
    set_environment(auth_secret="too short a secret", database_url=f"mysql://ada:{password}@db")
    with pytest.raises(BadSettings) as refused:
        Settings.load()
    assert password not in str(refused.value)
    assert "too short a secret" not in str(refused.value)


def test_a_variable_that_no_setting_reads_is_pointed_out(set_environment: SetEnvironment) -> None:
    assert unknown_variables() == []
    set_environment(databse_url="sqlite:///x.db", service_host="10.0.0.1")
    assert unknown_variables() == [
        "MNESIS_DATABSE_URL is not a setting and is ignored. Did you mean MNESIS_DATABASE_URL?",
        "MNESIS_SERVICE_HOST is not a setting and is ignored.",
    ]


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("db.internal", False),
    ],
)
def test_only_loopback_addresses_are_local(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("given", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("0", 0), ("off", 0)]
)
def test_how_often_retention_runs_is_a_duration(set_environment: SetEnvironment, given: str, seconds: int) -> None:
    set_environment(retention_every=given)
    assert Settings.load().retention_every_s == seconds


@pytest.mark.parametrize("given", ["24", "-1h", "1.5h", "0h", "daily", "1 h", "01h"])
def test_what_is_no_duration_is_refused(set_environment: SetEnvironment, given: str) -> None:
    set_environment(retention_every=given)
    with pytest.raises(BadSettings) as refused:
        Settings.load()
    assert str(refused.value) == (
        "MNESIS_RETENTION_EVERY must be a number followed by s, m, h or d, such as 24h, or 0 for never."
    )
