"""What a text is searched by: its words, folded, without those that tell nothing, each reduced to its stem.

What is in the index was made here, so every change to what this module answers needs a revision that fills the
index anew (see ``alembic/versions/0003_search.py``). That goes for another major version of the stemmer too, which
is the one thing here that is not of the standard library: Snowball's English stemmer, as pure as the rest.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from Stemmer import Stemmer

WORD_CHARACTERS = 64
"""What is longer is no word anybody types, but a key or encoded data."""

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_ASCII_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*", flags=re.ASCII)
"""The same in a text that is ASCII, found faster."""
_ASCII_GAPS = "".join(chr(code) if chr(code).isalnum() else " " for code in range(128))
"""Every character of ASCII, with a space for those that are in no word."""
# Scripts that are written without spaces: every two neighbours count as a word.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
_RUNS = re.compile(f"({_UNSPACED.pattern})|(?:(?!{_UNSPACED.pattern})[^\\W_])+")
_APOSTROPHE = re.compile("['\u2019]")
_STOP_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
        a about above after again against all also am an and any are aren as at be because been before being below
        between both but by can cannot could couldn d did didn do does doesn doing don down during each few for from
        further had hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn
        it its itself just let ll m me more most mustn my myself no nor not now of off on once only or other ought
        our ours ourselves out over own please re s same shan she should shouldn so some such t tell than that the
        their theirs them themselves then there these they this those through to too under until up us ve very was
        wasn we were weren what when where which while who whom whose why will with won would wouldn you your yours
        yourself yourselves
        """,
    )
)
_IRREGULAR: dict[str, str] = dict(
    re.findall(
        r"(\S+):(\S+)",
        """
        ate:eat eaten:eat became:become began:begin begun:begin bought:buy broke:break broken:break brought:bring
        built:build came:come caught:catch cds:cd children:child chose:choose chosen:choose drank:drink
        drove:drive driven:drive fell:fall fallen:fall feet:foot felt:feel fought:fight flew:fly flown:fly forgot:forget
        dvds:dvd forgotten:forget
        found:find gave:give given:give goes:go gone:go got:get gotten:get grew:grow grown:grow heard:hear held:hold
        kept:keep knew:know known:know led:lead left:leave lent:lend lost:lose made:make men:man met:meet mice:mouse
        paid:pay pcs:pc ran:run rode:ride ridden:ride said:say sang:sing sat:sit saw:see seen:see sent:send slept:sleep
        sold:sell spent:spend spoke:speak spoken:speak stood:stand swam:swim taught:teach teeth:tooth thought:think
        threw:throw told:say took:take taken:take tvs:tv understood:understand went:go wives:wife women:woman won:win
        wore:wear worn:wear wrote:write written:write
        """,
    )
)


class _Stemming(threading.local):
    """A stemmer for each thread, since one must not be shared between them."""

    def __init__(self) -> None:
        # What was stemmed is remembered by `stemmed`.
        self.stemmer = Stemmer("english", 0)


_stemming = _Stemming()


class Word(NamedTuple):
    """A word of a text: what it is searched by, and where it stands in the text."""

    stem: str
    start: int
    end: int


def words(text: str) -> Iterator[Word]:
    """The words of a text that tell something, in order."""
    for found in _WORD.finditer(text):
        if not found[0].isascii() and _UNSPACED.search(found[0]):
            yield from _unspaced(found[0], found.start())
        elif stem := stemmed(found[0]):
            yield Word(stem, found.start(), found.end())


def stems(text: str) -> list[str]:
    """What a text is searched by, with repetitions."""
    # Where nobody asks for places, this takes half the time.
    if text.isascii():
        return list(filter(None, map(stemmed, _ascii_words(text))))
    if _UNSPACED.search(text) is None:
        return list(filter(None, map(stemmed, _WORD.findall(text))))
    return [word.stem for word in words(text)]


def _ascii_words(text: str) -> list[str]:
    # Without an apostrophe, words are all that stands between the rest, which is found in a third of the time.
    return _ASCII_WORD.findall(text) if "'" in text else text.translate(_ASCII_GAPS).split()


@lru_cache(maxsize=65_536)
def stemmed(word: str) -> str:
    """What a word is searched by; empty where it tells nothing."""
    folded = _folded(word)
    if len(folded) > WORD_CHARACTERS:
        return ""
    # What stands after an apostrophe is an ending (Anna's, don't), or the word itself after one letter (l'eau).
    part = max(_APOSTROPHE.split(folded)[:2], key=len)
    return "" if part in _STOP_WORDS else _stem(_IRREGULAR.get(part, part))


def _stem(word: str) -> str:
    found: str = _stemming.stemmer.stemWord(word)
    return found


def _folded(word: str) -> str:
    """In lower case and without accents. Only letters and digits are left, and apostrophes between them."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(each for each in decomposed if each.isalnum() or each in "'\u2019")


def _unspaced(text: str, start: int) -> Iterator[Word]:
    """The words of a text that holds a script without spaces; names of other scripts may stand in it."""
    for run in _RUNS.finditer(text):
        spaced = run[1] is None
        length = run.end() - run.start() if spaced else 2
        for begin in range(run.start(), max(run.start() + 1, run.end() - length + 1)):
            piece = text[begin : min(begin + length, run.end())]
            if stem := stemmed(piece) if spaced else _folded(piece):
                yield Word(stem, start + begin, start + begin + len(piece))
