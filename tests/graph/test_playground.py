"""The example operations of the playground, in the order in which they tell their story."""

import json
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate

from mnesis.graph.schema import schema
from tests.graph.client import Client

EXAMPLES = Path(__file__).parents[2] / "playground" / "examples"

pytestmark = pytest.mark.anyio


async def test_the_examples_answer_what_their_comments_promise(client: Client) -> None:
    async def run(name: str) -> Any:
        variables = EXAMPLES / f"{name}.json"
        given = json.loads(variables.read_text()) if variables.exists() else {}
        answer = await client.answer((EXAMPLES / f"{name}.graphql").read_text(), **given)
        assert "errors" not in answer
        (found,) = list(answer["data"].values())[-1:]
        return found

    assert [result["status"] for result in (await run("1-conversation"))["results"]] == ["CREATED", "CREATED"]
    assert [result["status"] for result in (await run("1-conversation"))["results"]] == ["UNCHANGED", "UNCHANGED"]
    assert (await run("2-update"))["status"] == "UPDATED"
    batch = await run("3-batch")
    assert [result["status"] for result in batch["results"]] == ["CREATED", "FAILED", "CREATED"]
    assert batch["results"][1]["errors"][0]["path"] == ["input", "contents", "1", "createdAt"]
    (conflict,) = (await run("4-conflict"))["errors"]
    assert conflict["current"]["summary"] == "Pricing of the Scale plan."
    assert "pricing" in (await run("5-search"))["edges"][0]["node"]["content"]
    then = await run("6-time-travel")
    assert (then["version"], then["isCurrent"], then["summary"]) == (1, False, None)
    assert (await run("8-list"))["totalCount"] == 5


def test_every_example_is_valid() -> None:
    documents = sorted(EXAMPLES.glob("*.graphql"))
    assert len(documents) == 8
    for example in documents:
        assert validate(schema()._schema, parse(example.read_text())) == []
