"""What the scalars read and write."""

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest

from mnesis.domain.fields import Unreadable
from mnesis.domain.times import instant_text
from mnesis.graph.scalars import SCALARS, Base64, shown_instant
from tests.graph.client import Client


def read(scalar: object, text: str) -> Any:
    parse = SCALARS[scalar].parse_value
    assert parse is not None
    return parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-10T12:34:56.000Z", datetime(2025, 1, 10, 12, 34, 56, tzinfo=UTC)),
        ("2025-01-10t12:34:56z", datetime(2025, 1, 10, 12, 34, 56, tzinfo=UTC)),
        ("2025-01-10T12:34:56.5+05:30", datetime(2025, 1, 10, 7, 4, 56, 500_000, tzinfo=UTC)),
        ("2025-01-10T12:34:56.123456789-00:00", datetime(2025, 1, 10, 12, 34, 56, 123_456, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_utc_with_microseconds(text: str, expected: datetime) -> None:
    instant = read(datetime, text)
    assert (instant, instant.tzinfo) == (expected, UTC)


def test_a_time_is_shown_as_the_domain_shows_it() -> None:
    random = Random(7)
    zones = [UTC, timezone(timedelta(0)), timezone(timedelta(hours=5, minutes=30))]
    last = (datetime.max.replace(tzinfo=UTC) - datetime(1, 1, 3, tzinfo=UTC)) // timedelta(microseconds=1)
    for _ in range(3_000):
        moment = datetime(1, 1, 3, tzinfo=UTC) + timedelta(microseconds=random.randrange(last))
        moment = moment.replace(microsecond=random.choice([moment.microsecond, 0, 1, 500_000, 999_999]))
        moment = moment.astimezone(random.choice(zones))
        assert shown_instant(moment) == instant_text(moment)
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert shown_instant(moment) == instant_text(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025",
        "2025-01-10",
        "2025-01-10T12:34:56",
        "2025-01-10 12:34:56Z",
        "2025-01-10T12:34Z",
        "20250110T123456Z",
        "2025-W02-5T12:34:56Z",
        "2025-01-10T24:00:00Z",
        "2025-01-10T12:34:60Z",
        "2025-02-30T12:34:56Z",
        "2025-01-10T12:34:56+24:00",
        "2025-01-10T12:34:56+0100",
        "2025-01-10T12:34:56Z\n",
        "٢٠٢٥-01-10T12:34:56Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "0000-01-01T00:00:00Z",
    ],
)
def test_nothing_looser_than_rfc_3339_is_a_time(text: str) -> None:
    assert isinstance(read(datetime, text), Unreadable)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2025, 1, 10, 12, tzinfo=UTC), "2025-01-10T12:00:00.000000Z"),
        (datetime(2025, 1, 10, 12, tzinfo=timezone(timedelta(hours=2))), "2025-01-10T10:00:00.000000Z"),
        (datetime(9, 1, 10, 12, 0, 0, 5, tzinfo=UTC), "0009-01-10T12:00:00.000005Z"),
    ],
)
def test_a_time_is_written_in_utc_with_microseconds(instant: datetime, text: str) -> None:
    write = SCALARS[datetime].serialize
    assert write is not None
    assert write(instant) == text


@pytest.mark.parametrize("text", ["QR==", "A", "AA", "AA=", "AAEC\n", "AA-_", "AA EC", "ÄÄ==", "AA==AA=="])
def test_what_is_not_base64_is_not_read(text: str) -> None:
    assert isinstance(read(Base64, text), Unreadable)


@pytest.mark.parametrize(("text", "expected"), [("", b""), ("AA==", b"\0"), ("+/8=", b"\xfb\xff")])
def test_base64_is_read(text: str, expected: bytes) -> None:
    assert read(Base64, text) == expected


SET = """updateMemory(type: SESSION, id: "s1", input: {session: {metadata: %s}}) {
  memory { ... on SessionMemory { metadata } } }"""


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("declared", "literal", "variables", "expected"),
    [
        ("", '{a: 1, b: 1.0, c: [true, null, {}], d: "x", e: -5, f: """y"""}', {},
         {"a": 1, "b": 1.0, "c": [True, None, {}], "d": "x", "e": -5, "f": "y"}),
        ("($x: String)", "{a: $x, b: [$x]}", {"x": "v"}, {"a": "v", "b": ["v"]}),
        ("($x: String)", "{a: $x, b: [$x], c: 1}", {}, {"b": [None], "c": 1}),
        ("($x: String)", "{a: $x}", {"x": None}, {"a": None}),
        ("($x: Int = 7)", "{a: $x}", {}, {"a": 7}),
        ("($x: JSONObject)", "{a: {b: $x}}", {"x": {"c": [1.0, 1]}}, {"a": {"b": {"c": [1.0, 1]}}}),
        ("($x: JSONObject)", "$x", {"x": {"c": 2**62}}, {"c": 2**62}),
    ],
)  # fmt: skip
async def test_json_is_read_from_literals_with_variables_in_them(
    speak: Client, declared: str, literal: str, variables: dict[str, Any], expected: dict[str, Any]
) -> None:
    await speak.create(session={"id": "s1"})
    stored = await speak.only(f"mutation{declared} {{ {SET % literal} }}", **variables)
    assert repr(stored["memory"]["metadata"]) == repr(expected)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("declared", "literal", "variables"),
    [
        ("", "{a: WORD}", {}),
        ("", "[1]", {}),
        ("", '"x"', {}),
        ("($x: DateTime)", "{a: $x}", {"x": "2025-01-10T12:34:56Z"}),
        ("($x: DateTime)", "{a: $x}", {"x": "unreadable"}),
        ("($x: JSON)", "{a: $x}", {"x": 1}),
        ("($x: MemoryType)", "{a: [$x]}", {"x": "SESSION"}),
        ("($x: ContextEntryInput)", "{a: $x}", {"x": {"createdAt": "2025-01-10T12:34:56Z"}}),
    ],
)
async def test_what_no_json_object_holds_is_refused_in_literals(
    speak: Client, declared: str, literal: str, variables: dict[str, Any]
) -> None:
    await speak.create(session={"id": "s1"})
    answer = await speak.answer(f"mutation{declared} {{ {SET % literal} }}", **variables)
    assert answer.get("data") in (None, {"updateMemory": None})
    assert answer["errors"][0]["extensions"]["code"] in ("GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT")
    stored = await speak.data('{ node(id: "s1") { ... on SessionMemory { version metadata } } }')
    assert stored == {"node": {"version": 1, "metadata": None}}


@pytest.mark.anyio
@pytest.mark.parametrize("literal", ["5", "{a: 1}", "[]"])
async def test_a_literal_of_the_wrong_kind_is_a_request_error(speak: Client, literal: str) -> None:
    create = f"mutation {{ createMemory(input: {{working: {{binaryData: {literal}}}}}) {{ status }} }}"
    assert (await speak.error(create))["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    document = f"""mutation {{ updateContextMemory(input: {{sessionId: "s1", contents: [{{createdAt: {literal}}}]}}) {{
      version }} }}"""
    assert (await speak.error(document))["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
