"""What the caller's tenant may use, and what of it is used."""

import strawberry

from mnesis.domain.quotas import Quotas, Usage


@strawberry.type(description="A bound and what is used of it.")
class Quota:
    limit: float = strawberry.field(description="How much the tenant may use; a whole number.")
    used: float = strawberry.field(
        description="How much it uses; a whole number, which is more than the limit where that was set later."
    )


@strawberry.type(description="What the tenant may use. Null: unbounded, and not counted.")
class TenantQuotas:
    memories: Quota | None = strawberry.field(
        description="Memories that are not deleted, entries of sessions included."
    )
    bytes: Quota | None = strawberry.field(
        description=(
            "Bytes of those memories: their namespace and the fields of their type as they are stored, texts in UTF-8"
            " and JSON in compact form. History and indexes do not count."
        )
    )
    writes_per_month: Quota | None = strawberry.field(
        description=(
            "Memories created, changed or restored since the month began in UTC, or since the quotas were set. What was"
            " refused, changed nothing or was deleted does not count."
        )
    )


def shown_quotas(found: tuple[Quotas, Usage] | None) -> TenantQuotas | None:
    """The quotas of a tenant as GraphQL shows them."""
    if found is None:
        return None
    quotas, usage = found
    return TenantQuotas(
        memories=_shown(quotas.memories, usage.memories),
        bytes=_shown(quotas.bytes, usage.bytes),
        writes_per_month=_shown(quotas.writes_per_month, usage.writes),
    )


def _shown(limit: int | None, used: int) -> Quota | None:
    return Quota(limit=limit, used=used) if limit is not None else None
