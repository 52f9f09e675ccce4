"""Containers as clients set and list them."""

import strawberry
from strawberry import Maybe

from mnesis.domain.containers import ContainerSettings, RetentionRule, SettingValue
from mnesis.domain.memory_types import MemoryType
from mnesis.graph.connections import Connection
from mnesis.graph.context import Context
from mnesis.graph.cursors import CursorKind
from mnesis.graph.node import RETENTION_FIELDS, MemoryContainer
from mnesis.graph.paging import page_request
from mnesis.graph.scalars import JSONObject


@strawberry.input(description="How long memories of one type are kept. At least one bound is given.")
class RetentionRuleInput:
    days: int | None = strawberry.field(description="Days since the last change, 1 to 36,500. Null: of any age.")
    count: int | None = strawberry.field(description="How many of the newest, from 1. Null: any number.")


@strawberry.input(
    description=(
        "How long memories are kept, by type. A type left out keeps its rule, null removes it, and a rule replaces the"
        " one before whole."
    )
)
class RetentionInput:
    session: Maybe[RetentionRuleInput | None] = strawberry.field(description="Of sessions, which take entries along.")
    working: Maybe[RetentionRuleInput | None] = strawberry.field(description="Of working memories.")
    long_term: Maybe[RetentionRuleInput | None] = strawberry.field(description="Of long-term memories.")
    history: Maybe[RetentionRuleInput | None] = strawberry.field(description="Of history memories.")


@strawberry.input(description="Settings of a container. One that is left out is kept; null clears.")
class UpdateMemoryContainerInput:
    name: Maybe[str | None] = strawberry.field(
        description="What it is called, 1 to 255 characters; need not be unique. Cannot be null."
    )
    description: Maybe[str | None] = strawberry.field(description="What it is for, at most 1,000 characters.")
    metadata: Maybe[JSONObject | None] = strawberry.field(
        description="Anything about the container, in the client's own keys; replaced whole."
    )
    retention: Maybe[RetentionInput | None] = strawberry.field(
        description="How long memories in it are kept, by type. Null removes all rules."
    )
    roles: Maybe[list[str] | None] = strawberry.field(
        description=(
            "Roles by which others than the owner get in, at most 100 of 1 to 128 characters of A-Z a-z 0-9 : + = , ."
            " @ - _ /; replaced whole, null removes all."
        )
    )


@strawberry.input(description="A new container. Every field may be left out.")
class CreateMemoryContainerInput(UpdateMemoryContainerInput):
    id: strawberry.ID | None = strawberry.field(
        description=(
            "The container's id: 1 to 512 characters of A-Z a-z 0-9 _ . : - that begin with a letter or a digit, and"
            " that neither a container nor a memory has; that of a deleted container goes on at its next version. Left"
            " out, the server makes a UUID."
        )
    )
    shared: bool = strawberry.field(
        default=False,
        description=(
            "Open it to the whole tenant, with all that will be in it; that stays so. Otherwise it is the caller's,"
            " and its `roles` let others in."
        ),
    )


@strawberry.type(description="A page of containers.")
class MemoryContainerConnection(Connection[MemoryContainer]):
    pass


async def live_container(context: Context, container_id: str) -> MemoryContainer | None:
    """The container that has an id, unless it was deleted."""
    found = await context.loaders.containers.load(container_id)
    return MemoryContainer.of(found) if found is not None and not found.deleted else None


async def listed_containers(
    context: Context, *, first: int | None, after: str | None, last: int | None, before: str | None
) -> MemoryContainerConnection:
    """A page of the containers. Raises GraphQLError for arguments that cannot be meant."""
    kind, memories, caller = CursorKind.CONTAINERS, context.memories, context.caller
    page = page_request(kind, memories.limits.page_nodes, first=first, after=after, last=last, before=before)
    return MemoryContainerConnection(
        kind=kind,
        page=await memories.list_containers(caller, page),
        present=MemoryContainer.of,
        count=lambda: memories.count_containers(caller),
    )


def settings_of(given: UpdateMemoryContainerInput) -> ContainerSettings:
    """The settings that an input gives."""
    settings: dict[str, SettingValue] = {}
    for name in ("name", "description", "metadata"):
        if (some := getattr(given, name)) is not None:
            settings[name] = some.value
    if given.roles is not None:
        settings["roles"] = tuple(given.roles.value) if given.roles.value is not None else None
    if given.retention is not None:
        settings["retention"] = _rules_of(given.retention.value) if given.retention.value is not None else None
    return ContainerSettings(given=settings)


def _rules_of(given: RetentionInput) -> dict[MemoryType, RetentionRule | None]:
    rules: dict[MemoryType, RetentionRule | None] = {}
    for name, kind in RETENTION_FIELDS.items():
        some = getattr(given, name)
        if some is not None:
            rule = some.value
            rules[kind] = RetentionRule(days=rule.days, count=rule.count) if rule is not None else None
    return rules
