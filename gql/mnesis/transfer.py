"""The commands ``mnesis export`` and ``mnesis import``: files, a progress bar, and what is said at the end."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mnesis.complaints import Complaint
from mnesis.databases import prepare_database, reached
from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.ids import is_id
from mnesis.domain.json_values import text_fault
from mnesis.settings import Settings
from mnesis.storage.archive_lines import End
from mnesis.storage.database import engine_for
from mnesis.storage.engines import Engine
from mnesis.storage.exporting import exporting
from mnesis.storage.importing import Import

STANDARD = "-"
"""In place of a file's name: the standard input or output."""

Advance = Callable[[int], None]


class CannotTransfer(Complaint):
    """The file or the database cannot be used."""


def export(settings: Settings, *, tenant: str, container_id: str | None, output: str) -> str:
    """Writes an archive of a tenant or container, and says how much it holds. A file is there whole or not at all."""
    caller = _caller(tenant, "mnesis export")
    _check_container(container_id)
    prepare_database(settings)
    with (
        reached(settings),
        exporting(_engine(settings), caller, container_id) as export,
        _written_to(output) as target,
        _progress() as bar,
    ):
        advance = bar("Exporting", export.count)
        for line in export.lines():
            target.write(line)
            advance(1)
        target.flush()
    what = (
        f"the container {container_id} of the tenant {tenant}" if container_id is not None else f"the tenant {tenant}"
    )
    return f"Exported {what}: {_counts(export.end)}."


def take_in(settings: Settings, *, tenant: str, container_id: str | None, file: str) -> str:
    """Reads an archive into a tenant or container that is empty, and says how much it held."""
    caller = _caller(tenant, "mnesis import")
    _check_container(container_id)
    prepare_database(settings)
    incoming = Import(_engine(settings), settings.limits(), caller, container_id, embeds=settings.embeds)
    with reached(settings), _opened(file) as source, _progress() as bar:
        size = source.seek(0, os.SEEK_END)
        removed = incoming.prepare(source)
        archive = incoming.check(source, advance=bar("Checking", lambda: size))
        incoming.write(source, advance=bar("Importing", lambda: size))
    place = f"the tenant {tenant}"
    if not archive.whole_tenant:
        place = f"the container {container_id or archive.container_id} of {place}"
    before = "Removed what an interrupted import had left. " if removed else ""
    return f"{before}Imported into {place}: {_counts(archive.end)}."


def _caller(tenant: str, subject: str) -> Caller:
    if not tenant or text_fault(tenant) is not None:
        raise CannotTransfer("--tenant must be the name of a tenant.")
    return Caller(tenant=tenant, subject=subject, scopes=EVERY_SCOPE)


def _check_container(container_id: str | None) -> None:
    if container_id is not None and not is_id(container_id):
        raise CannotTransfer("--container must be the id of a container.")


def _engine(settings: Settings) -> Engine:
    return engine_for(settings.database_url, writer_lanes=1)


def _counts(end: End) -> str:
    counted = (
        (end.containers, "container", "containers"),
        (end.memories, "memory", "memories"),
        (end.records, "history record", "history records"),
    )
    containers, memories, records = (f"{count:,} {one if count == 1 else many}" for count, one, many in counted)
    return f"{containers}, {memories} and {records}"


@contextmanager
def _written_to(output: str) -> Iterator[IO[bytes]]:
    """A stream into a file, which takes its name only once it is whole, or into the standard output."""
    path = Path(output).resolve()
    if output == STANDARD:
        with _file_faults("The output cannot be written"):
            try:
                yield sys.stdout.buffer
            except BrokenPipeError:
                # Python would complain once more when it ends.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise
        return
    with _file_faults(f"{output} cannot be written"):
        if path.exists() and not path.is_file():
            with path.open("wb") as device:
                yield device
            return
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(descriptor, "wb") as target:  # noqa: PTH123  # It is open already.
                yield target
                target.flush()
                os.fsync(target.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    """A file that can be read twice: what cannot is put on the disk first."""
    with _file_faults(f"{'The input' if file == STANDARD else file} cannot be read"), ExitStack() as stack:
        source: IO[bytes] = sys.stdin.buffer
        if file != STANDARD:
            source = stack.enter_context(Path(file).open("rb"))
        if file == STANDARD or not source.seekable():
            spooled = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(source, spooled)
            source = spooled
        yield source


@contextmanager
def _file_faults(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotTransfer(f"{what}: {error.strerror or error}.") from None


@contextmanager
def _progress() -> Iterator[Callable[[str, Callable[[], int]], Advance]]:
    """Makes progress bars on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda what, total: lambda amount: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def bar(what: str, total: Callable[[], int]) -> Advance:
            task = progress.add_task(what, total=total())
            pending = 0
            told_at = 0.0

            def advance(amount: int) -> None:
                # A bar that is told of every line would take longer than the lines.
                nonlocal pending, told_at
                pending += amount
                if (now := time.monotonic()) - told_at > 0.1:
                    progress.advance(task, pending)
                    pending, told_at = 0, now

            rests.append(lambda: progress.advance(task, pending))
            return advance

        rests: list[Callable[[], None]] = []
        yield bar
        for rest in rests:
            rest()
