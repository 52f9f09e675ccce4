"""What every resolver of one request is given."""

from typing import TypeAlias

import strawberry
from graphql import FieldNode, OperationType

from mnesis.domain.caller import Caller
from mnesis.domain.quickly import quickly_made
from mnesis.graph.loaders import Loaders
from mnesis.usecases.memories import Memories
from mnesis.usecases.watching import WatchableMemories


@quickly_made
class Context:
    """Who asks, the use cases, and the look-ups of this request."""

    caller: Caller
    memories: Memories
    watching: WatchableMemories
    loaders: Loaders


Info: TypeAlias = strawberry.Info[Context, None]


def asks_alone(info: Info) -> bool:
    """Whether the field, which is one of `Query`, is all that a query asks for at its root: then nothing else is
    looked up while its resolver runs."""
    operation = info.operation
    selected = operation.selection_set.selections
    return operation.operation is OperationType.QUERY and len(selected) == 1 and type(selected[0]) is FieldNode
