"""The guide for curl, run as the script that its blocks make together; what it prints has to be what it shows."""

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.docs.markdown import GUIDES, blocks
from tests.docs.serving import SECRET, authenticated_server

GUIDE = GUIDES / "curl.md"
MARK = "--- end of a block ---"


def values(text: str) -> list[Any]:
    """The JSON values that follow each other in a text."""
    decoder, found, text = json.JSONDecoder(), [], text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    return found


def shown() -> list[tuple[str, list[Any]]]:
    """Each shell block, and the answers that the page shows below it."""
    read = [*blocks(GUIDE), None]
    return [
        (block.code, values(following.code) if following and following.language == "json" else [])
        for block, following in pairwise(read)
        if block and block.language == "sh"
    ]


def test_every_command_prints_what_the_guide_shows(tmp_path: Path) -> None:
    for needed in ("bash", "curl", "jq", "sha256sum"):
        if shutil.which(needed) is None:
            pytest.skip(f"the guide needs {needed}")
    command = tmp_path / "mnesis"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mnesis "$@"\n')
    command.chmod(0o755)
    steps = shown()
    assert len(steps) > 10
    with authenticated_server(tmp_path) as server:
        script = "\n".join(f"{code}\necho '{MARK}'" for code, _ in steps)
        assert "http://127.0.0.1:8000" in script
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8000", server.url)],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "MNESIS_AUTH_SECRET": SECRET},
            stdout=subprocess.PIPE,
            text=True,
            timeout=100,
        )
    printed = done.stdout.split(MARK)
    assert [values(text) for text in printed[: len(steps)]] == [answers for _, answers in steps]
