"""What a text is searched by."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnesis.domain.words import Word, stemmed, stems, words

ALIKE = [
    ("hope", "hopes", "hoped", "hoping"),
    ("hop", "hopped", "hopping"),
    ("deploy", "deployed", "deployment", "deployments"),
    ("city", "cities", "City", "CITY"),
    ("class", "classes"),
    ("agree", "agreed", "agrees"),
    ("locate", "located", "locating"),
    ("troubled", "troubles"),
    ("size", "sized", "sizes"),
    ("fall", "falling", "fell", "fallen"),
    ("file", "filing", "files"),
    ("happy", "happiness"),
    ("relate", "relational"),
    ("adopt", "adoption"),
    ("adjust", "adjustment"),
    ("control", "controll"),
    ("buy", "bought", "buys", "buying"),
    ("child", "children", "child's"),
    ("café", "cafe", "CAFÉS"),
    ("straße", "STRASSE"),
    ("Anna", "anna's", "Anna\u2019s"),
    ("connect", "connection", "connections", "connected", "connecting"),
    ("run", "running", "runs", "ran"),
    ("TV", "TVs", "tvs"),
]


@pytest.mark.parametrize("forms", ALIKE, ids=lambda forms: forms[0])
def test_the_forms_of_a_word_are_found_by_each_other(forms: tuple[str, ...]) -> None:
    assert len({stemmed(form) for form in forms}) == 1
    assert stemmed(forms[0])


@pytest.mark.parametrize(
    "pair", [("agreed", "feed"), ("sing", "sky"), ("rate", "cat"), ("lion", "lie"), ("bled", "be")]
)
def test_words_that_only_look_like_forms_stay_apart(pair: tuple[str, str]) -> None:
    assert stemmed(pair[0]) != stemmed(pair[1])


def test_words_that_tell_nothing_are_left_out() -> None:
    assert stems("What is the cat's name? I don't know!") == ["cat", "name", "know"]
    assert stems("The of and") == stems("... -- !? _ ''") == stems("") == []


def test_what_no_text_holds_separates_words() -> None:
    assert stems("tea\0pot\ud800milk") == ["tea", "pot", "milk"]


def test_keys_and_encoded_data_are_no_words() -> None:
    assert stems(f"{'k' * 65} {'ok' * 20}") == ["ok" * 20]


def test_numbers_and_names_with_digits_are_words() -> None:
    assert stems("db-7 v2 2014 a.b@example.com") == ["db", "7", "v2", "2014", "b", "exampl", "com"]


def test_scripts_without_spaces_are_searched_by_pairs() -> None:
    assert stems("東京都") == ["東京", "京都"]
    assert stems("茶") == ["茶"]
    assert stems("PCs東京the") == ["pc", "東京"]
    assert [word.start for word in words("wo 東京都")] == [0, 3, 4]


def test_a_word_is_where_it_stands() -> None:
    assert list(words("the Cats'  bowls")) == [Word("cat", 4, 8), Word("bowl", 11, 16)]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(st.one_of(st.characters(max_codepoint=127), st.sampled_from("aZ9' _é東\u2019")), max_size=20))
def test_a_text_is_searched_by_the_words_in_it_wherever_they_stand(text: str) -> None:
    assert stems(text) == [word.stem for word in words(text)]
