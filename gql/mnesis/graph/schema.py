"""The schema as a whole."""

from functools import cache

import strawberry
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig

from mnesis.graph import enums as _enums  # noqa: F401  # It makes the domain's enums known before they are used.
from mnesis.graph.history import HistoryMemory
from mnesis.graph.long_term import LongTermMemory
from mnesis.graph.mutation import Mutation
from mnesis.graph.query import Query
from mnesis.graph.scalars import SCALARS
from mnesis.graph.session import SessionMemory
from mnesis.graph.user_errors import USER_ERRORS
from mnesis.graph.watching import Subscription
from mnesis.graph.working import WorkingMemory


@cache
def schema() -> strawberry.Schema:
    """The schema, built when it is first needed: that takes a while, and not every command needs it."""
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[
            SessionMemory,
            WorkingMemory,
            LongTermMemory,
            HistoryMemory,
            *(shown_as for shown_as, _ in USER_ERRORS.values()),
        ],
        config=StrawberryConfig(scalar_map=SCALARS),
    )


@cache
def sdl() -> str:
    """The schema in GraphQL's own language, with the directives that introspection does not carry."""
    return print_schema(schema())
