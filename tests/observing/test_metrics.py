"""What the metrics count, who may read them, and that no client can make them grow."""

import asyncio
import re
import sqlite3
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from mnesis.app import check_metrics, create_app
from mnesis.observing.metrics import MOST_CODES, Metrics
from mnesis.settings import BadSettings, Settings
from tests.graph.live import CREATE, Server, bearer, served
from tests.server.running import running_server

# Reads are counted, so none may be made only to compare answers.
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("executed_once")]

TOKEN = "what only Prometheus knows"


async def page(server: Server, token: str | None = None) -> str:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    answer = await server.http.get(server.address.replace("graphql", "metrics"), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Values by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return samples(text).get((name, tuple(sorted(labels.items()))), 0.0)


async def test_operations_are_counted_by_known_name_kind_and_outcome(database_url: str) -> None:
    async with served(database_url, metrics=True, metrics_operations=("Known",)) as server:
        for query in ("query Known { __typename }", "query Stranger { __typename }", "{ __typename }"):
            await server.ask(query)
        await server.create()
        await server.http.post(server.address, json={"query": "{ nothing }", "operationName": "Known"})
        await server.http.post(server.address, json={"query": "query Known { memories(first: -1) { totalCount } }"})
        text = await page(server)

    def count(operation: str, kind: str, outcome: str) -> float:
        return value(text, "mnesis_operation_seconds_count", operation=operation, type=kind, outcome=outcome)

    assert count("Known", "query", "ok") == 1
    assert count("Known", "query", "refused") == 1
    assert count("other", "query", "ok") == 2
    assert count("other", "mutation", "ok") == 1
    assert count("other", "unknown", "refused") == 1
    assert value(text, "mnesis_rejected_requests_total", code="GRAPHQL_VALIDATION_FAILED") == 1
    assert value(text, "mnesis_rejected_requests_total", code="BAD_USER_INPUT") == 1
    [seconds] = [
        number
        for (name, labels), number in samples(text).items()
        if name == "mnesis_operation_seconds_sum" and ("type", "mutation") in labels
    ]
    assert 0 < seconds < 60


async def test_the_work_of_the_database_is_counted(database_url: str) -> None:
    async with served(database_url, metrics=True) as server:
        before = await page(server)
        one = await server.create()
        await asyncio.gather(*(server.create() for _ in range(20)))
        await server.ask("query($id: ID!) { node(id: $id) { id } memories { totalCount nodes { id } } }", id=one)
        text = await page(server)
    assert value(text, "mnesis_transaction_commands_sum") == 21
    transactions = value(text, "mnesis_transaction_batches_count")
    assert value(text, "mnesis_transaction_batches_sum") == 21
    assert 2 <= transactions <= 21
    assert value(text, "mnesis_sql_seconds_count", kind="write", outcome="ok") == transactions
    assert value(text, "mnesis_sql_seconds_count", kind="list_memories", outcome="ok") == 1
    assert value(text, "mnesis_sql_seconds_count", kind="count", outcome="ok") == 1
    # Those of the payloads come together with the one of node.
    assert value(text, "mnesis_sql_seconds_count", kind="memories", outcome="ok") >= 1
    assert value(before, "mnesis_sql_seconds_count", kind="write", outcome="ok") == 0
    lanes = [number for (name, _), number in samples(text).items() if name == "mnesis_lane_commands"]
    assert lanes
    assert set(lanes) == {0}


async def test_commands_that_wait_are_seen(postgresql_url: str) -> None:
    async with served(postgresql_url, metrics=True, writer_lanes=1) as server:
        await server.create()
        with psycopg.connect(postgresql_url) as blocker:
            blocker.execute("SELECT * FROM tenant FOR UPDATE")
            first = asyncio.create_task(server.create())
            await asyncio.sleep(0.3)
            waiting = [asyncio.create_task(server.create()) for _ in range(5)]
            await asyncio.sleep(0.3)
            text = await page(server)
            blocker.rollback()
        await asyncio.gather(first, *waiting)
        after = await page(server)
    assert value(text, "mnesis_lane_commands", lane="mnesis-writer-0") == 5
    assert value(after, "mnesis_lane_commands", lane="mnesis-writer-0") == 0
    assert value(after, "mnesis_transaction_batches_bucket", le="5.0") == 3
    assert value(after, "mnesis_transaction_batches_bucket", le="2.0") == 2


async def test_a_failed_read_is_counted_as_such(sqlite_url: str) -> None:
    async with served(sqlite_url, metrics=True) as server:
        with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
            connection.execute("ALTER TABLE memory RENAME TO elsewhere")
        connection.close()
        await server.http.post(server.address, json={"query": "{ memories { nodes { id } } }"})
        await server.http.post(server.address, json={"query": CREATE, "variables": {"text": "A fact."}})
        text = await page(server)
    assert value(text, "mnesis_sql_seconds_count", kind="list_memories", outcome="failed") == 1
    assert value(text, "mnesis_sql_seconds_count", kind="write", outcome="failed") == 1
    assert value(text, "mnesis_transaction_batches_count") == 0
    assert value(text, "mnesis_operation_seconds_count", operation="other", type="query", outcome="failed") == 1
    assert value(text, "mnesis_rejected_requests_total", code="INTERNAL_SERVER_ERROR") == 2


async def test_subscribers_and_their_events_are_counted(sqlite_url: str) -> None:
    async with served(sqlite_url, metrics=True) as server:
        async with server.socket() as socket:
            await socket.subscribe("1")
            await socket.subscribe("2")
            await server.create()
            assert {(await socket.hear())["id"], (await socket.hear())["id"]} == {"1", "2"}
            during = await page(server)
        for _ in range(100):
            text = await page(server)
            if value(text, "mnesis_subscriptions_total", operation="other", outcome="gone") == 2:
                break
            await asyncio.sleep(0.02)
    assert value(during, "mnesis_subscribers") == 2
    assert value(during, "mnesis_subscription_events_total") == 2
    assert value(text, "mnesis_subscribers") == 0
    assert value(text, "mnesis_subscriptions_total", operation="other", outcome="gone") == 2


async def test_strangers_cannot_make_series(sqlite_url: str) -> None:
    async def attack(round_: int) -> None:
        for number in range(40):
            name = f"Op{round_}x{number}"
            for query in (f"query {name} {{ __typename }}", f"query {name} {{ wrong{number} }}", f"{name} {{"):
                body = {"query": query, "operationName": name, "extensions": {name: name}}
                await server.http.post(server.address, json=body, headers={"X-Request-Id": name})
            await server.http.get(f"{server.address}{name}")
            await server.http.request(name.upper(), server.address)

    async with served(sqlite_url, metrics=True, metrics_operations=("Known",)) as server:
        await attack(0)
        first = await page(server)
        await attack(1)
        second = await page(server)
    assert samples(first).keys() == samples(second).keys()
    assert not re.search("Op[01]x", second, re.IGNORECASE)


def test_codes_that_are_none_are_not_named() -> None:
    metrics = Metrics(version="1", database="sqlite")
    for number in range(MOST_CODES + 50):
        metrics.refused(f"CODE_{number}", 400)
    metrics.refused("x" * 65, 400)
    text = metrics.page().decode()
    assert value(text, "mnesis_rejected_requests_total", code="other") == 51
    assert text.count("mnesis_rejected_requests_total{") == MOST_CODES + 1


async def test_the_build_is_told(database_url: str) -> None:
    async with served(database_url, metrics=True) as server:
        text = await page(server)
    database = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    assert re.search(rf'mnesis_build_info\{{database="{database}",python="3[\d.]+",version="[\d.]+"\}} 1.0', text)


async def test_metrics_are_off_unless_they_are_asked_for(sqlite_url: str) -> None:
    async with served(sqlite_url) as server:
        answer = await server.http.get(server.address.replace("graphql", "metrics"))
    assert answer.status_code == 404


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "tenant"])
async def test_metrics_are_for_those_who_have_their_token(sqlite_url: str, given: str | None) -> None:
    async with served(sqlite_url, authenticated=True, metrics=True, metrics_token=SecretStr(TOKEN)) as server:
        given = bearer() if given == "tenant" else given
        address = server.address.replace("graphql", "metrics")
        answer = await server.http.get(address, headers={"Authorization": given} if given is not None else {})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "mnesis_" not in answer.text
        assert "mnesis_build_info" in await page(server, TOKEN)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"metrics": True, "auth_secret": "x" * 32}, "MNESIS_METRICS_TOKEN"),
        ({"metrics": True, "workers": 2}, "MNESIS_WORKERS"),
        ({"metrics_token": "short"}, "at least 16 bytes"),
    ],
)
def test_metrics_that_would_be_wrong_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadSettings, match=complaint):
        check_metrics(Settings.load(**given))


def test_a_server_that_cannot_measure_does_not_start(sqlite_url: str) -> None:
    with pytest.raises(BadSettings, match="MNESIS_METRICS_TOKEN"):
        create_app(Settings.load(database_url=sqlite_url, metrics=True, auth_secret="x" * 32))


def test_a_list_of_names_is_read(set_environment: Any) -> None:
    set_environment(metrics_operations="One, Two,")
    assert Settings.load().metrics_operations == ("One", "Two")


def test_a_server_in_a_process_of_its_own_shows_metrics(sqlite_url: str) -> None:
    with running_server(sqlite_url, metrics="true") as server:
        text = httpx.get(f"{server.url}/metrics").text
    assert "process_resident_memory_bytes" in text
