"""The command ``mnesis retention``: a run or a dry run, and its receipt as a table or as JSON."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mnesis.complaints import Complaint
from mnesis.databases import open_database_of, prepare_database, reached
from mnesis.domain.ids import is_id
from mnesis.domain.json_values import text_fault
from mnesis.settings import Settings
from mnesis.usecases.ports import NOTHING, RemovalCounts
from mnesis.usecases.retention import ContainerReceipt, MemoryRetention, NoSuchContainer, NoSuchTenant

PAUSE_S = 0.1
"""After every transaction on SQLite, whose writers wait in no queue: who waited long looks again every 100 ms only."""


class CannotRetain(Complaint):
    """Retention did not run."""


async def retain(
    settings: Settings, *, dry_run: bool, tenant: str | None, container_id: str | None, as_json: bool
) -> None:
    """Lets age out what the containers' rules say, or only counts it, and prints the receipt."""
    if tenant is not None and (not tenant or text_fault(tenant) is not None):
        raise CannotRetain("--tenant must be the name of a tenant.")
    if container_id is not None and tenant is None:
        raise CannotRetain("--container needs --tenant: containers of different tenants may have the same id.")
    if container_id is not None and not is_id(container_id):
        raise CannotRetain("--container must be the id of a container.")
    prepare_database(settings)
    with reached(settings):
        receipts = await _receipts(settings, dry_run, tenant, container_id)
    if as_json or not sys.stdout.isatty():
        print(json.dumps(_told(receipts, dry_run), ensure_ascii=False, indent=2))  # noqa: T201  # The command's answer.
    else:
        _show(receipts, dry_run)


async def _receipts(
    settings: Settings, dry_run: bool, tenant: str | None, container_id: str | None
) -> list[ContainerReceipt]:
    database = open_database_of(settings)
    try:
        pause_s = PAUSE_S if settings.is_sqlite else 0.0
        retention = MemoryRetention(database.aging, database.store, database.reader, pause_s=pause_s)
        running = retention.run(dry_run=dry_run, tenant=tenant, container_id=container_id)
        if dry_run:
            return [receipt async for receipt in running]
        async with database.aging.alone() as alone:
            if not alone:
                raise CannotRetain("Another retention run is at work on this database; wait until it has ended.")
            return [receipt async for receipt in running]
    except NoSuchTenant:
        raise CannotRetain(f"There is no tenant {tenant}.") from None
    except NoSuchContainer:
        raise CannotRetain(f"There is no container {container_id} in the tenant {tenant}.") from None
    finally:
        await database.close()


def _told(receipts: list[ContainerReceipt], dry_run: bool) -> dict[str, Any]:
    return {
        "dryRun": dry_run,
        "containers": [
            {"tenant": each.tenant, "container": each.container_id, **_counts(each.counts)} for each in receipts
        ],
        "receipt": _counts(_total(receipts)),
    }


def _counts(counts: RemovalCounts) -> dict[str, int]:
    """In the words of the receipt of ``deleteMemories``."""
    return {
        "sessions": counts.sessions,
        "working": counts.working,
        "longTerm": counts.long_term,
        "history": counts.records,
        "total": counts.memories,
    }


def _total(receipts: list[ContainerReceipt]) -> RemovalCounts:
    total = NOTHING
    for each in receipts:
        total = total.plus(each.counts)
    return total


def _show(receipts: list[ContainerReceipt], dry_run: bool) -> None:
    console = Console()
    if not receipts:
        console.print("No container has retention rules; nothing ages out.")
        return
    table = Table(title="Would be removed" if dry_run else "Removed", show_footer=True)
    total = _counts(_total(receipts))
    table.add_column("Tenant", "Total")
    table.add_column("Container")
    for name, heading in (
        ("sessions", "Sessions"),
        ("working", "Working"),
        ("longTerm", "Long-term"),
        ("history", "History"),
    ):
        table.add_column(heading, f"{total[name]:,}", justify="right")
    for each in receipts:
        counted = _counts(each.counts)
        # As texts, since an id in brackets would be taken for markup.
        names = (Text(each.tenant), Text(each.container_id))
        table.add_row(*names, *(f"{counted[name]:,}" for name in ("sessions", "working", "longTerm", "history")))
    console.print(table)
