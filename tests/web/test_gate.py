"""The rules of the gate, each by itself."""

import pytest
from starlette.types import Message

from mnesis.web.authentication import Unauthenticated
from mnesis.web.gate import LocalOnly, TooLarge, announces_more, at_most, authorization
from mnesis.web.heads import Heads, heads_of

pytestmark = pytest.mark.anyio


def heads(*given: tuple[str, str]) -> Heads:
    return Heads([(name.encode(), value.encode("latin-1")) for name, value in given])


def test_of_several_headers_the_first_counts_and_all_are_known() -> None:
    found = heads(("host", "a"), ("accept", "x"), ("host", "b"), ("accept", "y"))
    assert found.first == {b"host": b"a", b"accept": b"x"}
    assert found.every(b"accept") == [b"x", b"y"]
    assert found.every(b"cookie") == []
    assert heads(("accept", "x")).every(b"accept") == [b"x"]


def test_headers_that_can_be_walked_but_once_are_gathered_too() -> None:
    found = Heads(iter([(b"host", b"a"), (b"host", b"b")]))
    assert (found.first, found.every(b"host")) == ({b"host": b"a"}, [b"a", b"b"])


def test_headers_are_gathered_once_for_a_request() -> None:
    scope = {"headers": [(b"host", b"a")]}
    assert heads_of(scope) is heads_of(scope)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8000"])
def test_a_local_host_passes(host: str) -> None:
    assert LocalOnly([]).refusal(heads(("host", host))) is None


@pytest.mark.parametrize("host", ["", "example.com", "localhost.example.com", "127.0.0.2", "[::1", "käse", "::1"])
def test_a_foreign_host_does_not(host: str) -> None:
    assert "answers to localhost" in (LocalOnly([]).refusal(heads(("host", host))) or "")


def test_a_request_without_a_host_does_not_pass() -> None:
    assert LocalOnly([]).refusal(heads()) is not None


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "https://app.example.com"])
def test_a_page_that_is_local_or_named_passes(origin: str) -> None:
    local = LocalOnly(["https://app.example.com"])
    assert local.refusal(heads(("host", "localhost"), ("origin", origin))) is None


@pytest.mark.parametrize("origin", ["null", "", "http://example.com", "https://app.example.com:8443", "localhost"])
def test_a_foreign_page_does_not(origin: str) -> None:
    local = LocalOnly(["https://app.example.com"])
    assert "local pages" in (local.refusal(heads(("host", "localhost"), ("origin", origin))) or "")


def test_there_is_one_authorization() -> None:
    assert authorization(heads(("authorization", "Bearer x"))) == "Bearer x"
    with pytest.raises(Unauthenticated):
        authorization(heads(("authorization", "Bearer x"), ("authorization", "Bearer x")))


@pytest.mark.parametrize(
    ("announced", "is_more"),
    [
        ("1000", False),
        ("1001", True),
        ("0001001", True),
        ("", False),
        ("-1001", False),
        ("1e9", False),
        ("²²²²", False),
    ],
)
def test_what_is_announced_is_a_number_or_nothing(announced: str, is_more: bool) -> None:
    assert announces_more(heads(("content-length", announced)), 1000) is is_more
    assert not announces_more(heads(), 1000)


async def test_a_body_is_counted_over_all_its_parts() -> None:
    parts = [b"a" * 600, b"b" * 400, b"c"]

    async def receive() -> Message:
        return {"type": "http.request", "body": parts.pop(0), "more_body": True}

    counted = at_most(1000, receive)
    assert [len((await counted())["body"]) for _ in range(2)] == [600, 400]
    with pytest.raises(TooLarge):
        await counted()
