"""What GraphQL itself costs: the same operations executed by graphql-core and by their plans, in turns.

Run from the repository's root: ``.venv/bin/python -m benchmarks.execution``. Both execute one update by id and one list
of 100 memories with 8 fields, over a SQLite file, and again with the use cases answering at once what they answered the
first time, so that nothing but the execution is left. Medians, their ratios and the number of calls of Python functions
go to ``benchmarks/results/execution.json``. Documents are parsed and validated beforehand, for both.
"""

import asyncio
import gc
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any, cast

from graphql import ExecutionResult, OperationDefinitionNode, execute, get_operation_ast, parse
from strawberry.execution import optimized_is_awaitable

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.limits import Limits
from mnesis.execution import Engine
from mnesis.graph.context import Context
from mnesis.graph.loaders import Loaders
from mnesis.graph.schema import schema
from mnesis.storage.database import open_database
from mnesis.storage.migrations import upgrade
from mnesis.usecases.memories import Memories
from mnesis.usecases.watching import NoFeed, WatchableMemories

ROUNDS = 40
AT_ONCE = 25
"""Executions of one kind in a round, whose time is divided by their number."""
RESULTS = Path(__file__).parent / "results" / "execution.json"
ANN = Caller(tenant="acme", subject="ann", scopes=EVERY_SCOPE)
CREATE = "mutation($input: CreateMemoriesInput!) { createMemories(input: $input) { results { memory { id } } } }"
UPDATE = """
mutation Update($type: MemoryType!, $id: ID!, $input: UpdateMemoryInput!) {
  updateMemory(type: $type, id: $id, input: $input) {
    status
    version
    memory { __typename id version }
    counts { submitted created updated unchanged failed rolledBack }
    errors { __typename code message path }
  }
}
"""
LIST = """
query List($first: Int!) {
  memories(first: $first) {
    nodes { id type version createdAt updatedAt contentUpdatedAt namespace ... on SessionMemory { summary } }
    pageInfo { hasNextPage endCursor }
  }
}
"""


class Answering:
    """The use cases, which answer what they answered the first time."""

    def __init__(self, memories: Memories) -> None:
        self.limits = memories.limits
        self._memories = memories
        self._answers: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        async def answer(*arguments: Any, **named: Any) -> Any:
            if name not in self._answers:
                self._answers[name] = await getattr(self._memories, name)(*arguments, **named)
            return self._answers[name]

        return answer


class Contender:
    """One way to execute one operation."""

    def __init__(self, run: Callable[[], Awaitable[ExecutionResult]]) -> None:
        self.run = run
        self.times: list[float] = []

    async def round(self) -> None:
        """Executes so often, and keeps the time of one."""
        started = time.perf_counter()
        for _ in range(AT_ONCE):
            await self.run()
        self.times.append((time.perf_counter() - started) * 1e6 / AT_ONCE)

    async def calls(self) -> int:
        """How many Python functions one execution calls, in this thread."""
        await self.run()
        count = 0

        def called(_: FrameType, event: str, __: object) -> None:
            nonlocal count
            count += event == "call"

        sys.setprofile(called)
        try:
            await self.run()
        finally:
            sys.setprofile(None)
        return count


def main() -> None:
    """Measures and writes the results."""
    results = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "rounds": ROUNDS,
        "operations": asyncio.run(measured()),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))  # noqa: T201  # This is what the command has to say.


async def measured() -> dict[str, Any]:
    """Both operations, over a database and without one."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="mnesis-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        upgrade(url)
        database = open_database(url, limits=Limits(), reader_threads=1, writer_lanes=1)
        memories = Memories(store=database.store, reader=database.reader, limits=Limits())
        items = [{"session": {"summary": f"Talk {number}."}} for number in range(100)]
        made = await engine().prepare(CREATE)({"input": {"items": items}}, context(memories))
        assert made.data is not None
        first = made.data["createMemories"]["results"][0]["memory"]["id"]
        update = {"type": "SESSION", "id": first, "input": {"session": {"summary": "Another."}}}
        for name, document, variables in (("update", UPDATE, update), ("list of 100", LIST, {"first": 100})):
            answering = cast(Memories, Answering(memories))
            results[name] = {
                "over SQLite": await compared(document, variables, memories),
                "execution alone": await compared(document, variables, answering),
            }
        await database.close()
    return results


async def compared(document: str, variables: dict[str, Any], memories: Memories) -> dict[str, Any]:
    """Times in microseconds and calls of both."""
    by_core, by_plan = Contender(core(document, variables, memories)), Contender(plan(document, variables, memories))
    gc.collect()
    gc.freeze()
    for _ in range(ROUNDS):
        await by_core.round()
        await by_plan.round()
    gc.unfreeze()
    core_us, plan_us = statistics.median(by_core.times), statistics.median(by_plan.times)
    core_calls, plan_calls = await by_core.calls(), await by_plan.calls()
    return {
        "graphql-core": {"us": round(core_us, 1), "calls": core_calls},
        "plan": {"us": round(plan_us, 1), "calls": plan_calls},
        "ratio of medians": round(core_us / plan_us, 2),
        "ratio of calls": round(core_calls / plan_calls, 2),
    }


def engine() -> Engine:
    """For our schema."""
    return Engine(schema())


def context(memories: Memories) -> Context:
    """That of one request."""
    return Context(caller=ANN, memories=memories, watching=WatchableMemories(NoFeed()), loaders=Loaders(memories, ANN))


def plan(document: str, variables: dict[str, Any], memories: Memories) -> Callable[[], Awaitable[ExecutionResult]]:
    """Executes the operation by its plan."""
    prepared = engine().prepare(document)

    async def run() -> ExecutionResult:
        return await prepared(variables, context(memories))

    return run


def core(document: str, variables: dict[str, Any], memories: Memories) -> Callable[[], Awaitable[ExecutionResult]]:
    """Executes the operation by graphql-core, as Strawberry has it executed."""
    parsed = parse(document)
    operation = get_operation_ast(parsed)
    assert isinstance(operation, OperationDefinitionNode)
    strawberry_schema = schema()

    async def run() -> ExecutionResult:
        result = execute(
            strawberry_schema._schema,
            parsed,
            context_value=context(memories),
            variable_values=variables,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # It narrows, but does not say so.
            executor_class=strawberry_schema.execution_context_class,
            operation_extensions=None,
        )
        return await result if isinstance(result, Awaitable) else result

    return run


if __name__ == "__main__":
    main()
