"""The pages that are shipped with the server: complete, harmless, and made from their source."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mnesis.web.pages import page_routes

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "playground" / "examples").glob("*.graphql"))
BUILT = ROOT / "gql" / "mnesis" / "web" / "built"


PAGES = [("playground", "/", "playground"), ("panel", "/panel", "examples/memory-panel")]
"""The name of each page, where it is served, and where its source lies."""


@pytest.fixture
def client() -> TestClient:
    routes = [route for name, address, _ in PAGES for route in page_routes(name, address=address)]
    return TestClient(Starlette(routes=routes))


@pytest.mark.parametrize(("name", "address", "source"), PAGES)
def test_the_page_and_everything_it_names_is_there(client: TestClient, name: str, address: str, source: str) -> None:
    page = client.get(address)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = re.findall(rf'(?:src|href)="\./({name}/[^"]+)"', page.text)
    assert len(named) >= 3
    for path in named:
        answer = client.get(f"/{path}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("address", [address for _, address, _ in PAGES])
def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_of_its_own(client: TestClient, address: str) -> None:
    page = client.get(address)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=", page.text)
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert page.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/playground/", "/playground/nothing.js", "/playground/..%2f..%2fpages.py"])
def test_there_is_nothing_else(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_file_that_a_browser_has_is_not_sent_again(client: TestClient) -> None:
    (script,) = re.findall(r'src="\./(playground/[^"]+)"', client.get("/").text)
    tag = client.get(f"/{script}").headers["etag"]
    again = client.get(f"/{script}", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_carries_the_examples_as_they_stand_in_its_source() -> None:
    scripts = "".join(each.read_text() for each in (BUILT / "playground" / "playground").glob("index-*.js"))
    for example in EXAMPLES:
        document = example.read_text()
        first_line = document.splitlines()[0]
        assert first_line.replace("`", "\\`") in scripts or first_line in scripts


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "address", "source"), PAGES)
def test_the_page_is_what_its_source_is_built_to(tmp_path: Path, name: str, address: str, source: str) -> None:
    """Also a guard against a file that was changed by hand, and against a panel that is older than the schema."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is missing, so the page cannot be built anew")
    copied = tmp_path / source
    shutil.copytree(ROOT / source, copied, ignore=shutil.ignore_patterns("node_modules", "gql"))
    shutil.copy(ROOT / "schema.graphql", tmp_path)
    for command in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
        done = subprocess.run([npm, *command], cwd=copied, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    anew = tmp_path / "gql" / "mnesis" / "web" / "built" / name
    assert contents(anew) == contents(BUILT / name)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
