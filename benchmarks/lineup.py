"""Who is measured: how each is started, and where it is left out."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.works import Work

HERE = Path(__file__).parent
ROOT = HERE.parent
NODE = HERE / "contenders" / "node"
NODE_ITSELF = NODE / "node_modules" / ".bin" / "node"
"""PostGraphile needs a newer one than many machines have, so npm installs it with the contenders."""
INSTALLED = ROOT / ".venv-bench"
REQUIREMENTS = HERE / "requirements.txt"
BOTH = ("sqlite", "postgresql")
FLOOR = "bare"
"""Ratios are to this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One process that answers at ``PORT``, over mnesis's tables or over those of the contenders."""

    name: str
    title: str
    label: str
    """What fits beside a bar."""
    letter: str
    command: tuple[str, ...]
    databases: tuple[str, ...] = BOTH
    on_mnesis_tables: bool = False
    is_bare: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    """By `Work.key`, where it cannot take those of all others."""
    no_array: str | None = None
    """Why it takes no list of operations."""
    missing: str | None = None
    """Why it cannot be started here."""

    def body(self, work: Work) -> str:
        """What it is sent for a work."""
        return work.bare() if self.is_bare else work.graphql(self.documents.get(work.key))

    def path(self, work: Work) -> str:
        """Where that is sent."""
        return work.path if self.is_bare else "/graphql"

    def left_out(self, work: Work, database: str) -> str | None:
        """Why it is not asked for a work over a database."""
        if self.missing:
            return self.missing
        if database not in self.databases:
            return "It knows PostgreSQL only."
        if self.is_bare and work.only_graphql:
            return "It is no GraphQL."
        return self.no_array if work.array else None


def lineup(names: list[str] | None = None) -> list[Contender]:
    """All of them in the order of the tables, or those named. Installs what a contender in Python lacks."""
    found = [*_in_python(names), *_on_node()]
    unknown = set(names or ()) - {contender.name for contender in found}
    if unknown:
        raise SystemExit(f"There is no contender {', '.join(sorted(unknown))}: {', '.join(one.name for one in found)}.")
    return [contender for contender in found if not names or contender.name in names]


def _in_python(names: list[str] | None) -> list[Contender]:
    ariadne = _with_ariadne() if not names or "ariadne" in names else sys.executable
    return [
        Contender(
            name="mnesis",
            title="mnesis",
            label="mnesis",
            letter="a",
            command=(sys.executable, "-m", "mnesis", "serve"),
            on_mnesis_tables=True,
        ),
        Contender(
            name=FLOOR,
            title="bare Starlette, mnesis's use cases",
            label="bare Starlette (b)",
            letter="b",
            command=_module("bare"),
            on_mnesis_tables=True,
            is_bare=True,
        ),
        Contender(
            name="bare_sql",
            title="bare Starlette, a transaction per request",
            label="bare Starlette, SQL (b1)",
            letter="b1",
            command=_module("bare_sql"),
            is_bare=True,
        ),
        Contender(
            name="strawberry",
            title="Strawberry, SQLModel",
            label="Strawberry (c)",
            letter="c",
            command=_module("strawberry_textbook"),
        ),
        Contender(
            name="strawberry_cached",
            title="Strawberry with caches, SQLModel",
            label="Strawberry, caches (c2)",
            letter="c2",
            command=_module("strawberry_textbook"),
            environment={"CACHES": "1"},
        ),
        Contender(
            name="ariadne",
            title="Ariadne, SQLAlchemy",
            label="Ariadne (d)",
            letter="d",
            command=(ariadne, "-m", "benchmarks.contenders.ariadne_textbook"),
            no_array="Ariadne takes no list of operations.",
        ),
    ]


def _on_node() -> list[Contender]:
    missing = None
    if node() is None:
        missing = "There is no node."
    elif not (NODE / "node_modules").is_dir():
        missing = "Its packages are not installed: npm ci --prefix benchmarks/contenders/node"
    own = NODE / "postgraphile.documents.json"
    documents = json.loads(own.read_text()) if own.is_file() else {}
    return [
        _node("yoga", "graphql-yoga, pg", "graphql-yoga (e)", "e", missing),
        _node("mercurius", "mercurius with jit, pg", "mercurius, jit (f)", "f", missing),
        _node("postgraphile", "PostGraphile 5", "PostGraphile 5 (g)", "g", missing, documents),
    ]


def node() -> str | None:
    """What runs the contenders of Node.js."""
    return str(NODE_ITSELF) if NODE_ITSELF.exists() else shutil.which("node")


def _node(
    name: str, title: str, label: str, letter: str, missing: str | None, documents: Mapping[str, str] | None = None
) -> Contender:
    script = NODE / f"{name}.mjs"
    if missing is None and not script.is_file():
        missing = f"There is no {script.relative_to(ROOT)}."
    return Contender(
        name=name,
        title=title,
        label=label,
        letter=letter,
        command=(node() or "node", str(script)),
        databases=("postgresql",),
        environment={"NODE_ENV": "production"},
        documents=documents or {},
        no_array="PostGraphile takes no list of operations." if name == "postgraphile" else None,
        missing=missing,
    )


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.contenders.{name}")


def _with_ariadne() -> str:
    """A Python that has what only contenders need: this one, or that of an environment made for them."""
    if importlib.util.find_spec("ariadne") is not None:
        return sys.executable
    python = INSTALLED / "bin" / "python"
    if not python.is_file():
        print(f"Installing {REQUIREMENTS.relative_to(ROOT)} into {INSTALLED.name} ...")  # noqa: T201  # It takes a while.
        subprocess.run([sys.executable, "-m", "venv", str(INSTALLED)], check=True)  # noqa: S603  # Our own command.
        # The same versions as everybody else has.
        install = ["-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS), "-c", str(ROOT / "constraints.txt")]
        subprocess.run([str(python), *install], check=True)  # noqa: S603  # As above.
    return str(python)
