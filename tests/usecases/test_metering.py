"""What is not measured."""

from collections.abc import Mapping

from mnesis.usecases.metering import UNMETERED


def test_whoever_measures_nothing_takes_everything_and_asks_for_nothing() -> None:
    def depths() -> Mapping[str, int]:
        raise AssertionError("Nobody shows how much waits.")

    def count() -> int:
        raise AssertionError("Nobody shows how many watch.")

    UNMETERED.lanes(depths)
    UNMETERED.subscribers(count)
    origin = UNMETERED.origin()
    assert origin is None
    UNMETERED.read("memories", origin, 0.0, 1.0, failed=False)
    UNMETERED.wrote("batches", [origin], 0.0, 1.0, commands=1, failed=True)
