"""Several meters as one."""

from collections.abc import Callable, Mapping, Sequence

from mnesis.usecases.metering import Meter


class Meters:
    """Each of them is given back its own origins."""

    def __init__(self, *meters: Meter) -> None:
        self._meters = meters

    def origin(self) -> object:
        return tuple(meter.origin() for meter in self._meters)

    def read(self, kind: str, origin: object, began_s: float, ended_s: float, *, failed: bool) -> None:
        assert isinstance(origin, tuple)
        for meter, own in zip(self._meters, origin, strict=True):
            meter.read(kind, own, began_s, ended_s, failed=failed)

    def wrote(
        self,
        kind: str,
        origins: Sequence[object],
        began_s: float,
        ended_s: float,
        *,
        commands: int,
        failed: bool,
    ) -> None:
        for number, meter in enumerate(self._meters):
            own = [origin[number] for origin in origins if isinstance(origin, tuple)]
            meter.wrote(kind, own, began_s, ended_s, commands=commands, failed=failed)

    def lanes(self, depths: Callable[[], Mapping[str, int]]) -> None:
        for meter in self._meters:
            meter.lanes(depths)

    def subscribers(self, count: Callable[[], int]) -> None:
        for meter in self._meters:
            meter.subscribers(count)
