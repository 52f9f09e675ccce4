"""What a text is searched by: its words, folded, without those that tell nothing, each reduced to its stem.

What is in the index was made here, so every change to what this module answers needs a revision that fills the
index anew (see ``alembic/versions/0003_search.py``).
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

WORD_CHARACTERS = 64
"""What is longer is no word anybody types, but a key or encoded data."""

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
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
        built:build came:come caught:catch children:child chose:choose chosen:choose drank:drink drove:drive
        driven:drive fell:fall fallen:fall feet:foot felt:feel fought:fight flew:fly flown:fly forgot:forget
        forgotten:forget
        found:find gave:give given:give goes:go gone:go got:get gotten:get grew:grow grown:grow heard:hear held:hold
        kept:keep knew:know known:know led:lead left:leave lent:lend lost:lose made:make men:man met:meet mice:mouse
        paid:pay ran:run rode:ride ridden:ride said:say sang:sing sat:sit saw:see seen:see sent:send slept:sleep
        sold:sell spent:spend spoke:speak spoken:speak stood:stand swam:swim taught:teach teeth:tooth thought:think
        threw:throw told:say took:take taken:take understood:understand went:go wives:wife women:woman won:win
        wore:wear worn:wear wrote:write written:write
        """,
    )
)


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
    if text.isascii() or _UNSPACED.search(text) is None:
        # Where nobody asks for places, this takes half the time.
        return [stem for stem in map(stemmed, _WORD.findall(text)) if stem]
    return [word.stem for word in words(text)]


@lru_cache(maxsize=65_536)
def stemmed(word: str) -> str:
    """What a word is searched by; empty where it tells nothing."""
    folded = _folded(word)
    if len(folded) > WORD_CHARACTERS:
        return ""
    # What stands after an apostrophe is an ending (Anna's, don't), or the word itself after one letter (l'eau).
    part = max(_APOSTROPHE.split(folded)[:2], key=len)
    return "" if part in _STOP_WORDS else _porter(_IRREGULAR.get(part, part))


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


# Porter, M. F.: An algorithm for suffix stripping. Program 14 (1980), 130-137; with his own later departures.
_STEP_2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "bli": "ble", "alli": "al",
    "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al",
    "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble", "logi": "log",
}  # fmt: skip
_STEP_3 = {"icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""}
_STEP_4 = dict.fromkeys(
    re.findall(r"[a-z]+", "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize"), ""
)
_LETTERS = re.compile(r"[a-z]{3,}\Z")


def _porter(word: str) -> str:
    if _LETTERS.match(word) is None:
        return word
    if word.endswith("s") and not word.endswith("ss"):
        word = word[:-2] if word.endswith(("sses", "ies")) else word[:-1]
    word = _without_past(word)
    # As in his second stemmer, so that deploy stays what deployment becomes.
    if word.endswith("y") and _form(word[:-1]).endswith("c") and len(word) > 2:
        word = word[:-1] + "i"
    word = _replaced(word, _STEP_2, 0)
    word = _replaced(word, _STEP_3, 0)
    word = _replaced(word, _STEP_4, 1)
    if word.endswith("e"):
        rest = word[:-1]
        if _measure(rest) > 1 or (_measure(rest) == 1 and not _ends_short(rest)):
            word = rest
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word


def _without_past(word: str) -> str:
    """Without -ed and -ing: hoped and hoping become hope, hopped and hopping hop."""
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        rest = word.removesuffix(ending)
        if rest != word and "v" in _form(rest):
            if rest.endswith(("at", "bl", "iz")):
                return rest + "e"
            if rest[-1] == rest[-2:-1] and rest[-1] not in "aeioulsz":
                return rest[:-1]
            return rest + "e" if _measure(rest) == 1 and _ends_short(rest) else rest
    return word


def _replaced(word: str, endings: dict[str, str], least: int) -> str:
    for length in range(min(7, len(word)), 1, -1):
        ending = word[-length:]
        if ending in endings:
            rest = word[:-length]
            fits = _measure(rest) > least and (ending != "ion" or rest.endswith(("s", "t")))
            return rest + endings[ending] if fits else word
    return word


def _form(word: str) -> str:
    """A letter for each: v for vowels and for y after a consonant, c for the others."""
    form = ""
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and form.endswith("c"))
        form += "v" if vowel else "c"
    return form


def _measure(word: str) -> int:
    """How many times a vowel is followed by a consonant."""
    return _form(word).count("vc")


def _ends_short(word: str) -> bool:
    return _form(word).endswith("cvc") and word[-1] not in "wxy"
