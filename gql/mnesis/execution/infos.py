"""What resolvers are told of the execution, for most of which nobody asks."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import strawberry

from mnesis.execution.running import Run, Site
from mnesis.execution.source import Source
from mnesis.execution.strawberry_types import BACK_REFERENCE

_new: Callable[[type[Any]], Any] = object.__new__


class _RawInfo:
    """graphql-core's info, which is made when it is first asked for, and then kept in its place."""

    def __get__(self, info: Any, kind: type) -> Any:
        run: Run = info._run
        site: Site = info._site
        raw = info.__dict__["_raw_info"] = run.info(site, (info._above, site.key, site.parent_name))
        return raw


def _field(info: Any) -> Any:
    return info._site.field.extensions[BACK_REFERENCE]


class LaterInfo(strawberry.Info):
    """Strawberry's info, equal in everything; it holds the run, the place and the path, and works the rest out."""

    _raw_info = _RawInfo()
    # By name what costs least, since that is what resolvers ask for.
    _field = property(_field)
    context = property(attrgetter("_run.context"))
    operation = property(attrgetter("_run.operation.node"))


LaterInfo.__name__, LaterInfo.__qualname__ = strawberry.Info.__name__, strawberry.Info.__qualname__


def write_info(source: Source, depth: int, site: Site, info_class: type) -> str:
    """An expression for the info of a field, and the lines before it, which use ``run`` and ``above``."""
    if info_class is not strawberry.Info:
        # It may do with graphql-core's whatever it likes.
        raw = f"run.info({source.name(site)}, (above, {source.name(site.key)}, {source.name(site.parent_name)}))"
        field = source.name(site.field.extensions[BACK_REFERENCE])
        return f"{source.name(info_class)}(_raw_info={raw}, _field={field})"
    source.line(depth, f"i = {source.name(_new)}({source.name(LaterInfo)})")
    source.line(depth, "i._run = run")
    source.line(depth, f"i._site = {source.name(site)}")
    source.line(depth, "i._above = above")
    return "i"
