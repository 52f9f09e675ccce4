"""The command ``mnesis``. What goes wrong is told in sentences on stderr, with the exit code 1."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from mnesis import __version__
from mnesis.complaints import Complaint
from mnesis.domain.caller import Scope
from mnesis.settings import Settings, duration_s, unknown_variables

# Every command imports what it needs by itself: building the GraphQL schema takes a while, and `--help` need not wait.

app = typer.Typer(
    name="mnesis",
    help="A GraphQL server over the memories of AI agents. Settings are environment variables: MNESIS_*.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DatabaseOption = Annotated[
    str | None, typer.Option("--database", help="The database's URL, in place of MNESIS_DATABASE_URL.")
]


def main() -> None:
    """The entry point of the installed command."""
    app(prog_name="mnesis")


@app.callback(invoke_without_command=True)
def _common(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"mnesis {__version__}")
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on, in place of MNESIS_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="The port, in place of MNESIS_PORT; 0 takes a free one.")] = None,
    database: DatabaseOption = None,
    workers: Annotated[
        int | None, typer.Option(help="Server processes, in place of MNESIS_WORKERS; PostgreSQL only.")
    ] = None,
) -> None:
    """Start the server. SIGTERM and Ctrl-C stop it once the requests under way are answered."""
    with _complaints_told():
        settings = Settings.load(host=host, port=port, database_url=database, workers=workers)
        for sentence in unknown_variables():
            typer.echo(sentence, err=True)
        from mnesis import serving

        serving.serve(settings)


@app.command()
def migrate(database: DatabaseOption = None) -> None:
    """Bring the database's schema up to date. Running it again, or twice at once, does no harm."""
    with _complaints_told():
        settings = Settings.load(database_url=database)
        from mnesis.databases import migrate_database

        migrate_database(settings)
        typer.echo(f"{settings.shown_database()} is up to date.")


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from mnesis.graph.schema import sdl

    typer.echo(sdl().rstrip("\n"))


@app.command()
def token(
    tenant: Annotated[str, typer.Option(help="Whose memories the token opens.")],
    subject: Annotated[str, typer.Option(help="Who acts; it is recorded with every change.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What the token allows; may be given several times.")
    ] = None,
    expires_in: Annotated[str, typer.Option(help="How long it is valid: 90s, 15m, 12h or 7d.")] = "1h",
    role: Annotated[
        list[str] | None, typer.Option(help="A role, which opens containers that have it; may be given several times.")
    ] = None,
) -> None:
    """Print a token signed with MNESIS_AUTH_SECRET. Without --scope it allows memory:write."""
    with _complaints_told():
        settings = Settings.load()
        if settings.auth_secret is None:
            raise Complaint("Set MNESIS_AUTH_SECRET to the secret that the server verifies tokens with.")
        from mnesis.web.tokens import issue_token

        typer.echo(
            issue_token(
                secret=settings.auth_secret.get_secret_value(),
                tenant=tenant,
                subject=subject,
                scopes=scope or [Scope.WRITE],
                expires_in_s=_duration_s(expires_in),
                tenant_claim=settings.auth_tenant_claim,
                issuer=settings.auth_issuer,
                audience=settings.auth_audience,
                roles=role or (),
                roles_claim=settings.auth_roles_claim,
            )
        )


@app.command()
def demo(
    database: DatabaseOption = None,
    tenant: Annotated[str, typer.Option(help="Whose container is filled.")] = "default",
    container: Annotated[str, typer.Option(help="The container to fill; it has to be empty.")] = "default",
) -> None:
    """Fill an empty container with a few sessions and memories to look around in."""
    with _complaints_told():
        settings = Settings.load(database_url=database)
        from mnesis.demo import fill

        typer.echo(asyncio.run(fill(settings, tenant=tenant, container_id=container)))


@app.command("export")
def export_archive(
    tenant: Annotated[str, typer.Option(help="Whose memories are exported.")] = "default",
    container: Annotated[str | None, typer.Option(help="The only container to export; without it, all.")] = None,
    database: DatabaseOption = None,
    output: Annotated[str, typer.Option(help="The file to write; - is the standard output.")] = "-",
) -> None:
    """Write a tenant or a container, history included, as JSON Lines that import takes back."""
    with _complaints_told():
        settings = Settings.load(database_url=database)
        from mnesis.transfer import export

        typer.echo(export(settings, tenant=tenant, container_id=container, output=output), err=True)


@app.command("import")
def import_archive(
    file: Annotated[str, typer.Argument(help="What export wrote; - is the standard input.")],
    tenant: Annotated[str, typer.Option(help="Whose memories these become.")] = "default",
    container: Annotated[
        str | None, typer.Option(help="The id under which an exported container comes back, in place of its own.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Take an export back, a container into an empty one, a tenant into an empty one, on either database."""
    with _complaints_told():
        settings = Settings.load(database_url=database)
        from mnesis.transfer import take_in

        typer.echo(take_in(settings, tenant=tenant, container_id=container, file=file))


@app.command()
def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what a run would remove.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Remove what the containers' rules do not keep.")] = False,
    tenant: Annotated[str | None, typer.Option(help="The only tenant to look at; without it, all.")] = None,
    container: Annotated[str | None, typer.Option(help="The only container of that tenant.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Let memories and history age out by the rules of their containers, and print a receipt."""
    with _complaints_told():
        if dry_run is run:
            raise Complaint("Give either --dry-run, which only counts, or --run, which removes.")
        settings = Settings.load(database_url=database)
        from mnesis.retention import retain

        asyncio.run(retain(settings, dry_run=dry_run, tenant=tenant, container_id=container, as_json=as_json))


@app.command()
def quota(
    tenant: Annotated[str, typer.Argument(help="Whose quotas these are.")],
    memories: Annotated[int | None, typer.Option(min=0, help="How many memories it may have.")] = None,
    size: Annotated[int | None, typer.Option("--bytes", min=0, help="How many bytes they may hold.")] = None,
    writes_per_month: Annotated[
        int | None, typer.Option(min=0, help="How many memories it may create, change or restore in a month.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Bound nothing any more.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Only show them, as without any option.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Set what a tenant may use, and print the quotas and what of them is used, as JSON."""
    with _complaints_told():
        settings = Settings.load(database_url=database)
        from mnesis.domain.quotas import Quotas
        from mnesis.quota import quota as kept

        given = Quotas(memories=memories, bytes=size, writes_per_month=writes_per_month)
        if show and (none or not given.is_empty):
            raise Complaint("--show changes nothing: give it alone.")
        asyncio.run(kept(settings, tenant=tenant, given=given, none=none))


@contextmanager
def _complaints_told() -> Iterator[None]:
    try:
        yield
    except Complaint as complaint:
        typer.echo(str(complaint), err=True)
        raise typer.Exit(1) from None


def _duration_s(text: str) -> int:
    seconds = duration_s(text)
    if seconds is None:
        raise Complaint(f"--expires-in must be a number followed by s, m, h or d, such as 12h, not {text}.")
    return seconds
