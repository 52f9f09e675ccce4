"""Whether a contender answers what it was asked for, before anybody counts how often."""

import json
import random
import re
from typing import Any

import httpx

from benchmarks.contenders.seeding import PLACES, SESSIONS
from benchmarks.servers import Server
from benchmarks.works import LISTED, Work

TIMEOUT_S = 60
SAMPLES = 3
FOUND = 10
MARK = re.compile(r"@([A-Z]+)(\d*)@")


class WrongAnswer(Exception):
    """The contender does not do what the others do."""


def checked(server: Server, work: Work, samples: int = SAMPLES) -> object:
    """Asks a few times and looks at the whole answers; their shape. Raises `WrongAnswer`."""
    found: object = None
    with httpx.Client(timeout=TIMEOUT_S) as client:
        for _ in range(samples):
            server.counted += 1
            found = _checked_once(client, server, work)
    return found


def _checked_once(client: httpx.Client, server: Server, work: Work) -> object:
    body = filled(server.contender.body(work), server.counted)
    address = server.address + server.contender.path(work)
    try:
        answer = client.post(address, content=body, headers={"content-type": "application/json"})
    except httpx.HTTPError as error:
        raise WrongAnswer(f"No answer: {error!r}") from None
    if answer.status_code != 200:
        raise WrongAnswer(f"{answer.status_code}: {answer.text[:300]}")
    answered = answer.json()
    operations = answered if isinstance(answered, list) else [answered]
    if len(operations) != max(work.array, 1):
        raise WrongAnswer(f"{len(operations)} answers to {work.array} operations.")
    for operation in operations:
        if operation.get("errors"):
            raise WrongAnswer(json.dumps(operation["errors"])[:300])
        for field, value in operation["data"].items():
            fault = _fault(work, value, body, own=bool(server.contender.documents))
            if fault:
                raise WrongAnswer(f"{field}: {fault}: {json.dumps(value)[:300]}")
    return shape(operations[0])


def filled(body: str, count: int) -> str:
    """A body as `load.lua` would send it."""
    first = random.randrange(SESSIONS)  # noqa: S311  # No secret.

    def value(mark: re.Match[str]) -> str:
        match mark[1]:
            case "N":
                return str(count)
            case "SESSION":
                return f"s{count % 8:07d}"
            case "PLACE":
                return random.choice(PLACES)  # noqa: S311  # As above.
            case _:
                return f"s{(first + 331 * int(mark[2])) % SESSIONS:07d}"

    return MARK.sub(value, body)


def _fault(work: Work, value: Any, body: str, *, own: bool) -> str | None:
    """``own`` documents have answers of their own form, of which only what matters is looked at."""
    if not value:
        return "nothing there"
    if work.records and value.get("errors"):
        return "refused"
    if work.key in ("update", "aliases"):
        given = json.loads(body)
        variables = (given[0] if isinstance(given, list) else given).get("variables", given)
        as_written = value["memory"]["metadata"] == variables["input"]["session"]["metadata"]
        return None if as_written else "not what was written"
    if work.key == "entries":
        counts = value["result"] if own else value["counts"]
        return None if counts["created"] + counts["updated"] == work.per_request else "not all entries were written"
    return _page_fault(work, value)


def _page_fault(work: Work, value: Any) -> str | None:
    if work.key == "memories" and (len(value["nodes"]) != LISTED or not value["pageInfo"]["hasNextPage"]):
        return f"not {LISTED} memories and more to come"
    if work.key == "search" and len(value["nodes"]) != FOUND:
        return f"{len(value['nodes'])} answers where 100 memories match"
    return None


def shape(value: Any) -> object:
    """An answer without its values: the keys in their order, and of a list its first member."""
    match value:
        case dict():
            return {key: shape(each) for key, each in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case None:
            return None
    return "text"
