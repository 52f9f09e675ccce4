"""Stands around `prepare` and the execution, and tells an observer what they were asked for and how it ended."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import aclosing
from contextvars import ContextVar
from time import perf_counter
from typing import Any

import orjson

from mnesis.domain.caller import Caller
from mnesis.graph.body import Operation
from mnesis.graph.execute import NotBegun
from mnesis.graph.faults import INTERNAL, error_id_of
from mnesis.graph.operations import Operations
from mnesis.graph.options import EndpointOptions
from mnesis.graph.prepare import NotPrepared, Prepared
from mnesis.usecases.memories import Memories
from mnesis.usecases.watching import WatchableMemories
from mnesis.web.observation import GONE, UNOBSERVED, Asked, Ended, Observer, Outcome, Running
from mnesis.web.request_notes import current_request

MOST_NAME_CHARACTERS = 64
MOST_CODES = 8
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_ERRORS_FIRST = b'{"errors"'
_OK = Ended(outcome=Outcome.OK)

KnownName = Callable[[Prepared], str | None]

_prepared_since: ContextVar[float | None] = ContextVar("mnesis_prepared_since", default=None)


def shown_name(name: str | None) -> str | None:
    """An operation's name as it may be logged: a GraphQL name, cut; anything else is not repeated."""
    if name is None or _NAME.fullmatch(name) is None:
        return None
    return name[:MOST_NAME_CHARACTERS]


def known_to_nobody(prepared: Prepared) -> str | None:
    """No operation has a name that the server knows."""
    return None


def known_among(names: Collection[str]) -> KnownName:
    """Knows an operation by the name in its document, if the operator trusts the document or has named it."""
    allowed = frozenset(names)

    def known_name(prepared: Prepared) -> str | None:
        node = prepared.operation.name
        return prepared.known_name or (node.value if node is not None and node.value in allowed else None)

    return known_name


class ObservedOperations(Operations):
    """Operations that an observer hears of, whatever transport they arrive by."""

    def __init__(
        self,
        memories: Memories,
        watching: WatchableMemories,
        options: EndpointOptions,
        *,
        observer: Observer = UNOBSERVED,
        known_name: KnownName = known_to_nobody,
    ) -> None:
        super().__init__(memories, watching, options)
        self._observer = observer
        self._known_name = known_name

    def prepare(self, asked: Operation, caller: Caller) -> Prepared:
        began_s = perf_counter()
        try:
            prepared = super().prepare(asked, caller)
        except NotPrepared as refused:
            self._begin(Asked(kind="unknown", name=shown_name(asked.name)), caller, began_s).end(_ended(refused.errors))
            raise
        except Exception as fault:
            self._begin(Asked(kind="unknown", name=shown_name(asked.name)), caller, began_s).end(_broken_off(fault))
            raise
        # The document's own fault never gets here, and what did is executed by the same task.
        _prepared_since.set(began_s)
        return prepared

    def refused(self, name: str | None, caller: Caller, error: dict[str, Any]) -> None:
        self._begin(Asked(kind="unknown", name=shown_name(name)), caller, perf_counter()).end(_ended([error]))

    async def answer(self, prepared: Prepared, variables: dict[str, Any], caller: Caller) -> dict[str, Any]:
        running = self._begun(prepared, caller)
        with running:
            try:
                answer = await super().answer(prepared, variables, caller)
            except BaseException as fault:
                running.end(_broken_off(fault))
                raise
            errors = answer.get("errors")
            running.end(_ended(errors) if errors else _OK)
        return answer

    async def watch(self, prepared: Prepared, variables: dict[str, Any], caller: Caller) -> AsyncGenerator[bytes, None]:
        running = self._begun(prepared, caller)
        with running:
            try:
                responses = await super().watch(prepared, variables, caller)
            except BaseException as fault:
                running.end(_broken_off(fault))
                raise
        watched = _watched(responses, running)
        # Begun here, because a generator that was never begun is not closed either.
        await anext(watched)
        return watched

    def _begun(self, prepared: Prepared, caller: Caller) -> Running:
        began_s = _prepared_since.get()
        if began_s is None:
            began_s = perf_counter()
        else:
            _prepared_since.set(None)
        asked: Asked | None = prepared.kept.get(self)
        if asked is None:
            asked = prepared.kept[self] = self._told(prepared)
        return self._begin(asked, caller, began_s)

    def _told(self, prepared: Prepared) -> Asked:
        node = prepared.operation.name
        return Asked(
            kind=prepared.operation.operation.value,
            # It was parsed, so it is a name.
            name=node.value[:MOST_NAME_CHARACTERS] if node is not None else None,
            known=self._known_name(prepared),
        )

    def _begin(self, asked: Asked, caller: Caller | None, began_s: float) -> Running:
        request = current_request()
        if request is not None:
            request.operations += 1
            caller = caller or request.caller
        return self._observer.begin(asked, caller, began_s)


async def _watched(responses: AsyncGenerator[bytes, None], running: Running) -> AsyncGenerator[bytes, None]:
    ended = GONE
    try:
        async with aclosing(responses):
            yield b""
            async for response in responses:
                refused = _end_of_all(response)
                # The answer to one change may also be that it took too long, and others follow.
                ended = refused or GONE
                if refused is None:
                    running.event()
                yield response
            ended = _OK if ended is GONE else ended
    except Exception as fault:
        ended = _broken_off(fault)
        raise
    finally:
        running.end(ended)


def _end_of_all(response: bytes) -> Ended | None:
    """What a response says of the whole subscription, which is nothing as long as it has data."""
    if not response.startswith(_ERRORS_FIRST):
        return None
    answer = orjson.loads(response)
    return None if "data" in answer else _ended(answer["errors"])


def _broken_off(fault: BaseException) -> Ended:
    match fault:
        case NotBegun():
            return _ended(fault.errors)
        case asyncio.CancelledError() | GeneratorExit() | KeyboardInterrupt() | SystemExit():
            return GONE
        case _:
            return Ended(outcome=Outcome.FAILED, codes=(INTERNAL,), error_ids=(error_id_of(fault),))


def _ended(errors: Iterable[dict[str, Any]]) -> Ended:
    codes: dict[str, None] = {}
    ids: dict[str, None] = {}
    for error in errors:
        extensions = error.get("extensions") or {}
        if len(codes) < MOST_CODES:
            codes[str(extensions.get("code"))] = None
        if "errorId" in extensions and len(ids) < MOST_CODES:
            ids[str(extensions["errorId"])] = None
    failed = bool(ids) or INTERNAL in codes
    return Ended(outcome=Outcome.FAILED if failed else Outcome.REFUSED, codes=tuple(codes), error_ids=tuple(ids))
