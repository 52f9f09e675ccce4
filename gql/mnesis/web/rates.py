"""How many requests a caller may make: token buckets in memory, of this process alone."""

import time
from collections.abc import Callable, Hashable

from mnesis.domain.caller import Caller

MOST_BUCKETS = 10_000
"""So many are kept before those that are full again are forgotten, which changes nothing for anybody."""


class RateLimiter:
    """Bounds the requests of a minute by subject and by tenant; 0 bounds nothing.

    Each may use a minute's requests at once, and gets them back bit by bit. Several server processes count apart.
    """

    def __init__(
        self, *, per_subject: int = 0, per_tenant: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_subject = per_subject
        self._per_tenant = per_tenant
        self._clock = clock
        self._buckets: dict[Hashable, tuple[float, float]] = {}
        """How many requests were left to whom, and when that was."""

    def wait_s(self, caller: Caller, requests: int = 1) -> float:
        """0 where the requests may be made, which are counted then; else after how many seconds they might be.

        More at once than there are in a minute take all of a minute.
        """
        if not self._per_subject and not self._per_tenant:
            return 0.0
        now_s = self._clock()
        bounds = (((caller.tenant, caller.subject), self._per_subject), (caller.tenant, self._per_tenant))
        left = [(key, self._left(key, most, now_s), most) for key, most in bounds if most]
        wait_s = max((min(requests, most) - tokens) * 60 / most for _, tokens, most in left)
        if wait_s > 0:
            return wait_s
        for key, tokens, most in left:
            self._buckets[key] = (tokens - min(requests, most), now_s)
        if len(self._buckets) > MOST_BUCKETS:
            self._forget(now_s)
        return 0.0

    def _left(self, key: Hashable, most: int, now_s: float) -> float:
        tokens, at_s = self._buckets.get(key, (float(most), now_s))
        return min(float(most), tokens + (now_s - at_s) * most / 60)

    def _forget(self, now_s: float) -> None:
        # After a minute, every bucket is full again.
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if now_s - bucket[1] < 60}


UNBOUNDED = RateLimiter()
