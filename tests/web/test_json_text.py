"""JSON is read alike by whichever of two readers takes it: no number is another one afterwards."""

import json

import pytest

from mnesis.web.json_text import NotJson, decoded


@pytest.mark.parametrize(
    "number",
    [
        0,
        2**53 + 1,
        2**63 - 1,
        2**63,
        9_999_999_999_999_999_999,
        2**64 - 1,
        2**64,
        10**30,
        -(2**53) - 1,
        -(10**18) + 1,
        -(10**18),
        -(2**63),
        -(2**63) - 1,
        -9_999_999_999_999_999_999,
        -(10**30),
    ],
)
@pytest.mark.parametrize("text", ["{}", "[{}]", '{{"a": {}}}', '{{"123456789012345678901": [{},{}]}}', "[1,{},-1]"])
def test_integers_are_exact(number: int, text: str) -> None:
    body = text.format(number, number)
    found, expected = decoded(body.encode()), json.loads(body)
    assert found == expected
    # A float may be equal to an integer.
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("number", ["0.1", "1e22", "-1.5e-300", "0.12345678901234567890123", "1E-12345678901234567890"])
def test_floats_are_the_nearest_there_are(number: str) -> None:
    assert decoded(number.encode()) == json.loads(number)


@pytest.mark.parametrize(
    "body", ["NaN", "[Infinity]", '{"a": -Infinity}', "{", '"\\ud800', "01", "", "99999999999999999999x"]
)
def test_what_is_no_json_is_refused(body: str) -> None:
    with pytest.raises(NotJson):
        decoded(body.encode())
