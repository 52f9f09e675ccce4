"""What a query asks of a document, and whether a document meets it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from mnesis.facades.opensearch.searched_fields import Comparable, Document, Field, is_there, values_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """All documents, or none of them."""

    passes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """A value of the field is one of these; where ``folded``, in lower case."""

    field: Field
    values: frozenset[Comparable]
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HasWords:
    """The text has one of these words, or ``all`` of them."""

    field: Field
    words: tuple[str, ...]
    all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    """A value of the field is like a pattern, which only says whether; where ``folded``, in lower case."""

    field: Field
    fits: Callable[[str], object]
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """A value of the field is at least ``low`` and at most ``high``, or beyond and before them; None is no bound."""

    field: Field
    low: Comparable | None = None
    high: Comparable | None = None
    beyond: bool = False
    before: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """There is something in the field."""

    field: Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """All of ``must`` and ``filters``, none of ``never``, and ``least`` of ``should``."""

    must: "tuple[Condition, ...]" = ()
    filters: "tuple[Condition, ...]" = ()
    never: "tuple[Condition, ...]" = ()
    should: "tuple[Condition, ...]" = ()
    least: int = 0


EVERYTHING = Everything()
Condition: TypeAlias = Everything | OneOf | HasWords | Like | Between | Present | Together
WordScore: TypeAlias = Callable[[HasWords, Document], float]


def meets(document: Document, condition: Condition) -> bool:
    """Whether a document meets a condition."""
    match condition:
        case Everything():
            return condition.passes
        case OneOf():
            found = values_of(document, condition.field)
            return any(_folded(value, condition.folded) in condition.values for value in found)
        case HasWords():
            held = set(values_of(document, condition.field))
            return (all if condition.all else any)(word in held for word in condition.words)
        case Like():
            found = values_of(document, condition.field)
            return any(condition.fits(str(_folded(value, condition.folded))) for value in found)
        case Between():
            return any(_is_between(value, condition) for value in values_of(document, condition.field))
        case Present():
            return is_there(document, condition.field)
        case Together():
            return (
                all(meets(document, each) for each in (*condition.must, *condition.filters))
                and not any(meets(document, each) for each in condition.never)
                and (not condition.least or _count(document, condition.should) >= condition.least)
            )


def even_score(condition: Condition) -> float | None:
    """The score of every document that meets a condition; None where they differ.

    As in OpenSearch, filters count nothing; other than there, only words of a text count more or less than 1.
    """
    match condition:
        case HasWords():
            return None
        case Together() if condition.should:
            return None
        case Together():
            scores = [even_score(each) for each in condition.must]
            return None if None in scores else float(sum(score for score in scores if score is not None))
        case _:
            return 1.0


def score(document: Document, condition: Condition, of_words: WordScore) -> float:
    """How well a document answers that meets a condition."""
    match condition:
        case HasWords():
            return of_words(condition, document)
        case Together():
            answered = (each for each in condition.should if meets(document, each))
            return float(sum(score(document, each, of_words) for each in (*condition.must, *answered)))
        case _:
            return 1.0


def _folded(value: Comparable, folds: bool) -> Comparable:
    return value.lower() if folds and isinstance(value, str) else value


def _is_between(value: Comparable, wanted: Between) -> bool:
    # The values of a field and its bounds have the same type; see `dsl`.
    low, high = wanted.low, wanted.high
    above = low is None or (value > low if wanted.beyond else value >= low)  # type: ignore[operator]  # as said above
    below = high is None or (value < high if wanted.before else value <= high)  # type: ignore[operator]  # likewise
    return above and below


def _count(document: Document, conditions: Iterable[Condition]) -> int:
    return sum(meets(document, each) for each in conditions)
