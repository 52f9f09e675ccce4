"""What npm is told to install for ``tests/clients/``."""

import json
import re
from pathlib import Path
from typing import Any

CLIENTS = Path(__file__).parent / "clients"


def test_every_client_has_one_version_and_comes_from_whichever_registry_is_configured() -> None:
    package: dict[str, Any] = json.loads((CLIENTS / "package.json").read_text())
    lock: dict[str, Any] = json.loads((CLIENTS / "package-lock.json").read_text())
    installed = {name.removeprefix("node_modules/"): each for name, each in lock["packages"].items() if name}
    for name, version in package["devDependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert installed[name]["version"] == version
    for name, each in installed.items():
        assert each["integrity"], name
        assert "resolved" not in each, name
