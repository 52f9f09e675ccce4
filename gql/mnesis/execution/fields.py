"""What happens to the value of a field once it is there, where that takes more than a look at its type.

These are called by what `selections` writes: ``found`` is the object being made, ``waiting`` the keys in it that hold
awaitables (None while there are none).
"""

from collections.abc import Awaitable
from typing import Any

from mnesis.execution.awaiting import PLAIN, is_awaitable
from mnesis.execution.running import Path, Run, Site, refuse


def put(
    run: Run, value: object, site: Site, above: Path, found: dict[str, Any], waiting: list[str] | None
) -> list[str] | None:
    """Completes a value and puts it into the object."""
    path = (above, site.key, site.parent_name)
    if type(value) not in PLAIN and is_awaitable(value):
        found[site.key] = awaited(run, value, site, path)
    else:
        completed = site.complete(run, value, path)
        if type(completed) in PLAIN or not is_awaitable(completed):
            found[site.key] = completed
            return waiting
        found[site.key] = _guarded(run, completed, site, path)
    if waiting is None:
        return [site.key]
    waiting.append(site.key)
    return waiting


def put_awaitable(
    run: Run, value: object, site: Site, above: Path, found: dict[str, Any], waiting: list[str] | None
) -> list[str]:
    """The same for what is known to be awaitable."""
    found[site.key] = awaited(run, value, site, (above, site.key, site.parent_name))
    if waiting is None:
        return [site.key]
    waiting.append(site.key)
    return waiting


async def awaited(run: Run, value: Any, site: Site, path: Path) -> Any:
    """Awaits a value and completes it; null where that fails."""
    try:
        completed = site.complete(run, await value, path)
        if type(completed) not in PLAIN and is_awaitable(completed):
            completed = await completed
    except Exception as error:
        refuse(run, error, site, path, non_null=site.non_null)
        return None
    return completed


async def _guarded(run: Run, completed: Awaitable[Any], site: Site, path: Path) -> Any:
    try:
        return await completed
    except Exception as error:
        refuse(run, error, site, path, non_null=site.non_null)
        return None
