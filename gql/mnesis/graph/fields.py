"""Fields that are worked out when they are selected."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import strawberry

F = TypeVar("F", bound=Callable[..., Any])


def watched(description: str) -> Callable[[F], F]:
    """`strawberry.subscription` for a method, with a type that a checker can follow."""

    def make(method: F) -> F:
        field: F = strawberry.subscription(resolver=method, description=description)
        return field

    return make


def resolved(
    description: str, *, directives: Iterable[object] = (), metadata: Mapping[Any, Any] | None = None
) -> Callable[[F], F]:
    """`strawberry.field` for a method, with a type that a checker can follow."""

    def make(method: F) -> F:
        field: F = strawberry.field(
            resolver=method, description=description, directives=list(directives), metadata=metadata
        )
        return field

    return make
