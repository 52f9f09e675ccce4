"""What a server does by itself from time to time: retention."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mnesis.usecases.ports import NOTHING
from mnesis.usecases.retention import MemoryRetention
from mnesis.usecases.retention_ports import AgingStore

log = logging.getLogger(__name__)

FIRST_AFTER_S = 60.0
"""A server that is started anew more often than retention is due runs it all the same, but not while it starts."""


@asynccontextmanager
async def retained(retention: MemoryRetention, store: AgingStore, *, every_s: float) -> AsyncIterator[None]:
    """Runs retention over all tenants now and then until the block ends, which interrupts it; 0 means never.

    Of several processes on one database the first to begin does it, and the others leave it at that.
    """
    if not every_s:
        yield
        return
    running = asyncio.get_running_loop().create_task(_run_now_and_then(retention, store, every_s))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _run_now_and_then(retention: MemoryRetention, store: AgingStore, every_s: float) -> None:
    wait_s = min(every_s, FIRST_AFTER_S)
    while True:
        await asyncio.sleep(wait_s)
        wait_s = every_s
        try:
            await _run_once(retention, store)
        except Exception:
            log.exception("A retention run failed; the next one goes on with the rest.")


async def _run_once(retention: MemoryRetention, store: AgingStore) -> None:
    total = NOTHING
    async with store.alone() as alone:
        if not alone:
            log.info("Another process runs retention at the moment.")
            return
        async for receipt in retention.run(dry_run=False):
            total = total.plus(receipt.counts)
    if total != NOTHING:
        log.info("Retention deleted %d memories and cut %d history records.", total.memories, total.records)
