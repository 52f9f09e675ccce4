"""Runs the revisions: for `mnesis.storage.migrations`, which brings a connection, or for Alembic's command line.

The command line works on the database that ``-x url=...`` or ``MNESIS_DATABASE_URL`` names.
"""

import os
from collections.abc import Iterable

from alembic import context
from alembic.migration import MigrationContext
from alembic.operations import MigrationScript
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.schema import SchemaItem

from mnesis.storage.schema_access import changing
from mnesis.storage.tables import METADATA


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_server_default=True,
        # SQLite changes a table by copying it.
        render_as_batch=connection.dialect.name == "sqlite",
        process_revision_directives=number,
        include_name=is_of_a_model,
        include_object=is_of_this_database,
    )
    with context.begin_transaction():
        context.run_migrations()


def is_of_a_model(name: str | None, kind: str, _: object) -> bool:
    """SQLite keeps a full-text index in tables that no model describes."""
    return not (kind == "table" and name is not None and name.startswith("search_index"))


def is_of_this_database(thing: SchemaItem, _: str | None, __: str, ___: bool, ____: SchemaItem | None) -> bool:
    """Alembic does not ask an index's own condition (``ddl_if``)."""
    return thing.info.get("dialect", context.get_context().dialect.name) == context.get_context().dialect.name


def number(_: MigrationContext, __: str | Iterable[str | None] | Iterable[str], scripts: list[MigrationScript]) -> None:
    """Revisions are counted, so that a listing of the folder shows their order."""
    head = ScriptDirectory.from_config(context.config).get_current_head()
    for script in scripts:
        script.rev_id = f"{int(head or 0) + 1:04}"


def named_database() -> str:
    url = context.get_x_argument(as_dictionary=True).get("url") or os.environ.get("MNESIS_DATABASE_URL")
    if not url:
        raise CommandError("Name the database to work on: alembic -x url=sqlite:///path, or MNESIS_DATABASE_URL.")
    return url


if context.is_offline_mode():
    raise CommandError("Migrations look at the database, so they cannot be written down as SQL beforehand.")
if "connection" in context.config.attributes:
    run(context.config.attributes["connection"])
else:
    with changing(named_database()) as connection:
        run(connection)
