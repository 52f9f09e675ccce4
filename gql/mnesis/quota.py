"""The command ``mnesis quota``: sets and shows what a tenant may use."""

import json
from dataclasses import replace

from mnesis.complaints import Complaint
from mnesis.databases import open_database_of, prepare_database, reached
from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.json_values import text_fault
from mnesis.domain.quotas import Quotas, Usage
from mnesis.settings import Settings


async def quota(settings: Settings, *, tenant: str, given: Quotas, none: bool) -> None:
    """Sets the quotas that are given, or none, and prints what then is so. Raises `Complaint`."""
    if not tenant or text_fault(tenant) is not None:
        raise Complaint("This must be the name of a tenant.")
    if none and not given.is_empty:
        raise Complaint("Give either --none or quotas, not both.")
    prepare_database(settings)
    with reached(settings):
        found = await _kept(settings, tenant, given, none)
    print(json.dumps(_told(tenant, found), ensure_ascii=False, indent=2))  # noqa: T201  # The command's answer.


async def _kept(settings: Settings, tenant: str, given: Quotas, none: bool) -> tuple[Quotas, Usage] | None:
    database = open_database_of(settings)
    caller = Caller(tenant=tenant, subject="mnesis quota", scopes=EVERY_SCOPE)
    try:
        found = await database.reader.quotas(caller)
        if none:
            await database.set_quotas(caller, Quotas())
        elif not given.is_empty:
            await database.set_quotas(caller, _over(found[0] if found is not None else Quotas(), given))
        else:
            return found
        return await database.reader.quotas(caller)
    finally:
        await database.close()


def _over(stored: Quotas, given: Quotas) -> Quotas:
    """What is not given stays."""
    if given.memories is not None:
        stored = replace(stored, memories=given.memories)
    if given.bytes is not None:
        stored = replace(stored, bytes=given.bytes)
    if given.writes_per_month is not None:
        stored = replace(stored, writes_per_month=given.writes_per_month)
    return stored


def _told(tenant: str, found: tuple[Quotas, Usage] | None) -> dict[str, object]:
    quotas, usage = found if found is not None else (Quotas(), Usage())
    bounds = {
        "memories": (quotas.memories, usage.memories),
        "bytes": (quotas.bytes, usage.bytes),
        "writesPerMonth": (quotas.writes_per_month, usage.writes),
    }
    told = {
        name: {"limit": limit, "used": used} if limit is not None else None for name, (limit, used) in bounds.items()
    }
    return {"tenant": tenant, "quotas": told}
