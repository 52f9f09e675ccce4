"""How the words of a memory are written down, so that both databases find and rank by the same ones.

Words are analysed in the domain and not by the databases: then rankings agree, and highlights mark what matched.
A word in the index is a mark of eight characters for the tenant, a letter for what it is, and the stem or the mark
of a container or session; all of it is letters and digits, which no database takes for syntax.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import add
from typing import Any

from mnesis.domain.memory import Memory
from mnesis.domain.searching import Terms, terms_of

_STEM, _CONTAINER, _SESSION = "x", "c", "s"


def search_row(tenant: str, memory: Memory) -> list[Any]:
    """The columns of a memory's row in ``search``; SQLite gives it another number."""
    terms = terms_of(memory)
    place, joint = _around_stems(tenant, memory.container_id, memory.session_id)
    # What joins the stems is what each begins with: so this costs no step of its own for every word.
    words = joint.join([place, *terms.counts])
    return [tenant, memory.id, memory.arrival, terms.length, words, _counts_text(terms)]


@lru_cache(maxsize=4_096)
def _around_stems(tenant: str, container_id: str, session_id: str | None) -> tuple[str, str]:
    """The words that say where a memory lies, and what stands between its stems."""
    place = container_word(tenant, container_id)
    if session_id is not None:
        place += " " + session_word(tenant, session_id)
    return place, f" {stem_word(tenant, '')}"


def stem_word(tenant: str, stem: str) -> str:
    """What a stem is in the index of a tenant."""
    return _mark(tenant) + _STEM + stem


@lru_cache(maxsize=4_096)
def container_word(tenant: str, container_id: str) -> str:
    """What every memory of a container has in the index."""
    return _mark(tenant) + _CONTAINER + _mark(container_id)


@lru_cache(maxsize=4_096)
def session_word(tenant: str, session_id: str) -> str:
    """What every entry of a session has in the index."""
    return _mark(tenant) + _SESSION + _mark(session_id)


def sought_in_counts(asked: Iterable[str]) -> list[tuple[str, str, int]]:
    """The stems as `counts_of` wants them: each with what stands before its count, and the length of that."""
    return [(stem, f" {stem}:", len(stem) + 2) for stem in asked]


def counts_of(stored: str, asked: Iterable[tuple[str, str, int]]) -> Mapping[str, int]:
    """How often each of the stems occurs, without those that do not."""
    found = {}
    for stem, before, length in asked:
        place = stored.find(before)
        if place >= 0:
            begin = place + length
            found[stem] = int(stored[begin : stored.index(" ", begin)])
    return found


def _counts_text(terms: Terms) -> str:
    """``" coffee:2 lisbon:1 "``: found by looking for a text, since few of many stems are ever asked for."""
    counts = terms.counts
    return " " + "".join(map(add, counts, map(_COUNT_TEXTS.__getitem__, counts.values())))


class _CountTexts(dict[int, str]):
    """What stands behind a stem that occurs so often, made once."""

    def __missing__(self, count: int) -> str:
        text = f":{count} "
        if count < _COUNTS_KEPT:
            self[count] = text
        return text


_COUNTS_KEPT = 100
_COUNT_TEXTS = _CountTexts()


@lru_cache(maxsize=4_096)
def _mark(text: str) -> str:
    """Eight letters and digits that stand for a text. Two texts may have the same, so matches are compared too."""
    return base64.b32encode(hashlib.blake2b(text.encode(), digest_size=5).digest()).decode().lower()
