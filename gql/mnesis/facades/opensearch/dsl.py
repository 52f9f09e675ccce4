"""The part of OpenSearch's query language that memories are searched by; everything else is refused by its name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from typing import Any

from mnesis.facades.opensearch.conditions import (
    EVERYTHING,
    Between,
    Condition,
    Everything,
    HasWords,
    Like,
    OneOf,
    Present,
    Together,
)
from mnesis.facades.opensearch.errors import PARSE, OpenSearchError, illegal_argument, parsing_error
from mnesis.facades.opensearch.searched_fields import Comparable, Field, FieldKind, field_of, integer, spelled, words_of

WINDOW = 10_000
"""How far into the hits a search may look."""
SIZE = 10
CLAUSES = 100
"""How many clauses a query may hold, nested ones included."""
LEVELS = 20
VALUES = 10_000
"""How many values one ``terms`` may name."""
PATTERN_CHARACTERS = 1_000
SCORE = "_score"

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS = ("query", "sort", "size", "from", "search_after", "_source", "track_total_hits")
_FLAGS = ("version", "seq_no_primary_term")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One of the keys that hits are sorted by; ``field`` is None for the score."""

    field: Field | None
    descending: bool
    missing_last: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search as its body has it. ``after`` are the sort values of the hit that is followed."""

    condition: Condition = EVERYTHING
    orders: tuple[Order, ...] = ()
    size: int = SIZE
    start: int = 0
    after: tuple[Comparable | None, ...] | None = None
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    shows_source: bool = True

    @property
    def window(self) -> int:
        """How many hits must be known, the first ones."""
        return self.start + self.size


def search_of(body: Mapping[str, Any], fields: Mapping[str, FieldKind]) -> Search:
    """The search that a body asks for among documents with these fields. Raises `OpenSearchError`."""
    for name in body:
        if name not in _KEYS and name not in _FLAGS:
            raise parsing_error(f"Unknown key for a value in [{name}]: it is not supported here.")
    for name in _FLAGS:
        if not isinstance(body.get(name, True), bool):
            raise parsing_error(f"[{name}] must be a boolean")
    total = body.get("track_total_hits", True)
    if not isinstance(total, bool | int):
        raise parsing_error("[track_total_hits] must be a boolean or an integer")
    size, start = (_count(body, name, default) for name, default in (("size", SIZE), ("from", 0)))
    if size + start > WINDOW:
        told = f"from + size must be less than or equal to: [{WINDOW}] but was [{size + start}]"
        raise illegal_argument(f"Result window is too large, {told}")
    orders = tuple(_orders(body.get("sort"), fields))
    after = _after(body.get("search_after"), orders)
    if after is not None and start > 0:
        raise illegal_argument("`from` parameter must be set to 0 when `search_after` is used.")
    includes, excludes, shows = _shown(body.get("_source", True))
    return Search(
        condition=condition_of(body["query"], fields) if body.get("query") is not None else EVERYTHING,
        orders=orders,
        size=size,
        start=start,
        after=after,
        includes=includes,
        excludes=excludes,
        shows_source=shows,
    )


def condition_of(query: Any, fields: Mapping[str, FieldKind]) -> Condition:
    """What a query asks of documents with these fields. Raises `OpenSearchError`."""
    return _Reader(fields).condition(query, 1)


@dataclass(slots=True)
class _Reader:
    fields: Mapping[str, FieldKind]
    clauses: int = 0

    def condition(self, query: Any, level: int) -> Condition:
        name, given = _single("query", query)
        self.clauses += 1
        if self.clauses > CLAUSES:
            raise parsing_error(f"a query with more than {CLAUSES} clauses is not supported here")
        if level > LEVELS:
            raise parsing_error(f"a query that nests more than {LEVELS} levels deep is not supported here")
        if name == "bool":
            return self._together(given, level)
        if name == "match_all":
            _options(name, given, ())
            return EVERYTHING
        read = _CLAUSES.get(name)
        if read is None:
            raise parsing_error(f"unknown query [{name}]: it is not supported here")
        return read(self, given)

    def _together(self, given: Any, level: int) -> Condition:
        body = _options("bool", given, ("must", "filter", "must_not", "should", "minimum_should_match"))
        parts = {
            name: tuple(self.condition(each, level + 1) for each in _listed(body.get(name)))
            for name in ("must", "filter", "must_not", "should")
        }
        least = body.get("minimum_should_match")
        if least is None:
            least = 1 if parts["should"] and not parts["must"] and not parts["filter"] else 0
        number = integer(least)
        if number is None or number < 0:
            raise parsing_error("[bool] minimum_should_match must be a number of clauses")
        return Together(
            must=parts["must"],
            filters=parts["filter"],
            never=parts["must_not"],
            should=parts["should"],
            least=number,
        )

    def field(self, name: str) -> Field | None:
        if any(each in name for each in "*?"):
            raise parsing_error(f"[{name}] is not one field: patterns of fields are not supported here")
        return field_of(self.fields, name)


def _term(reader: _Reader, given: Any) -> Condition:
    name, value, more = _of_field("term", given, "value", ("case_insensitive",))
    field = reader.field(name)
    folded = _flag("term", more, "case_insensitive")
    return _equal("term", field, [value], folded=folded)


def _terms(reader: _Reader, given: Any) -> Condition:
    body = _options("terms", given, None)
    name, values = _single("terms", body)
    if not isinstance(values, list):
        raise parsing_error("[terms] query requires an array of values; a lookup is not supported here")
    if len(values) > VALUES:
        raise parsing_error(f"[terms] with more than {VALUES} values is not supported here")
    return _equal("terms", reader.field(name), values, folded=False)


def _equal(clause: str, field: Field | None, values: list[Any], *, folded: bool) -> Condition:
    read = [_scalar(clause, value) for value in values]
    if field is None:
        return Everything(passes=False)
    if folded and field.kind in (FieldKind.INTEGER, FieldKind.DATE, FieldKind.BOOLEAN):
        raise parsing_error(f"[{clause}] on [{field.name}] does not support [case_insensitive]")
    found = {_comparable(field, value) for value in read}
    return OneOf(
        field=field,
        values=frozenset(each.lower() if folded and isinstance(each, str) else each for each in found),
        folded=folded,
    )


def _match(reader: _Reader, given: Any) -> Condition:
    name, value, more = _of_field("match", given, "query", ("operator",))
    operator = more.get("operator", "or")
    if not isinstance(operator, str) or operator.lower() not in ("or", "and"):
        raise parsing_error("[match] operator must be [or] or [and]")
    field = reader.field(name)
    text = _scalar("match", value)
    if field is None or field.kind is not FieldKind.TEXT:
        return _equal("match", field, [value], folded=False)
    words = tuple(dict.fromkeys(words_of(spelled(text))))
    if len(words) > CLAUSES:
        raise parsing_error(f"[match] with more than {CLAUSES} words is not supported here")
    # As in OpenSearch, a text without words is answered by nothing.
    return HasWords(field=field, words=words, all=operator.lower() == "and") if words else Everything(passes=False)


def _wildcard(reader: _Reader, given: Any) -> Condition:
    key = "value"
    if isinstance(given, Mapping) and any(isinstance(each, Mapping) and "wildcard" in each for each in given.values()):
        key = "wildcard"
    name, pattern, more = _of_field("wildcard", given, key, ("case_insensitive",))
    if not isinstance(pattern, str):
        raise parsing_error("[wildcard] query requires a text")
    if len(pattern) > PATTERN_CHARACTERS:
        raise parsing_error(f"[wildcard] with more than {PATTERN_CHARACTERS} characters is not supported here")
    field = reader.field(name)
    if field is None:
        return Everything(passes=False)
    if field.kind not in (FieldKind.KEYWORD, FieldKind.TEXT, FieldKind.FLAT):
        raise parsing_error(f"Can only use wildcard queries on keyword, text and flat_object fields, not on [{name}]")
    folded = _flag("wildcard", more, "case_insensitive")
    return Like(field=field, fits=_fitting(pattern.lower() if folded else pattern), folded=folded)


def _range(reader: _Reader, given: Any) -> Condition:
    name, bounds = _single("range", _options("range", given, None))
    body = _options("range", bounds, ("gt", "gte", "lt", "lte", "format"))
    for one, other in (("gt", "gte"), ("lt", "lte")):
        if body.get(one) is not None and body.get(other) is not None:
            raise parsing_error(f"[range] names both [{one}] and [{other}]")
    field = reader.field(name)
    if "format" in body and (field is None or field.kind is not FieldKind.DATE or body["format"] not in _FORMATS):
        raise parsing_error(f"[range] format [{body['format']}] is not supported here")
    if field is None:
        return Everything(passes=False)
    if field.kind is FieldKind.BOOLEAN:
        raise parsing_error(f"[range] on [{name}] is not supported here")
    read = {side: _bound(field, body[side]) for side in ("gt", "gte", "lt", "lte") if body.get(side) is not None}
    return Between(
        field=field,
        low=read.get("gt", read.get("gte")),
        high=read.get("lt", read.get("lte")),
        beyond="gt" in read,
        before="lt" in read,
    )


def _exists(reader: _Reader, given: Any) -> Condition:
    body = _options("exists", given, ("field",))
    name = body.get("field")
    if not isinstance(name, str):
        raise parsing_error("[exists] must be provided with a [field]")
    field = reader.field(name)
    return Present(field=field) if field is not None else Everything(passes=False)


_FORMATS = ("epoch_millis", "strict_date_time", "strict_date_optional_time", "strict_date_time||epoch_millis")
_CLAUSES: dict[str, Callable[[_Reader, Any], Condition]] = {
    "term": _term,
    "terms": _terms,
    "match": _match,
    "wildcard": _wildcard,
    "range": _range,
    "exists": _exists,
}


def _single(clause: str, given: Any) -> tuple[str, Any]:
    if not isinstance(given, Mapping) or len(given) != 1:
        raise parsing_error(f"[{clause}] malformed, expected an object with one name")
    [(name, value)] = given.items()
    return name, value


def _of_field(clause: str, given: Any, key: str, more: tuple[str, ...]) -> tuple[str, Any, Mapping[str, Any]]:
    """The field, the value and the options of a clause, in its short form or its long one."""
    name, value = _single(clause, _options(clause, given, None))
    if not isinstance(value, Mapping):
        return name, value, {}
    body = _options(clause, value, (key, *more))
    if key not in body:
        raise parsing_error(f"[{clause}] query on [{name}] requires a [{key}]")
    return name, body[key], body


def _options(clause: str, given: Any, known: tuple[str, ...] | None) -> Mapping[str, Any]:
    """A clause's body without what has no effect here; None for names that are those of fields."""
    if not isinstance(given, Mapping):
        raise parsing_error(f"[{clause}] malformed, expected an object")
    rest = {name: value for name, value in given.items() if name != "boost" or (known is None and len(given) == 1)}
    if "boost" in given and "boost" not in rest and given["boost"] != 1:
        raise parsing_error(f"[{clause}] query does not support [boost] here")
    for name in rest:
        if known is not None and name not in known:
            raise parsing_error(f"[{clause}] query does not support [{name}] here")
    return rest


def _flag(clause: str, options: Mapping[str, Any], name: str) -> bool:
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise parsing_error(f"[{clause}] {name} must be a boolean")
    return value


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _scalar(clause: str, value: Any) -> Any:
    if value is None or isinstance(value, list | Mapping):
        raise parsing_error(f"[{clause}] query requires a value that is a text, a number or a boolean")
    return value


def _comparable(field: Field, value: Any) -> Comparable:
    """A value as those of the field are compared. Raises `OpenSearchError` for one that the field cannot have."""
    match field.kind:
        case FieldKind.INTEGER:
            number = integer(value)
            if number is None:
                raise _unreadable(field, value)
            return number
        case FieldKind.DATE:
            return _date(field, value)
        case FieldKind.BOOLEAN:
            if isinstance(value, bool):
                return value
            if value not in ("true", "false"):
                raise _unreadable(field, value)
            return bool(value == "true")
        case _:
            return spelled(value)


def _bound(field: Field, value: Any) -> Comparable:
    return _comparable(field, _scalar("range", value))


def _date(field: Field, value: Any) -> int:
    number = integer(value)
    if number is not None:
        return number
    if isinstance(value, str) and _DATE.match(value):
        try:
            # Cut to milliseconds, as the documents' times are.
            return (datetime.fromisoformat(value) - _EPOCH) // timedelta(milliseconds=1)
        except ValueError:
            pass
    reason = f"failed to parse date field [{value}] with format [strict_date_time||epoch_millis]"
    if isinstance(value, str) and "now" in value:
        raise parsing_error(f"{reason}: date math is not supported here")
    raise OpenSearchError(400, PARSE, reason)


def _unreadable(field: Field, value: Any) -> OpenSearchError:
    return parsing_error(f"failed to create query: [{value}] is no value of field [{field.name}]")


def _fitting(pattern: str) -> Callable[[str], object]:
    """``*`` is any text, ``?`` any character, and a backslash takes away what the next one means."""

    def meant(found: re.Match[str]) -> str:
        if found[2]:
            return found[2]
        plain = found[1] or found[3]
        return f"[{plain}]" if plain in "*?[" else plain

    spelled_out = re.sub(r"\\(.)|([*?])|(.)", meant, pattern, flags=re.DOTALL)
    return re.compile(translate(spelled_out)).match


def _count(body: Mapping[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    number = integer(value)
    if number is None:
        raise parsing_error(f"[{name}] must be an integer")
    if number < 0:
        raise illegal_argument(f"[{name}] parameter cannot be negative, found [{number}]")
    return number


def _orders(given: Any, fields: Mapping[str, FieldKind]) -> list[Order]:
    orders = []
    for each in _listed(given):
        named = {each: {}} if isinstance(each, str) else each
        if not isinstance(named, Mapping):
            raise parsing_error("[sort] malformed, expected names of fields")
        orders += [_order(name, options, fields) for name, options in named.items()]
    return orders


def _order(name: str, options: Any, fields: Mapping[str, FieldKind]) -> Order:
    body = {"order": options} if isinstance(options, str) else options
    if not isinstance(body, Mapping):
        raise parsing_error(f"[sort] on [{name}] malformed")
    for option in body:
        if option not in ("order", "missing", "unmapped_type"):
            raise parsing_error(f"[sort] on [{name}] does not support [{option}] here")
    direction = body.get("order", "desc" if name == SCORE else "asc")
    if not isinstance(direction, str) or direction.lower() not in ("asc", "desc"):
        raise parsing_error(f"[sort] on [{name}]: order must be [asc] or [desc]")
    missing = body.get("missing", "_last")
    if missing not in ("_last", "_first"):
        raise parsing_error(f"[sort] on [{name}]: missing must be [_last] or [_first] here")
    field = None
    if name != SCORE:
        field = field_of(fields, name)
        if field is None or field.kind not in (FieldKind.KEYWORD, FieldKind.INTEGER, FieldKind.DATE):
            raise parsing_error(f"[sort] on [{name}] is not supported here")
    return Order(field=field, descending=direction.lower() == "desc", missing_last=missing == "_last")


def _after(given: Any, orders: tuple[Order, ...]) -> tuple[Comparable | None, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list):
        raise parsing_error("[search_after] must be an array of sort values")
    if not orders:
        raise illegal_argument("Sort must contain at least one field.")
    if len(given) != len(orders):
        raise illegal_argument(f"search_after has {len(given)} value(s) but sort has {len(orders)}.")
    return tuple(_sort_value(order, value) for order, value in zip(orders, given, strict=True))


def _sort_value(order: Order, value: Any) -> Comparable | None:
    if order.field is None:
        raise parsing_error("[search_after] with a sort on [_score] is not supported here; use [from]")
    return None if value is None else _comparable(order.field, _scalar("search_after", value))


def _shown(given: Any) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    if isinstance(given, bool):
        return (), (), given
    body = given if isinstance(given, Mapping) else {"includes": given}
    for name in body:
        if name not in ("includes", "excludes"):
            raise parsing_error(f"[_source] does not support [{name}] here")
    sides = []
    for name in ("includes", "excludes"):
        patterns = _listed(body.get(name))
        if not all(isinstance(each, str) for each in patterns):
            raise parsing_error(f"[_source] {name} must be texts")
        sides.append(tuple(each for each in patterns))
    return sides[0], sides[1], True
