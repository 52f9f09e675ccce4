"""The writer lanes: threads that gather waiting batches and commit them together.

A lane takes the batches of one tenant that wait, applies them in the order of their arrival in one
transaction and answers each after the commit. It never waits for company: an idle lane takes a lone batch at once, and
while it commits others gather. If the database refuses the merged transaction, each batch is tried alone, so that
only the guilty one fails.
"""

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import select
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from mnesis.domain.commands import Batch, BatchOutcome, Command, Create, PutEntry, Rejected, Update
from mnesis.domain.fields import Message
from mnesis.storage.engines import Connection, DriverCursor, Engine
from mnesis.storage.transaction import Transactions
from mnesis.usecases.metering import UNMETERED, Meter
from mnesis.usecases.ports import Overloaded, StoreFault
from mnesis.usecases.together import asker

log = logging.getLogger("mnesis.storage")

_T = TypeVar("_T")

ATTEMPTS = 5
"""How often a transaction is tried when another one or the network was in the way."""
MERGED_COMMANDS = 2_000
MERGED_BYTES = 16 * 1024 * 1024
"""How much is merged into one transaction at most; a larger batch is applied by itself."""
OBJECT_BYTES = 250
"""Roughly what one Python object with its slots weighs."""
HOUSEKEEPING_S = 3_600.0
NO_TENANT = ""
"""Whose job it is where it is nobody's, such as keeping embeddings; there is nothing to tell of it."""
IN_DOUBT_S = 10.0
"""How long it is asked whether a COMMIT took effect whose connection broke, before the callers are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueBounds:
    """How much may wait in one lane before further batches are refused with `Overloaded`."""

    commands: int = 20_000
    weight_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A batch or a job in a lane's queue and where its answer goes."""

    tenant: str
    work: Batch | Callable[[DriverCursor], Any]
    commands: int
    weight_bytes: int
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Any]"
    origin: object
    """Whom a `Meter` knows it to be asked by."""
    asker: object | None
    """See `together`."""

    @property
    def alone(self) -> bool:
        """Whether nothing may be merged with it: only batches can be."""
        return not isinstance(self.work, Batch)


class _Retry(Exception):
    """The transaction left no trace and may succeed when it is tried again; the cause is chained."""


class InDoubt(StoreFault):
    """A connection broke during COMMIT, and nobody could be asked in time whether it took effect."""


class Lane:
    """One writing thread with one connection."""

    def __init__(
        self,
        engine: Engine,
        transactions: Transactions,
        bounds: QueueBounds,
        name: str,
        committed: Callable[[str], None] = lambda tenant: None,
        meter: Meter = UNMETERED,
    ) -> None:
        """``committed`` is told whose transaction was committed, in the lane's thread and after the answers."""
        self._committed_for = committed
        self._meter = meter
        self.name = name
        self._engine = engine
        self._transactions = transactions
        self._bounds = bounds
        self._queues: dict[str, deque[Waiting]] = {}
        """What waits of each tenant; the tenant that is first gets its turn next."""
        self._queued_commands = 0
        self._queued_bytes = 0
        self._ask_mark = str(select(engine.mark_column()).compile(dialect=engine.dialect))
        self._changed = threading.Condition()
        self._closing = False
        self._waking: asyncio.AbstractEventLoop | None = None
        """The loop that is going to wake the thread; another one does not rely on it."""
        self._connection: Connection | None = None
        self._tidied_at = -math.inf
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """How many commands wait."""
        return self._queued_commands

    async def apply(self, tenant: str, batch: Batch) -> BatchOutcome:
        """Queues a batch and waits for its commit. A batch whose caller goes away is dropped unless begun."""
        weight_bytes = sum(map(_weight_bytes, batch.commands))
        outcome: BatchOutcome = await self._queued(tenant, batch, max(1, len(batch.commands)), weight_bytes)
        return outcome

    async def run(self, tenant: str, job: Callable[[DriverCursor], _T]) -> _T:
        """Queues a job, which gets a transaction of its own, and waits for its commit.

        A job may be run again where its transaction left no trace, and takes the tenant's lock itself.
        """
        result: _T = await self._queued(tenant, job, 1, OBJECT_BYTES)
        return result

    async def _queued(
        self, tenant: str, work: Batch | Callable[[DriverCursor], Any], commands: int, weight_bytes: int
    ) -> Any:
        loop = asyncio.get_running_loop()
        waiting = Waiting(
            tenant=tenant,
            work=work,
            commands=commands,
            weight_bytes=weight_bytes,
            loop=loop,
            answer=loop.create_future(),
            origin=self._meter.origin(),
            asker=asker(),
        )
        with self._changed:
            if self._closing:
                raise StoreFault("The store is closing.")
            if (
                self._queues
                and (
                    self._queued_commands + waiting.commands > self._bounds.commands
                    or self._queued_bytes + waiting.weight_bytes > self._bounds.weight_bytes
                )
                and not self._follows(waiting)
            ):
                raise Overloaded("Too many writes are waiting.")
            self._queues.setdefault(tenant, deque()).append(waiting)
            self._queued_commands += waiting.commands
            self._queued_bytes += waiting.weight_bytes
            if self._waking is not loop:
                # Not at once: whatever else the loop is about to queue in this turn shares the transaction.
                self._waking = loop
                loop.call_soon(self._wake, loop)
        return await waiting.answer

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._changed:
            if self._waking is loop:
                self._waking = None
            self._changed.notify()

    def _follows(self, waiting: Waiting) -> bool:
        """Whether something that was asked for together with it waits already: after that, it would have room."""
        if waiting.asker is None:
            return False
        return any(each.asker is waiting.asker for each in self._queues.get(waiting.tenant, ()))

    def close(self) -> None:
        """Finishes what was accepted, then ends the thread. Blocks."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (merged := self._take()) is not None:
            begun = [waiting for waiting in merged if not waiting.answer.cancelled()]
            if begun:
                self._apply(begun)
            self._tidy()
        self._disconnect()

    def _take(self) -> list[Waiting] | None:
        """The waiting batches of the tenant whose turn it is, in order, within the bounds; None at the end."""
        with self._changed:
            while not self._queues:
                if self._closing:
                    return None
                self._changed.wait()
            tenant = next(iter(self._queues))
            queue = self._queues.pop(tenant)
            taken: list[Waiting] = []
            commands = weight = 0
            while queue:
                more, heavier = commands + queue[0].commands, weight + queue[0].weight_bytes
                if taken and (more > MERGED_COMMANDS or heavier > MERGED_BYTES):
                    break
                if taken and (taken[0].alone or queue[0].alone):
                    break
                commands, weight = more, heavier
                taken.append(queue.popleft())
            if queue:
                # At the end of the line, so that a busy tenant does not keep the others waiting.
                self._queues[tenant] = queue
            self._queued_commands -= commands
            self._queued_bytes -= weight
            return taken

    def _apply(self, begun: Sequence[Waiting]) -> None:
        try:
            _answer(zip(begun, self._committed(begun), strict=True))
        except (_Retry, InDoubt) as fault:
            # Alone they would fare no better while the database cannot be reached, or might be written twice.
            log.exception("%d batches could not be written.", len(begun))
            for waiting in begun:
                _refuse(waiting, fault)
        except Exception as fault:
            if len(begun) == 1:
                log.exception("A batch could not be written.")
                _refuse(begun[0], fault)
                return
            log.warning("A merged transaction failed, its %d batches are tried alone: %s", len(begun), fault)
            for waiting in begun:
                self._apply([waiting])
        else:
            self._tell_of(begun[0].tenant)

    def _tell_of(self, tenant: str) -> None:
        if tenant == NO_TENANT:
            return
        try:
            self._committed_for(tenant)
        except Exception:
            # It was written and answered, and whoever waits for it looks by itself after a while.
            log.exception("A commit could not be told of.")

    def _committed(self, begun: Sequence[Waiting]) -> tuple[Any, ...]:
        began_s = time.perf_counter()
        failed = True
        try:
            answers = self._tried(begun[0].tenant, [waiting.work for waiting in begun])
            failed = False
        finally:
            self._measure(begun, began_s, failed=failed)
        return answers

    def _tried(self, tenant: str, works: Sequence[Batch | Callable[[DriverCursor], Any]]) -> tuple[Any, ...]:
        """The answers of the first attempt that succeeds. Raises `_Retry` when there have been enough of them."""
        try:
            # Nearly always that is all, and keeping account of attempts costs as much as an update.
            return self._attempt(tenant, works)
        except _Retry as fault:
            made = [fault]

        def attempt() -> tuple[Any, ...]:
            if made:
                raise made.pop()
            return self._attempt(tenant, works)

        attempts = Retrying(
            retry=retry_if_exception_type(_Retry),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.02, max=1.0),
            reraise=True,
        )
        return attempts(attempt)

    def _measure(self, begun: Sequence[Waiting], began_s: float, *, failed: bool) -> None:
        try:
            self._meter.wrote(
                "job" if begun[0].alone else "write",
                [waiting.origin for waiting in begun],
                began_s,
                time.perf_counter(),
                commands=sum(waiting.commands for waiting in begun),
                failed=failed,
            )
        except Exception:
            # It was written all the same, and must be neither refused nor written again.
            log.exception("A transaction could not be measured.")

    def _attempt(self, tenant: str, works: Sequence[Batch | Callable[[DriverCursor], Any]]) -> tuple[Any, ...]:
        answers: tuple[Any, ...] = ()
        mark: str | None = None
        try:
            connection = self._connected()
            if any(not isinstance(work, Batch) for work in works):
                # A job may send what it likes.
                self._engine.begin(cursor := connection.cursor())
                answers, mark = self._done(cursor, tenant, works)
                cursor.execute("COMMIT")
            else:
                with self._engine.sent_together(connection) as sending:
                    self._engine.begin(sending.cursor())
                    answers, mark = self._done(sending.cursor(), tenant, works)
                    sending.cursor().execute("COMMIT")
        except Exception as fault:
            self._roll_back()
            # A COMMIT that failed may have taken effect all the same: its connection may have broken after it.
            if mark is not None and self._was_committed(mark):
                return answers
            if self._engine.is_transient(fault):
                raise _Retry(f"{type(fault).__name__}: {fault}") from fault
            raise
        return answers

    def _done(
        self, cursor: DriverCursor, tenant: str, works: Sequence[Batch | Callable[[DriverCursor], Any]]
    ) -> tuple[tuple[Any, ...], str | None]:
        """The answers, and what the transaction is known by."""
        batches = [work for work in works if isinstance(work, Batch)]
        if batches:
            applied = self._transactions.apply(cursor, tenant, batches)
            return applied.outcomes, applied.mark
        answers = tuple(work(cursor) for work in works if not isinstance(work, Batch))
        cursor.execute(self._ask_mark)
        return answers, cursor.fetchone()[0]

    def _was_committed(self, mark: str) -> bool:
        """Asks until the transaction has ended and the database answers. Raises `InDoubt`."""
        deadline = time.monotonic() + IN_DOUBT_S
        while True:
            fault: Exception | None = None
            try:
                committed = self._engine.was_committed(self._connected(), mark)
                if committed is not None:
                    return committed
            except Exception as refused:
                self._disconnect()
                fault = refused
            if time.monotonic() > deadline:
                raise InDoubt("It is not known whether a write took effect.") from fault
            time.sleep(0.1)

    def _roll_back(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            connection.rollback()
        except Exception as fault:
            log.warning("A connection is given up: %s", fault)
            self._disconnect()
            return
        if self._engine.is_lost(connection):
            self._disconnect()

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect(read_only=False)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception as fault:
                log.warning("A connection did not close: %s", fault)

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied_at < HOUSEKEEPING_S:
            return
        self._tidied_at = time.monotonic()
        try:
            self._transactions.forget_answers(self._connected().cursor())
        except Exception:
            log.exception("Old answers could not be removed; it is tried again in an hour.")
            self._roll_back()


def _answer(answers: Iterable[tuple[Waiting, Any]]) -> None:
    """Hands answers over to their loops, one call for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiting, Any]]] = {}
    for waiting, outcome in answers:
        by_loop.setdefault(waiting.loop, []).append((waiting, outcome))
    for loop, given in by_loop.items():
        _call(loop, _set_results, given)


def _set_results(given: list[tuple[Waiting, Any]]) -> None:
    for waiting, outcome in given:
        if not waiting.answer.done():
            waiting.answer.set_result(outcome)


def _refuse(waiting: Waiting, fault: Exception) -> None:
    kind = InDoubt if isinstance(fault, InDoubt) else StoreFault
    # Each caller gets an exception of its own, since raising one adds to its traceback.
    refusal = kind(str(fault) if isinstance(fault, InDoubt | _Retry) else f"{type(fault).__name__}: {fault}")
    refusal.__cause__ = fault
    _call(waiting.loop, _set_exception, (waiting, refusal))


def _set_exception(refused: tuple[Waiting, Exception]) -> None:
    waiting, refusal = refused
    if not waiting.answer.done():
        waiting.answer.set_exception(refusal)


def _call(loop: asyncio.AbstractEventLoop, set_answers: Callable[[_T], None], given: _T) -> None:
    # A loop that was closed meanwhile has nobody left who waits.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(set_answers, given)


def _weight_bytes(command: Command | Rejected) -> int:
    """Roughly what a command weighs in memory."""
    if isinstance(command, _WITH_CHANGES):
        changes = command.changes
        given = sum(map(_value_weight_bytes, changes.given.values()))
        return OBJECT_BYTES + given + _value_weight_bytes(changes.append_messages)
    return OBJECT_BYTES


# Unions would be made anew for each value.
_WITH_CHANGES = (Create, Update, PutEntry)
_PLAIN = (str, bytes)
_LISTED = (list, tuple)


def _value_weight_bytes(value: object) -> int:
    if isinstance(value, _PLAIN):
        return len(value)
    if isinstance(value, dict):
        return OBJECT_BYTES + sum(map(_value_weight_bytes, value.values()))
    if isinstance(value, _LISTED):
        return OBJECT_BYTES + sum(map(_value_weight_bytes, value))
    if isinstance(value, Message):
        return OBJECT_BYTES + len(value.text or "") + _value_weight_bytes(value.parts)
    return 8
