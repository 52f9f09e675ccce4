"""The store of documents that clients register: its bounds, and whose documents make room."""

from mnesis.graph.persisted_queries import PersistedQueries


def test_a_document_is_found_by_the_tenant_that_registered_it() -> None:
    store = PersistedQueries(documents=3)
    store.register("acme", "1", "{ a }")
    assert store.text("acme", "1") == "{ a }"
    assert store.text("acme", "2") is None
    assert store.text("other", "1") is None


def test_the_least_recently_used_makes_room() -> None:
    store = PersistedQueries(documents=3)
    for number in "123":
        store.register("acme", number, number)
    assert store.text("acme", "1") == "1"
    store.register("acme", "2", "2")
    store.register("acme", "4", "4")
    assert [store.text("acme", number) for number in "1234"] == ["1", "2", None, "4"]
    assert len(store) == 3


def test_the_room_is_counted_in_bytes_too() -> None:
    store = PersistedQueries(documents=100, size_bytes=10)
    for number in range(4):
        store.register("acme", str(number), "äb")
    assert [number for number in range(4) if store.text("acme", str(number))] == [1, 2, 3]
    store.register("acme", "long", "x" * 10)
    assert (len(store), store.text("acme", "long")) == (1, "x" * 10)
    store.register("acme", "too long", "x" * 11)
    assert len(store) == 0
    store.register("acme", "short", "x")
    assert (len(store), store.text("acme", "short")) == (1, "x")


def test_registering_twice_counts_once() -> None:
    store = PersistedQueries(documents=100, size_bytes=10)
    for _ in range(20):
        store.register("acme", "1", "12345")
    store.register("acme", "2", "12345")
    assert (store.text("acme", "1"), store.text("acme", "2")) == ("12345", "12345")


def test_a_tenant_that_registers_without_end_drives_out_its_own_documents() -> None:
    store = PersistedQueries(documents=10, size_bytes=1_000)
    store.register("quiet", "1", "q")
    store.register("quiet", "2", "q")
    for number in range(1_000):
        store.register("loud", str(number), "l")
    assert (store.text("quiet", "1"), store.text("quiet", "2")) == ("q", "q")
    for number in range(1_000):
        store.register("wordy", str(number), "w" * 300)
    assert (store.text("quiet", "1"), store.text("quiet", "2")) == ("q", "q")
    assert len(store) <= 10


def test_many_tenants_share_the_room() -> None:
    store = PersistedQueries(documents=10)
    for number in range(1_000):
        store.register(f"tenant {number}", "1", "t")
    assert len(store) == 10
    assert len(store._tenants) == 10
