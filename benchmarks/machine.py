"""What is measured on: the processor, the system, and the versions of everything that takes part."""

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.lineup import INSTALLED, NODE, node

PACKAGES = (
    "mnesis", "strawberry-graphql", "graphql-core", "starlette", "uvicorn", "httptools", "uvloop", "orjson", "sqlmodel",
    "sqlalchemy", "psycopg", "ariadne",
)  # fmt: skip
NODE_PACKAGES = ("graphql", "graphql-yoga", "mercurius", "fastify", "postgraphile", "pg")


def machine() -> dict[str, Any]:
    """For the results."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "node": _said(node() or "node", "--version"),
        "wrk": (_said("wrk", "--version") or "").partition(" [")[0] or None,
        "packages": {name: found for name in PACKAGES if (found := _version(name))} | _node_versions(),
    }


def cores() -> tuple[int, int] | None:
    """One for the server, another one for the load and for PostgreSQL; None where nothing can be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None


def pin(core: int) -> None:
    """This process, and those that it will start."""
    os.sched_setaffinity(0, {core})


def _processor() -> str:
    with_names = Path("/proc/cpuinfo")
    if with_names.is_file():
        found = re.search(r"model name\s*: (.+)", with_names.read_text())
        if found:
            return found[1]
    return platform.processor()


def _memory_gb() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _said(*command: str) -> str | None:
    found = shutil.which(command[0])
    if found is None:
        return None
    done = subprocess.run([found, *command[1:]], capture_output=True, text=True)  # noqa: S603  # They tell versions.
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        for found in INSTALLED.glob(f"lib/python*/site-packages/{name}-*.dist-info"):
            return found.name.removesuffix(".dist-info").partition("-")[2]
    return None


def _node_versions() -> dict[str, str]:
    found = {}
    for name in NODE_PACKAGES:
        manifest = NODE / "node_modules" / name / "package.json"
        if manifest.is_file():
            version_line = re.search(r'"version":\s*"([^"]+)"', manifest.read_text())
            if version_line:
                found[f"{name} (npm)"] = version_line[1]
    return found
