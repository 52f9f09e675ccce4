"""Brings the database to where a server can use it, or says what a person has to do."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mnesis.complaints import Complaint
from mnesis.settings import Settings
from mnesis.storage.database import Database, open_database
from mnesis.storage.migrations import SchemaState, state, upgrade
from mnesis.usecases.metering import UNMETERED, Meter

_log = logging.getLogger(__name__)


class DatabaseNotReady(Complaint):
    """The database cannot be used as it is."""


def prepare_database(settings: Settings) -> None:
    """Makes sure that the schema is the one this version needs.

    A SQLite file is made, or brought up to date, on the spot: nobody else uses it. A PostgreSQL schema is changed
    by `migrate_database` alone, since other servers may be at work. Raises `DatabaseNotReady`.
    """
    if settings.is_sqlite:
        migrate_database(settings)
        return
    with reached(settings):
        found = state(settings.database_url)
    match found:
        case SchemaState.CURRENT:
            return
        case SchemaState.NEWER:
            raise DatabaseNotReady(_newer(settings))
        case SchemaState.EMPTY:
            raise DatabaseNotReady(f"{settings.shown_database()} has no tables yet: run `mnesis migrate` first.")
        case SchemaState.OLD:
            raise DatabaseNotReady(
                f"{settings.shown_database()} was made by an older mnesis: run `mnesis migrate` first."
            )


def migrate_database(settings: Settings) -> None:
    """Brings the schema up to date, whatever the database. Raises `DatabaseNotReady`."""
    with reached(settings):
        if state(settings.database_url) is SchemaState.NEWER:
            raise DatabaseNotReady(_newer(settings))
        upgrade(settings.database_url)


def open_database_of(settings: Settings, meter: Meter = UNMETERED) -> Database:
    """The database that the settings name, open; connections are made when they are first needed."""
    return open_database(
        settings.database_url,
        limits=settings.limits(),
        reader_threads=settings.reader_threads,
        writer_lanes=settings.writer_lanes,
        meter=meter,
        embeds=settings.embeds,
    )


@contextmanager
def reached(settings: Settings) -> Iterator[None]:
    """Turns what a driver or the schema's own tools raise into a complaint that names the database."""
    try:
        yield
    except Complaint:
        raise
    except Exception as error:  # Each driver has faults of its own, and SQL errors stay in storage.
        _log.debug("The database cannot be used.", exc_info=True)
        # SQLAlchemy wraps the driver's own words, which are the ones a person can act on.
        words = str(getattr(error, "orig", None) or error).strip().splitlines()
        reason = words[0] if words else type(error).__name__
        raise DatabaseNotReady(f"{settings.shown_database()} cannot be used: {reason}") from None


def _newer(settings: Settings) -> str:
    return f"{settings.shown_database()} was made by a newer mnesis: install that version, or restore a backup."
