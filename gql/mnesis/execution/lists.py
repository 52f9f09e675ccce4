"""Lists: each item is completed by itself, and null where it fails and may be null."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from graphql import GraphQLError, Undefined, located_error
from graphql.pyutils import is_iterable
from graphql.pyutils.is_awaitable import is_async_iterable

from mnesis.execution.awaiting import PLAIN, filled, is_awaitable, settle
from mnesis.execution.running import Path, Run, Site, path_list, refuse


def nothing(value: Any, null: str | None) -> None:
    """What is to be done with null or an exception; ``null`` is what is wrong with null, if that is wrong."""
    if isinstance(value, Exception):
        raise value
    if null is not None:
        raise TypeError(null)


class Items:
    """Completes the lists of one field.

    ``complete_item`` completes an item; ``non_null``: none of them may be null; ``null``: see `nothing`.
    """

    __slots__ = ("_complete_item", "_non_null", "_null", "_site")

    def __init__(
        self, site: Site, complete_item: Callable[[Run, Any, Path], Any], *, non_null: bool, null: str | None
    ) -> None:
        self._site = site
        self._complete_item = complete_item
        self._non_null = non_null
        self._null = null

    def complete(self, run: Run, value: Any, path: Path) -> Any:
        """The list, or an awaitable of it."""
        if value is None or value is Undefined or isinstance(value, Exception):
            return nothing(value, self._null)
        if type(value) is not list and type(value) is not tuple:
            if is_async_iterable(value):
                return self._complete_async(run, aiter(value), path)
            if not is_iterable(value):
                site = self._site
                raise GraphQLError(
                    f"Expected Iterable, but did not find one for field '{site.parent_name}.{site.name}'."
                )
        found: list[Any] = []
        waiting: list[int] = []
        complete_item = self._complete_item
        items = iter(value)
        try:
            for item in items:
                if type(item) in PLAIN:
                    # What `_put` does, for what nearly all items are.
                    try:
                        completed = complete_item(run, item, (path, len(found), None))
                    except Exception as error:
                        self._refuse(run, error, (path, len(found), None))
                        completed = None
                    if type(completed) in PLAIN or not is_awaitable(completed):
                        found.append(completed)
                    else:
                        waiting.append(len(found))
                        found.append(self._guarded(run, completed, (path, len(found), None)))
                else:
                    self._put(run, item, path, found, waiting)
        except Exception:
            settle([found[index] for index in waiting] + _rest(items))
            raise
        return filled(found, waiting) if waiting else found

    async def _complete_async(self, run: Run, items: AsyncIterator[Any], path: Path) -> Any:
        found: list[Any] = []
        waiting: list[int] = []
        try:
            while True:
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    break
                except Exception as error:
                    raise located_error(error, self._site.nodes, path_list(path)) from error
                self._put(run, item, path, found, waiting)
        except Exception:
            with suppress(Exception):
                await items.aclose()  # type: ignore[attr-defined]  # Generators have it; what has not is left alone.
            settle([found[index] for index in waiting])
            raise
        return await filled(found, waiting) if waiting else found

    def _put(self, run: Run, item: Any, path: Path, found: list[Any], waiting: list[int]) -> None:
        index = len(found)
        here = (path, index, None)
        try:
            if type(item) not in PLAIN and is_awaitable(item):
                found.append(self._awaited(run, item, here))
            else:
                completed = self._complete_item(run, item, here)
                if type(completed) in PLAIN or not is_awaitable(completed):
                    found.append(completed)
                    return
                found.append(self._guarded(run, completed, here))
        except Exception as error:
            self._refuse(run, error, here)
            found.append(None)
            return
        waiting.append(index)

    async def _awaited(self, run: Run, item: Any, path: Path) -> Any:
        try:
            completed = self._complete_item(run, await item, path)
            if type(completed) not in PLAIN and is_awaitable(completed):
                completed = await completed
        except Exception as error:
            self._refuse(run, error, path)
            return None
        return completed

    async def _guarded(self, run: Run, completed: Awaitable[Any], path: Path) -> Any:
        try:
            return await completed
        except Exception as error:
            self._refuse(run, error, path)
            return None

    def _refuse(self, run: Run, error: Exception, path: Path) -> None:
        refuse(run, error, self._site, path, non_null=self._non_null)


def _rest(items: Iterator[Any]) -> list[Any]:
    """What was not taken may hold awaitables, which are not to be left alone."""
    rest: list[Any] = []
    with suppress(Exception):
        rest.extend(items)
    return rest
