"""Documents that clients have registered by their SHA-256 ("automatic persisted queries"), for as long as they fit."""

from collections import OrderedDict

MOST_BYTES = 4_000_000
"""Of all registered documents together in UTF-8, whatever their number."""


class PersistedQueries:
    """At most ``documents`` texts, of at most ``size_bytes`` together, of all tenants; in this process only.

    A tenant finds what its own callers have registered. When there is no more room, whoever holds most loses what it
    has not used for the longest time: a tenant that registers without end drives out its own documents only.
    """

    def __init__(self, *, documents: int, size_bytes: int = MOST_BYTES) -> None:
        self._most_documents = documents
        self._most_bytes = size_bytes
        self._tenants: dict[str, _Held] = {}
        self._documents = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._documents

    def text(self, tenant: str, sha256: str) -> str | None:
        """The document that the tenant has registered, which counts as used."""
        held = self._tenants.get(tenant)
        if held is None or sha256 not in held.texts:
            return None
        held.texts.move_to_end(sha256)
        return held.texts[sha256]

    def register(self, tenant: str, sha256: str, text: str) -> None:
        """Whoever calls has made sure that the hash is the text's and that the document is valid."""
        if self.text(tenant, sha256) is not None:
            return
        held = self._tenants.setdefault(tenant, _Held())
        held.texts[sha256] = text
        self._count(held, 1, _size_bytes(text))
        while self._documents > self._most_documents:
            self._evict(max(self._tenants, key=lambda each: len(self._tenants[each].texts)))
        while self._bytes > self._most_bytes:
            self._evict(max(self._tenants, key=lambda each: self._tenants[each].size_bytes))

    def _evict(self, tenant: str) -> None:
        held = self._tenants[tenant]
        _, text = held.texts.popitem(last=False)
        self._count(held, -1, -_size_bytes(text))
        if not held.texts:
            del self._tenants[tenant]

    def _count(self, held: "_Held", documents: int, size_bytes: int) -> None:
        held.size_bytes += size_bytes
        self._documents += documents
        self._bytes += size_bytes


class _Held:
    """What one tenant holds, the least recently used first."""

    def __init__(self) -> None:
        self.texts: OrderedDict[str, str] = OrderedDict()
        self.size_bytes = 0


def _size_bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
