"""What every transport does with an operation, whatever it arrived in: prepare it, run it, never fail."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from mnesis.domain.caller import Caller
from mnesis.graph.asked_documents import AskedDocuments
from mnesis.graph.body import Operation, encoded
from mnesis.graph.context import Context
from mnesis.graph.cost import Costs
from mnesis.graph.deliveries import Deliveries, Subscribed
from mnesis.graph.execute import Executor, NotBegun, Source, ended
from mnesis.graph.loaders import Loaders
from mnesis.graph.options import EndpointOptions
from mnesis.graph.prepare import Documents, Prepared
from mnesis.graph.running import Running, TimedExecutor
from mnesis.graph.schema import schema
from mnesis.usecases.memories import Memories
from mnesis.usecases.together import asked_together
from mnesis.usecases.watching import WatchableMemories


class Operations:
    """Prepares and runs operations on behalf of callers."""

    def __init__(
        self,
        memories: Memories,
        watching: WatchableMemories,
        options: EndpointOptions,
    ) -> None:
        self.limits = memories.limits
        self._memories = memories
        self._watching = watching
        self._asked = AskedDocuments(
            Documents(
                schema(),
                introspection=options.introspection,
                suggestions=options.suggestions,
                trusted=options.trusted.documents,
                limits=options.limits,
            ),
            options.trusted,
            only_trusted=options.only_trusted,
            persisted_queries=options.persisted_queries,
        )
        self._executor = Executor(schema(), suggestions=options.suggestions)
        self._timed = TimedExecutor(self._executor, options.limits)
        # Strawberry gives no other way to the schema that graphql-core works with.
        self._running = Running(Costs(schema()._schema, page_nodes=self.limits.page_nodes), options.limits)
        self._deliveries = Deliveries(self._timed, memories, watching)

    def prepare(self, asked: Operation, caller: Caller) -> Prepared:
        """Raises `NotPrepared`."""
        return self._asked.prepare(asked, caller.tenant)

    def refused(self, name: str | None, caller: Caller, error: dict[str, Any]) -> None:
        """To be called with what a transport itself refuses of an operation, where no status tells of it."""

    async def answer(self, prepared: Prepared, variables: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The response to a query or a mutation. What it raises is a fault of the program."""
        try:
            self._running.checked(prepared, variables)
            # The fields of a mutation may be executed together, and the operations of a list are one request.
            with asked_together() as request:
                self._running.begin(request)
                try:
                    return await self._timed.execute(prepared, variables, self._context(caller))
                finally:
                    self._running.end(request)
        except NotBegun as refused:
            return {"errors": refused.errors}

    def overlaps(self, prepared: Prepared, variables: dict[str, Any]) -> bool:
        """Whether answers to operations of which this is told may be begun in order, each before the one before it is
        there."""
        return self._executor.overlaps(prepared, variables)

    async def watch(self, prepared: Prepared, variables: dict[str, Any], caller: Caller) -> AsyncGenerator[bytes, None]:
        """The responses of a subscription, each as JSON, the last one perhaps an error; it has to be begun and closed.

        When this returns, the subscription stands. Raises `NotBegun`.
        """
        self._running.checked(prepared, variables)
        source = await self._timed.begun(self._executor.events(prepared, variables, self._context(caller)))
        responses = self._responses(source, Subscribed(prepared, variables, caller))
        # Begun here, because a generator that was never begun does not close its source either.
        await anext(responses)
        return responses

    async def _responses(self, source: Source, subscribed: Subscribed) -> AsyncGenerator[bytes, None]:
        async with aclosing(source):
            with self._running.subscription():
                yield b""
                try:
                    async for event in source:
                        yield await self._deliveries.answer(subscribed, event)
                except Exception as fault:
                    yield encoded({"errors": [ended(fault)]})

    def _context(self, caller: Caller) -> Context:
        loaders = Loaders(self._memories, caller)
        return Context(caller=caller, memories=self._memories, watching=self._watching, loaders=loaders)
