"""What a caller can mend, as data: one type per refusal of the domain, and the one table between the two."""

from collections.abc import Callable
from enum import Enum
from typing import Any

import strawberry

from mnesis.domain.memory import Memory as StoredMemory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import (
    AlreadyExists,
    ContainerNotEmpty,
    Forbidden,
    IdempotencyConflict,
    ImmutableMemory,
    InvalidInput,
    LimitExceeded,
    MemoryTypeMismatch,
    NotFound,
    QuotaExceeded,
    Refusal,
    VersionConflict,
)
from mnesis.execution import settled
from mnesis.graph.context import Info
from mnesis.graph.fields import resolved
from mnesis.graph.memory import Memory
from mnesis.graph.present import loaded, shown


@strawberry.enum(description="Why something was refused. Stable: programs may decide by it.")
class UserErrorCode(Enum):
    INVALID_INPUT = strawberry.enum_value("INVALID_INPUT", description="A value cannot be accepted.")
    NOT_FOUND = strawberry.enum_value("NOT_FOUND", description="Nothing of this kind has the id.")
    MEMORY_TYPE_MISMATCH = strawberry.enum_value(
        "MEMORY_TYPE_MISMATCH", description="The named type, the given input and the stored memory do not agree."
    )
    IMMUTABLE_MEMORY = strawberry.enum_value(
        "IMMUTABLE_MEMORY", description="History memories are made by the service alone."
    )
    VERSION_CONFLICT = strawberry.enum_value(
        "VERSION_CONFLICT", description="The stored version is not the one that the caller insists on."
    )
    ALREADY_EXISTS = strawberry.enum_value("ALREADY_EXISTS", description="The id or the entry's key is taken.")
    CONTAINER_NOT_EMPTY = strawberry.enum_value(
        "CONTAINER_NOT_EMPTY", description="The container still holds memories."
    )
    FORBIDDEN = strawberry.enum_value("FORBIDDEN", description="The caller's credentials lack a scope.")
    IDEMPOTENCY_CONFLICT = strawberry.enum_value(
        "IDEMPOTENCY_CONFLICT", description="The idempotency key was used for other arguments."
    )
    LIMIT_EXCEEDED = strawberry.enum_value("LIMIT_EXCEEDED", description="It is more than is allowed at once.")
    QUOTA_EXCEEDED = strawberry.enum_value("QUOTA_EXCEEDED", description="The tenant has used up what it may use.")


@strawberry.interface(description="Why something was refused, for the person or program that can mend it.")
class UserError:
    message: str = strawberry.field(description="One sentence with the facts, for a person.")
    code: UserErrorCode = strawberry.field(description="The reason, for a program.")
    path: list[str] = strawberry.field(
        description=(
            "From the name of the argument down to the value at fault, list indexes in decimal; empty where no"
            " argument is at fault."
        )
    )


@strawberry.type(description="A value that cannot be accepted, whatever is stored.")
class InvalidInputError(UserError):
    pass


@strawberry.type(description="Nothing of this kind has the id, as far as the caller can see.")
class NotFoundError(UserError):
    pass


@strawberry.type(description="The named type, the member of the input and the stored memory do not agree.")
class MemoryTypeMismatchError(UserError):
    requested: MemoryType = strawberry.field(description="The type that was named.")
    actual: MemoryType = strawberry.field(description="The type of the stored memory, or of the given input.")


@strawberry.type(description="A kind of memory that nobody changes.")
class ImmutableMemoryError(UserError):
    memory_type: MemoryType = strawberry.field(description="That kind.")


@strawberry.type(description="The stored version is not the one that the caller insists on. Merge and try again.")
class VersionConflictError(UserError):
    expected_version: int = strawberry.field(description="The version that was insisted on; 0 for none.")
    actual_version: int = strawberry.field(description="The stored version; 0 where nothing is stored.")
    stored: strawberry.Private[StoredMemory | None]
    memory_id: strawberry.Private[str | None]

    @resolved("The memory as it is stored; null where there is none.", metadata=settled())
    async def current(self, info: Info) -> Memory | None:
        if self.stored is not None:
            return shown(self.stored)
        # In an answer repeated for an idempotency key only the id is known.
        return await loaded(info.context.loaders, self.memory_id) if self.memory_id is not None else None


@strawberry.type(description="A container that still holds memories is deleted only with `deleteMemories: true`.")
class ContainerNotEmptyError(UserError):
    memories: int = strawberry.field(description="How many memories it holds, entries of sessions included.")


@strawberry.type(description="The id, or the entry's key, is taken.")
class AlreadyExistsError(UserError):
    pass


@strawberry.type(description="The caller's credentials lack a scope.")
class ForbiddenError(UserError):
    required_scope: str = strawberry.field(description="The scope that this needs, such as `memory:write`.")


@strawberry.type(description="The idempotency key was used within 24 hours for other arguments.")
class IdempotencyConflictError(UserError):
    pass


@strawberry.type(description="More than is allowed at once. The message names the unit.")
class LimitExceededError(UserError):
    # A document may select the limit of this and of a quota, in bytes of which there are more than an Int holds.
    limit: float = strawberry.field(description="How much is allowed; a whole number.")
    actual: int = strawberry.field(description="How much there is.")


@strawberry.type(description="The tenant has used up what it may use. The message names the unit.")
class QuotaExceededError(UserError):
    limit: float = strawberry.field(description="How much the tenant may use; a whole number.")
    used: float = strawberry.field(description="How much it uses; a whole number.")


def _no_facts(_: Any, __: str | None) -> dict[str, Any]:
    return {}


USER_ERRORS: dict[str, tuple[type[UserError], Callable[[Any, str | None], dict[str, Any]]]] = {
    InvalidInput.code: (InvalidInputError, _no_facts),
    NotFound.code: (NotFoundError, _no_facts),
    MemoryTypeMismatch.code: (
        MemoryTypeMismatchError,
        lambda refusal, _: {"requested": refusal.requested, "actual": refusal.actual},
    ),
    ImmutableMemory.code: (ImmutableMemoryError, lambda refusal, _: {"memory_type": refusal.memory_type}),
    VersionConflict.code: (
        VersionConflictError,
        lambda refusal, memory_id: {
            "expected_version": refusal.expected,
            "actual_version": refusal.actual,
            "stored": refusal.current,
            "memory_id": memory_id,
        },
    ),
    AlreadyExists.code: (AlreadyExistsError, _no_facts),
    ContainerNotEmpty.code: (ContainerNotEmptyError, lambda refusal, _: {"memories": refusal.memories}),
    Forbidden.code: (ForbiddenError, lambda refusal, _: {"required_scope": refusal.required_scope.value}),
    IdempotencyConflict.code: (IdempotencyConflictError, _no_facts),
    LimitExceeded.code: (
        LimitExceededError,
        lambda refusal, _: {"limit": refusal.limit, "actual": refusal.actual},
    ),
    QuotaExceeded.code: (
        QuotaExceededError,
        lambda refusal, _: {"limit": refusal.limit, "used": refusal.used},
    ),
}
"""The GraphQL type of every refusal, and the facts it adds (from the refusal and the id of the memory, if known)."""


def user_error(refusal: Refusal, path: list[str], memory_id: str | None = None) -> UserError:
    """The refusal as GraphQL shows it, at a path in the client's own words."""
    shown_as, facts = USER_ERRORS[refusal.code]
    return shown_as(message=refusal.message, code=UserErrorCode(refusal.code), path=path, **facts(refusal, memory_id))
