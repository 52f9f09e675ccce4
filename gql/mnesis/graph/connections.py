"""Pages of things, as the Relay specification lays them out."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import strawberry

from mnesis.graph.cursors import CursorKind, cursor_text
from mnesis.graph.fields import resolved
from mnesis.usecases.ports import Page

T = TypeVar("T")


@strawberry.type(description="Where a page lies in its order.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows the page.")
    has_previous_page: bool = strawberry.field(description="Whether something comes before the page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first node; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last node; null on an empty page.")


@strawberry.type(description="One node of a page and its place.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="The place of the node, for `after` and `before`. Opaque.")
    node: T = strawberry.field(description="The node.")


@strawberry.type(description="One page of an order.")
class Connection(Generic[T]):
    kind: strawberry.Private[CursorKind]
    page: strawberry.Private[Page[Any]]
    present: strawberry.Private[Callable[[Any], Any]]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @resolved("The nodes of the page, each with its cursor.")
    def edges(self) -> list[Edge[T]]:
        return [
            Edge(cursor=cursor_text(self.kind, cursor), node=node)
            for cursor, node in zip(self.page.cursors, self.nodes(), strict=True)
        ]

    @resolved("The nodes of the page.")
    def nodes(self) -> list[T]:
        return list(map(self.present, self.page.rows))

    @resolved("Where the page lies in its order.")
    def page_info(self) -> PageInfo:
        cursors = self.page.cursors
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.has_previous,
            start_cursor=cursor_text(self.kind, cursors[0]) if cursors else None,
            end_cursor=cursor_text(self.kind, cursors[-1]) if cursors else None,
        )

    @resolved("How many nodes the whole order has. Counted only where it is selected.")
    async def total_count(self) -> int | None:
        return await self.count()
