"""What every resolver of one request is given."""

from typing import TypeAlias

import strawberry

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
