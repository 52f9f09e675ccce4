"""What is written is embedded, once, whatever happens to the model, the memory or the server in between."""

import asyncio
import re
import time

import pytest

from mnesis.domain.memory_types import MemoryType
from mnesis.domain.searching import SearchMode
from mnesis.observing.metrics import Metrics
from mnesis.usecases.embedding import Due, Embedded, MeaningUnavailable
from mnesis.usecases.ports import StoreFault
from mnesis.usecases.requests import DeleteMemory, EraseMemories, RestoreMemory
from tests.embedding.speaking import EmbeddingServer, Reply
from tests.embedding.workbench import minded
from tests.storage.workbench import (
    ANN,
    STRANGER,
    changed,
    context,
    fact,
    made,
    opened,
    raw,
    rows,
    session,
    until,
    update,
)

pytestmark = pytest.mark.anyio


async def test_what_is_written_is_found_by_its_meaning(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server) as mind:
        await made(mind.memories, fact("He drives a red car."), fact("She likes tea."), session("empty"))
        await mind.memories.update_context_memory(ANN, context("s", "1", text="our kitten"))
        await mind.settled()
        assert (await mind.found("automobile"))[0] == "He drives a red car."
        assert (await mind.found("beverage"))[0] == "She likes tea."
        assert (await mind.found("feline"))[0] == "our kitten 1"
    assert sorted(server.texts)[:3] == ["He drives a red car.", "She likes tea.", "automobile"]


async def test_what_it_reads_is_not_measured_as_the_feeds(database_url: str, server: EmbeddingServer) -> None:
    metrics = Metrics(version="1", database="any")
    async with minded(database_url, server, meter=metrics) as mind:
        await made(mind.memories, fact("tea"))
        await mind.settled()
    page = metrics.page().decode()
    assert 'mnesis_sql_seconds_count{kind="embedding",outcome="ok"} 1.0' in page
    assert 'kind="changes"' not in page


async def test_looking_in_vain_writes_nothing(postgresql_url: str, server: EmbeddingServer) -> None:
    next_transaction = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    used: list[int] = []
    async with minded(postgresql_url, server, begins=False) as mind:
        for _ in range(10):
            before = rows(postgresql_url, next_transaction)[0][0]
            for _ in range(3):
                assert await mind.database.embeddings.take(10) == []
            used.append(rows(postgresql_url, next_transaction)[0][0] - before)
    # Others may use the server too.
    assert min(used) == 0


async def test_a_text_that_did_not_change_is_not_embedded_again(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server) as mind:
        [tea, _] = await made(mind.memories, fact("tea"), session("s", summary="plans"))
        await mind.settled()
        assert sorted(server.texts) == ["plans", "tea"]
        await update(mind.memories, changed(tea, pinned=True))
        await update(mind.memories, changed(tea, tags={"n": 1}))
        await mind.memories.update_context_memory(ANN, context("s", "1", text="entry"))
        await mind.settled()
        assert sorted(server.texts) == ["entry 1", "plans", "tea"]
        await update(mind.memories, changed(tea, memory="coffee"))
        await mind.settled()
        assert server.texts[3:] == ["coffee"]
        assert await mind.found("coffee") == ["coffee"]
        assert await mind.found("tea") == []
    async with minded(database_url, server) as mind:
        # The session has another version than the one that was embedded, and the same text.
        await mind.settled()
        await until(lambda: rows(database_url, "SELECT version FROM embedding WHERE memory_id = 's'") == [(2,)])
    # The rest are the two questions.
    assert server.texts[4:] == ["coffee", "tea"]


async def test_the_same_text_is_sent_once(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server, begins=False) as mind:
        await made(mind.memories, *(fact("tea") for _ in range(5)))
        mind.worker.start()
        await mind.settled()
        assert server.texts == ["tea"]
        assert await mind.found("infusion") == ["tea"] * 5


async def test_a_slow_model_holds_up_no_write_and_no_stop(database_url: str, server: EmbeddingServer) -> None:
    server.delay_s = 3.0
    begun = time.monotonic()
    async with minded(database_url, server) as mind:
        await made(mind.memories, fact("tea"))
        await until(lambda: server.requests)
        for number in range(20):
            await made(mind.memories, fact(f"number {number}"))
        assert await mind.awaiting() == 21
    assert time.monotonic() - begun < 2.5
    server.delay_s = 0.0
    async with minded(database_url, server) as mind:
        # What was under way when it stopped has been given back.
        await mind.settled()
        assert await mind.found("infusion") == ["tea"]


async def test_what_changes_while_it_is_embedded_is_embedded_as_it_is(
    database_url: str, server: EmbeddingServer
) -> None:
    server.delay_s = 0.5
    async with minded(database_url, server) as mind:
        [tea, gone] = await made(mind.memories, fact("tea"), fact("gone"))
        await until(lambda: server.requests)
        await update(mind.memories, changed(tea, memory="car"))
        await mind.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.LONG_TERM, id=gone.id))
        server.delay_s = 0.0
        await mind.settled()
        assert await mind.found("automobile") == ["car"]
        assert await mind.found("infusion") == []
        assert rows(database_url, "SELECT memory_id, version FROM embedding") == [(tea.id, 2)]


async def test_what_stood_before_there_was_a_model_is_taken_up(database_url: str, server: EmbeddingServer) -> None:
    async with opened(database_url) as bench:
        memories = await made(bench.memories, *(fact(f"fact {number}") for number in range(30)))
        await made(bench.memories, fact("of another"), caller=STRANGER)
        assert rows(database_url, "SELECT count(*) FROM embedding_due") == [(0,)]
    async with minded(database_url, server) as mind:
        await until(lambda: len(server.texts) == 31)
        await mind.settled()
    assert len(server.texts) == 31
    async with opened(database_url) as bench:
        # Written by a process that knows of no model.
        await update(bench.memories, changed(memories[7], memory="a car"))
    async with minded(database_url, server) as mind:
        await until(lambda: len(server.texts) == 32)
        await mind.settled()
        assert (await mind.found("automobile"))[0] == "a car"
        assert len(server.texts) == 33


async def test_another_model_embeds_everything_anew(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server) as mind:
        await made(mind.memories, fact("tea"), fact("car"))
        await mind.settled()
    async with minded(database_url, server, model="other", begins=False) as mind:
        # Embeddings of another model are not compared.
        assert await mind.found("infusion") == []
        mind.worker.start()
        await until(lambda: rows(database_url, "SELECT DISTINCT model FROM embedding") == [("other",)])
        assert await mind.found("infusion") == ["tea"]
    assert [request["model"] for request in server.requests].count("words") == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500),
        Reply(status=401),
        Reply(status=429, headers={"retry-after": "60"}),
        Reply(body=b"garbage"),
        Reply(body=b'{"data": []}'),
    ],
)
async def test_a_model_that_fails_is_asked_again_later(sqlite_url: str, server: EmbeddingServer, reply: Reply) -> None:
    server.always = reply
    async with minded(sqlite_url, server) as mind:
        await made(mind.memories, fact("tea"), fact("car"))
        await until(lambda: len(server.requests) >= 4)
        assert await mind.awaiting() == 2
        # After three failures each text is tried by itself, and set aside.
        await until(lambda: {len(request["input"]) for request in server.requests} == {1, 2})
        server.always = None
        await mind.hurried(sqlite_url)
        await until(lambda: rows(sqlite_url, "SELECT count(*) FROM embedding") == [(2,)])


async def test_a_long_text_is_embedded_by_its_beginning(database_url: str, server: EmbeddingServer) -> None:
    server.longest = 100
    async with minded(database_url, server, begins=False) as mind:
        await made(mind.memories, fact("tea"), fact("car " * 90), fact("cat"))
        mind.worker.start()
        await mind.settled()
        assert (await mind.found("automobile"))[0].startswith("car car")
        assert await mind.found("feline") == ["cat"]


async def test_a_text_that_the_model_refuses_is_given_up(
    database_url: str, server: EmbeddingServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuses = re.compile("^x")
    async with minded(database_url, server, begins=False) as mind:
        await made(mind.memories, fact("tea"), fact("xx"), fact("x" * 40), fact("car"))
        mind.worker.start()
        await mind.settled()
        assert rows(database_url, "SELECT count(*) FROM embedding WHERE vector IS NULL") == [(2,)]
        assert sorted(await mind.found("vehicle infusion")) == ["car", "tea"]
        with pytest.raises(MeaningUnavailable):
            await mind.found("x")
        # A question that is refused says nothing of the next.
        assert await mind.found("vehicle") == ["car"]
    assert "A text of 2 characters is not found by meaning" in caplog.text


async def test_a_model_that_refuses_everything_costs_no_memory_its_embedding(
    sqlite_url: str, server: EmbeddingServer
) -> None:
    server.always = Reply(status=400, body=b"no such model")
    async with minded(sqlite_url, server) as mind:
        await made(mind.memories, fact("tea"))
        await until(lambda: len(server.requests) > 6)
        assert await mind.awaiting() == 1
        assert rows(sqlite_url, "SELECT count(*) FROM embedding") == [(0,)]


async def test_what_is_erased_or_deleted_leaves_no_vector(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server) as mind:
        [tea, car, cat] = await made(mind.memories, fact("tea"), fact("car"), fact("cat"))
        await mind.settled()
        await mind.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.LONG_TERM, id=tea.id))
        assert await mind.found("infusion") == []
        assert rows(database_url, "SELECT count(*) FROM embedding") == [(2,)]
        await mind.memories.restore_memory(ANN, RestoreMemory(memory_type=MemoryType.LONG_TERM, id=tea.id, version=1))
        await mind.settled()
        assert await mind.found("infusion") == ["tea"]
        await mind.memories.erase_memories(ANN, EraseMemories(everything=True))
        for table in ("embedding", "embedding_due"):
            assert rows(database_url, f"SELECT * FROM {table}") == []
        assert await mind.found("automobile") == []
        assert {car.id, cat.id} & {row[0] for row in rows(database_url, "SELECT memory_id FROM search")} == set()


async def test_nothing_is_found_or_counted_of_another_tenant(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server, begins=False) as mind:
        await made(mind.memories, fact("a car of ann"))
        await made(mind.memories, fact("a car of eve"), caller=STRANGER)
        assert (await mind.awaiting(), await mind.awaiting(STRANGER)) == (1, 1)
        mind.worker.start()
        await mind.settled()
        await mind.settled(STRANGER)
        assert await mind.found("automobile") == ["a car of ann"]
        assert await mind.found("automobile", SearchMode.HYBRID, STRANGER) == ["a car of eve"]


async def test_two_processes_share_the_work(postgresql_url: str, server: EmbeddingServer) -> None:
    server.delay_s = 0.05
    async with (
        minded(postgresql_url, server, begins=False) as one,
        minded(postgresql_url, server, begins=False) as other,
    ):
        await made(one.memories, *(fact(f"fact {number}") for number in range(100)))
        one.worker.start()
        other.worker.start()
        await one.settled()
        assert sorted(server.texts) == sorted(f"fact {number}" for number in range(100))


async def test_two_who_take_get_different_memories(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server, begins=False) as mind:
        await made(mind.memories, *(fact(f"fact {number}") for number in range(10)))
        store = mind.database.embeddings
        taken = await asyncio.gather(*(store.take(4) for _ in range(4)))
        ids = [due.memory_id for each in taken for due in each]
        assert len(ids) == len(set(ids)) == 10
        assert await store.take(4) == []
        await store.release(taken[0])
        assert {due.memory_id for due in await store.take(10)} == {due.memory_id for due in taken[0]}


async def test_an_embedding_of_what_was_written_again_is_not_kept(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server, begins=False) as mind:
        [tea] = await made(mind.memories, fact("tea"))
        store = mind.database.embeddings
        [due] = await store.take(4)
        await update(mind.memories, changed(tea, memory="car"))
        never = Due(tenant="acme", memory_id="never", version=1)
        [vector] = await mind.embedder.embed(["tea"])
        await store.keep("words", [Embedded(due=each, mark=b"m", vector=vector) for each in (due, never)])
        assert rows(database_url, "SELECT count(*) FROM embedding") == [(0,)]
        assert await mind.awaiting() == 1


async def test_a_writer_who_holds_a_memory_is_not_waited_for(postgresql_url: str, server: EmbeddingServer) -> None:
    async with minded(postgresql_url, server, begins=False) as mind:
        await made(mind.memories, fact("tea"), fact("car"))
        store = mind.database.embeddings
        dues = await store.take(4)
        [vector] = await mind.embedder.embed(["tea"])
        with raw(postgresql_url) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM search WHERE memory_id = %s FOR UPDATE", [dues[0].memory_id])
            begun = time.monotonic()
            await store.keep("words", [Embedded(due=due, mark=b"m", vector=vector) for due in dues])
            await store.release(dues)
            assert time.monotonic() - begun < 1
            connection.execute("ROLLBACK")
        assert rows(postgresql_url, "SELECT memory_id FROM embedding") == [(dues[1].memory_id,)]
        assert await mind.awaiting() == 1


async def test_a_database_that_fails_stops_nothing(
    database_url: str, server: EmbeddingServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with minded(database_url, server) as mind:
        with raw(database_url) as connection:
            connection.execute("ALTER TABLE embedding RENAME TO away")
        await made(mind.memories, fact("tea"))
        await until(lambda: "Embedding is tried again" in caplog.text)
        with raw(database_url) as connection:
            connection.execute("ALTER TABLE away RENAME TO embedding")
        await mind.hurried(database_url)
        assert await mind.found("infusion") == ["tea"]


async def test_a_fault_in_the_program_is_logged_and_survived(
    sqlite_url: str, server: EmbeddingServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with minded(sqlite_url, server, begins=False) as mind:
        await made(mind.memories, fact("tea"))
        embed = mind.embedder.embed
        mind.embedder.embed = None  # type: ignore[assignment,method-assign]  # What no program would do.
        mind.worker.start()
        await until(lambda: "Embedding met a fault in the program." in caplog.text)
        mind.embedder.embed = embed  # type: ignore[method-assign]
        await mind.hurried(sqlite_url)


async def test_a_store_that_is_closed_is_not_waited_for(sqlite_url: str, server: EmbeddingServer) -> None:
    async with minded(sqlite_url, server, begins=False) as mind:
        await mind.database.close()
        with pytest.raises(StoreFault):
            await mind.database.embeddings.take(1)
        mind.worker.wake()
        mind.worker.start()
        await asyncio.sleep(0.1)
        await mind.worker.stop()
        mind.worker.wake()


async def test_a_question_is_asked_once_and_a_silent_model_left_alone(sqlite_url: str, server: EmbeddingServer) -> None:
    async with minded(sqlite_url, server, begins=False) as mind:
        for _ in range(3):
            await mind.questions.meaning("tea")
        assert len(server.requests) == 1
        server.delay_s = 2.0
        with pytest.raises(MeaningUnavailable) as raised:
            await mind.questions.meaning("car")
        assert raised.value.configured
        begun = time.monotonic()
        with pytest.raises(MeaningUnavailable):
            await mind.questions.meaning("car")
        assert time.monotonic() - begun < 0.1
        # What is known needs no model.
        assert (await mind.questions.meaning("tea")).model == "words"
        assert len(server.requests) == 2


async def test_only_the_last_questions_are_remembered(
    sqlite_url: str, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnesis.usecases.embedding.QUESTIONS_KEPT", 2)
    async with minded(sqlite_url, server, begins=False) as mind:
        for question in ("a", "b", "a", "c", "a", "b", "\ud800"):
            await mind.questions.meaning(question)
    assert server.texts == ["a", "b", "c", "b", "?"]
