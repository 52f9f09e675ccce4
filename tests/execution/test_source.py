"""What is written while an operation is compiled."""

from types import SimpleNamespace

from mnesis.execution.source import Source, _kept


def returning(expression: str, source: Source) -> object:
    source.line(1, f"return {expression}")
    return source.function("written", "s")(SimpleNamespace(**{"plain": 1, "class": 2, "a b": 3}))


def test_values_are_named_and_never_written() -> None:
    source = Source()
    text = "'); raise SystemExit('"
    assert source.name(text) == source.name(text) == "k0"
    assert source.name(object()) == "k1"
    assert returning(source.name(text), source) == text


def test_attributes_are_looked_up_whatever_they_are_called() -> None:
    for name, value in (("plain", 1), ("class", 2), ("a b", 3)):
        source = Source()
        assert returning(source.attribute("s", name), source) == value


def test_texts_that_are_equal_are_compiled_once() -> None:
    compiled = []
    for value in ("one", "another"):
        source = Source()
        assert returning(f"[{source.name(value)}, 'of this test']", source) == [value, "of this test"]
        compiled.append(_kept.cache_info().misses)
    assert compiled[0] == compiled[1]


def test_a_long_text_is_not_kept() -> None:
    kept = _kept.cache_info().currsize
    source = Source()
    for _ in range(2_000):
        source.line(1, "s = s or 1")
    assert returning("s.plain", source) == 1
    assert _kept.cache_info().currsize == kept
