"""What a tenant may use, and whether a batch fits into what is left."""

from collections.abc import Callable
from dataclasses import dataclass

from mnesis.domain.memory import Memory
from mnesis.domain.refusals import QuotaExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """How much of each a tenant may use; None bounds nothing."""

    memories: int | None = None
    bytes: int | None = None
    writes_per_month: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is bounded."""
        return self.memories is None and self.bytes is None and self.writes_per_month is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a tenant uses: live memories, entries of sessions included, and the bytes of what they hold.

    ``writes`` are memories created, changed or restored in the ``month``, such as ``2026-11``, in UTC, since the quotas
    were set. What changed nothing, was refused or was deleted is none.
    """

    memories: int = 0
    bytes: int = 0
    writes: int = 0
    month: str = ""

    def plus(self, growth: "Usage") -> "Usage":
        """With what a batch adds, which may be negative."""
        return Usage(
            memories=self.memories + growth.memories,
            bytes=self.bytes + growth.bytes,
            writes=self.writes + growth.writes,
            month=self.month,
        )

    def at(self, month: str) -> "Usage":
        """The usage in a month, in which the writes of an earlier one count no more."""
        if month == self.month:
            return self
        return Usage(memories=self.memories, bytes=self.bytes, month=month)


@dataclass(slots=True, kw_only=True)
class Allowance:
    """What is left to the batches of a transaction. ``measure`` gives the bytes that a memory holds."""

    quotas: Quotas
    usage: Usage
    measure: Callable[[Memory], int]

    def take(self, growth: Usage) -> QuotaExceeded | None:
        """Counts what a batch adds, or says why it does not fit. What adds nothing to a count always fits, even where
        more is used than may be."""
        after = self.usage.plus(growth)
        quotas = self.quotas
        for unit, limit, added, used, total in (
            ("memories", quotas.memories, growth.memories, self.usage.memories, after.memories),
            ("bytes", quotas.bytes, growth.bytes, self.usage.bytes, after.bytes),
            ("writes per month", quotas.writes_per_month, growth.writes, self.usage.writes, after.writes),
        ):
            if limit is not None and added > 0 and total > limit:
                return QuotaExceeded(unit=unit, limit=limit, used=used)
        self.usage = after
        return None
