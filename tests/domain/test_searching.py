"""What a search looks at in a memory, how memories are ranked, and which passages are shown."""

import math
import random
from datetime import UTC, datetime
from typing import Any

from mnesis.domain.fields import Message
from mnesis.domain.memory import EMPTY_VALUES, Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.searching import (
    SEARCHED_BYTES,
    Candidate,
    Statistics,
    changed_for_search,
    passages,
    query_stems,
    ranked,
    searched_texts,
    terms_of,
)

NOW = datetime(2025, 3, 4, tzinfo=UTC)


def memory(memory_type: MemoryType, *, session_id: str | None = None, at: datetime = NOW, **values: Any) -> Memory:
    return Memory(
        id="m",
        type=memory_type,
        container_id="default",
        session_id=session_id,
        version=1,
        created_at=at,
        updated_at=at,
        content_updated_at=at,
        updated_by=None,
        values={**EMPTY_VALUES[memory_type], **values},
    )


def working(**given: Any) -> Memory:
    return memory(MemoryType.WORKING, **given)


def shown(found: Memory, query: str) -> list[tuple[str, str]]:
    """The passages with what matches in brackets."""
    return [
        (passage.field, "".join(f"[{text}]" if matched else text for text, matched in passage.parts))
        for passage in passages(found, frozenset(query_stems(query)))
    ]


def test_everything_a_person_would_call_content_is_searched() -> None:
    messages = (
        Message(role="user", text="one"),
        Message(
            role="assistant",
            parts=(
                {"type": "text", "text": "two"},
                {"type": "result", "content": [{"text": "three"}, {"data": {"text": "four"}}, "loose"], "n": 5},
            ),
        ),
    )
    found = working(content="zero", messages=messages, tags={"a": "five", "b": ["six", {"c": "seven"}, 8, None]})
    texts = [text for _, text in searched_texts(found)]
    assert texts == ["zero", "one", "two", "three", "four", "five", "six", "seven"]
    assert list(searched_texts(memory(MemoryType.SESSION, summary="s", metadata={"a": "b"}))) == [("summary", "s")]
    long_term = memory(MemoryType.LONG_TERM, memory="fact", tags={"k": "v"})
    assert list(searched_texts(long_term)) == [("memory", "fact"), ("tags", "v")]


def test_no_more_than_32_kib_of_a_memory_is_searched() -> None:
    for text in ("x" * SEARCHED_BYTES, "é" * SEARCHED_BYTES, "日" * SEARCHED_BYTES):
        kept = list(searched_texts(working(content=text, tags={"a": "beyond"})))
        assert kept[0][0] == "content"
        assert SEARCHED_BYTES - 3 <= len(kept[0][1].encode()) <= SEARCHED_BYTES
    short = working(content="x" * (SEARCHED_BYTES - 3), tags={"a": "beyond", "b": "lost"})
    assert [text for _, text in searched_texts(short)][1:] == ["bey"]


def test_who_spoke_and_when_is_found_beside_the_text() -> None:
    said = working(session_id="s", content="Tea or tea?", role="agent", messages=(Message(role="critic", text="no"),))
    terms = terms_of(said)
    assert terms.counts == {"tea": 2, "agent": 0, "critic": 0, "march": 0, "2025": 0}
    assert terms.length == 2
    assert terms_of(working(content="Tea.")).counts == {"tea": 1}
    assert terms_of(memory(MemoryType.LONG_TERM, memory="Tea.")).counts == {"tea": 1}


def test_only_what_is_searched_counts_as_changed() -> None:
    before = working(session_id="s", content="a", role="user")
    assert changed_for_search(None, before)
    assert not changed_for_search(before, working(session_id="s", content="a", role="user", metadata={"n": 1}))
    for after in (
        working(session_id="s", content="b", role="user"),
        working(session_id="s", content="a", role="agent"),
        working(session_id="s", content="a", role="user", tags={"a": "b"}),
        working(session_id="s", content="a", role="user", at=datetime(2025, 4, 4, tzinfo=UTC)),
        memory(MemoryType.LONG_TERM, memory="a"),
    ):
        assert changed_for_search(before, after)


def candidate(name: str, *, length: int = 5, at: int = 0, session: str | None = None, **given: Any) -> Candidate:
    before = given.pop("before", ())
    return Candidate(id=name, session_id=session, created_at=at, arrival=at, counts=given, length=length, before=before)


STATISTICS = Statistics(memories=1_000, mean_length=5.0, having={"rare": 2, "common": 800, "other": 50})


def order(*candidates: Candidate, helpers: tuple[Candidate, ...] = ()) -> list[str]:
    return [each.id for _, each in ranked(candidates, helpers, STATISTICS)]


def test_rare_words_weigh_more_than_common_ones() -> None:
    assert order(candidate("b", common=9), candidate("a", rare=1)) == ["a", "b"]


def test_more_occurrences_and_shorter_texts_come_first() -> None:
    assert order(candidate("one", rare=1), candidate("two", rare=2)) == ["two", "one"]
    assert order(candidate("long", rare=1, length=90), candidate("short", rare=1)) == ["short", "long"]
    assert order(candidate("beside", rare=0), candidate("inside", rare=1)) == ["inside", "beside"]


def test_among_equals_the_newest_comes_first() -> None:
    assert order(candidate("old", rare=1, at=1), candidate("new", rare=1, at=2)) == ["new", "old"]


def test_what_was_said_before_and_the_summary_help_an_entry() -> None:
    talk = candidate("talk", rare=1)
    first, second = candidate("1", session="talk", other=1), candidate("2", session="talk", before=("1",))
    third = candidate("3", session="talk", before=("2", "1"))
    stray = candidate("4", session="elsewhere")
    assert order(second, third, stray, helpers=(first,)) == ["2", "3"]
    assert order(second, helpers=(talk,)) == ["2"]
    with_both = ranked([candidate("x", other=1), first], (talk,), STATISTICS)
    assert [each.id for _, each in with_both] == ["1", "x"]


def test_a_memory_without_any_of_the_words_is_no_answer() -> None:
    assert order(candidate("a"), candidate("b", session="s")) == []


def plainly_ranked(candidates: list[Candidate], helpers: list[Candidate]) -> list[tuple[float, str]]:
    """What `ranked` says, each memory by itself and nothing remembered."""

    def scores(each: Candidate) -> dict[str, float]:
        norm = 1.2 * (1 - 0.75 + 0.75 * each.length / STATISTICS.mean_length)
        counted = {stem: count or 0.4 for stem, count in each.counts.items()}
        return {stem: STATISTICS.weight(stem) * count * (1.2 + 1) / (count + norm) for stem, count in counted.items()}

    known = {each.id: each for each in [*helpers, *candidates]}
    found = []
    for each in {each.id: each for each in candidates}.values():
        total = scores(each)
        shares = [*zip((0.5, 0.25), each.before, strict=False), (0.3, each.session_id)]
        for share, name in shares:
            for stem, score in scores(known[name]).items() if name in known else ():
                total[stem] = max(total.get(stem, 0.0), share * score)
        if total:
            place = (-round(math.fsum(total.values()), 6), -each.created_at, -each.arrival)
            found.append((place, each.id))
    return [(-place[0], name) for place, name in sorted(found)]


def test_what_is_remembered_of_others_changes_no_score() -> None:
    chosen = random.Random(5)

    def some(name: str) -> Candidate:
        stems = chosen.sample(("rare", "common", "other", "unknown"), chosen.randrange(4))
        counts = {stem: chosen.randrange(3) for stem in stems}
        session = chosen.choice((None, "1", "2", "elsewhere"))
        before = tuple(chosen.sample([str(each) for each in range(60)], chosen.randrange(3))) if session else ()
        length, at = chosen.randrange(1, 4), chosen.randrange(10)
        return Candidate(name, session, at, int(name), counts, length, before)

    for _ in range(100):
        names = [str(number) for number in range(60)]
        candidates = [some(name) for name in chosen.sample(names, 40)]
        helpers = [some(name) for name in chosen.sample(names, chosen.choice((0, 20)))]
        found = [(score, each.id) for score, each in ranked(candidates, helpers, STATISTICS)]
        assert found == plainly_ranked(candidates, helpers)


def test_a_count_that_is_late_does_no_harm() -> None:
    late = Statistics(memories=0, mean_length=0.0, having={"rare": 7})
    [(score, _)] = ranked([candidate("a", rare=1)], (), late)
    assert score > 0


def test_only_the_first_words_of_a_long_query_are_asked_for() -> None:
    assert len(query_stems(" ".join(f"w{number}" for number in range(100)))) == 32
    assert query_stems("cat Cats CAT dog") == ("cat", "dog")


def test_passages_mark_the_words_in_all_their_forms() -> None:
    found = memory(MemoryType.LONG_TERM, memory="She buys <b>apples</b>.", tags={"x": "apple pie", "y": "plums"})
    assert shown(found, "bought an apple") == [("memory", "She [buys] <b>[apples]</b>."), ("tags", "[apple] pie")]
    assert shown(found, "pear") == []


def test_a_passage_is_the_part_with_the_most_different_words() -> None:
    filler = "lorem ipsum dolor " * 30
    found = working(content=f"tea tea tea {filler} green tea with honey {filler} honey")
    [(field, text)] = shown(found, "green tea honey")
    assert field == "content"
    assert "[green] [tea] with [honey]" in text
    assert len(text) < 230
    assert text.startswith(("lorem", "ipsum", "dolor"))
    assert text.endswith(("lorem", "ipsum", "dolor"))


def test_a_passage_ends_where_the_text_has_no_spaces() -> None:
    [(_, text)] = shown(working(content="x" * 500 + "-tea-" + "y" * 500), "tea")
    assert "[tea]" in text
    assert len(text) < 220


def test_pairs_that_overlap_are_marked_once() -> None:
    assert shown(working(content="東京都へ"), "東京都") == [("content", "[東京][都]へ")]
    assert shown(working(content="人人人人"), "人人") == [("content", "[人人][人][人]")]


def test_at_most_three_passages_are_shown_the_best_first() -> None:
    messages = tuple(Message(role="user", text=text) for text in ("tea", "honey", "tea honey", "tea", "none"))
    assert shown(working(messages=messages), "tea honey")[0] == ("messages", "[tea] [honey]")
    assert len(shown(working(messages=messages), "tea honey")) == 3
