"""Tells other processes that a tenant has changes, and hears it from them: PostgreSQL's NOTIFY and LISTEN.

A wake-up carries nothing but the tenant and may be lost: what changed is read from the history, and who hears nothing
looks there by itself after a while. It is sent after the commit, because PostgreSQL lets transactions that notify
commit only one at a time.
"""

import logging
import threading
from collections.abc import Callable
from typing import Protocol
from uuid import uuid4

from mnesis.storage.engines import Connection, Engine

log = logging.getLogger("mnesis.storage")

CHANNEL = "mnesis_changes"
GATHER_S = 0.01
"""How long wake-ups are gathered before they are sent together."""
LISTEN_S = 0.25
"""How often a listening thread looks whether it is to end."""
RETRY_S = 1.0

_NOTIFY = "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload"


class Wakeups(Protocol):
    """How the processes that share a database wake each other."""

    def listen(self, heard: Callable[[str], None]) -> None:
        """From now on, ``heard`` is called in a thread with each tenant that another process tells of."""
        ...

    def tell(self, tenant: str) -> None:
        """Has the others told. Returns at once, and does not fail."""
        ...

    def close(self) -> None:
        """Ends what was begun. Blocks."""
        ...


class NoWakeups:
    """For SQLite, which serves one process; a command beside it is noticed by looking."""

    def listen(self, heard: Callable[[str], None]) -> None:
        pass

    def tell(self, tenant: str) -> None:
        pass

    def close(self) -> None:
        pass


class PostgresWakeups:
    """Two threads, each with a connection, begun when they are first needed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._own = uuid4().hex
        self._telling = threading.Condition()
        self._untold: set[str] = set()
        self._closing = threading.Event()
        self._teller: threading.Thread | None = None
        self._listener: threading.Thread | None = None

    def listen(self, heard: Callable[[str], None]) -> None:
        if self._listener is None:
            self._listener = threading.Thread(
                target=self._listen, args=(heard,), name="mnesis-feed-listener", daemon=True
            )
            self._listener.start()

    def tell(self, tenant: str) -> None:
        with self._telling:
            if self._closing.is_set():
                return
            if self._teller is None:
                self._teller = threading.Thread(target=self._tell, name="mnesis-feed-teller", daemon=True)
                self._teller.start()
            self._untold.add(tenant)
            self._telling.notify()

    def close(self) -> None:
        self._closing.set()
        with self._telling:
            self._telling.notify()
        for thread in (self._teller, self._listener):
            if thread is not None:
                thread.join()

    def _tell(self) -> None:
        connection: Connection | None = None
        while (tenants := self._gathered()) is not None:
            try:
                connection = connection or self._engine.connect(read_only=False)
                connection.execute(_NOTIFY, [CHANNEL, [f"{self._own} {tenant}" for tenant in tenants]])
            except Exception as fault:
                log.warning("Other processes could not be told of changes; they look by themselves: %s", fault)
                _close(connection)
                connection = None
                self._closing.wait(RETRY_S)
        _close(connection)

    def _gathered(self) -> set[str] | None:
        """The tenants to tell of; None at the end."""
        with self._telling:
            while not self._untold:
                if self._closing.is_set():
                    return None
                self._telling.wait()
        self._closing.wait(GATHER_S)
        with self._telling:
            tenants, self._untold = self._untold, set()
        return tenants

    def _listen(self, heard: Callable[[str], None]) -> None:
        while not self._closing.is_set():
            connection: Connection | None = None
            try:
                connection = self._engine.connect(read_only=True)
                connection.execute(f"LISTEN {CHANNEL}")
                while not self._closing.is_set():
                    for told in connection.notifies(timeout=LISTEN_S):
                        process, _, tenant = told.payload.partition(" ")
                        if process != self._own:
                            heard(tenant)
            except Exception as fault:
                log.warning("Changes by other processes are heard of late; it is tried again: %s", fault)
                self._closing.wait(RETRY_S)
            finally:
                _close(connection)


def _close(connection: Connection | None) -> None:
    if connection is not None:
        try:
            connection.close()
        except Exception as fault:
            log.warning("A connection did not close: %s", fault)
