"""What holds for every page: its links lead somewhere, and its GraphQL is that of the schema."""

import re
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLInterfaceType, build_schema, parse, validate

from tests.docs.markdown import PAGES, ROOT, anchors, blocks, links

OUTSIDE = ("https://", "http://")
PICTURED = ROOT / "examples" / "memory-panel"


def target(page: Path, link: str) -> tuple[Path, str]:
    path, _, anchor = link.partition("#")
    return ((page.parent / path).resolve() if path else page), anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    for link in links(page):
        if link.startswith(OUTSIDE):
            continue
        path, anchor = target(page, link)
        if path.suffix == ".png" and not PICTURED.exists():
            continue
        assert path.is_relative_to(ROOT), link
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def test_every_page_is_linked_from_the_readme() -> None:
    readme = ROOT / "README.md"
    linked = {target(readme, link)[0] for link in links(readme) if not link.startswith(OUTSIDE)}
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} <= linked


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `title`, two\n\n[a](b.md#c) `[not](a-link.md)`\n\n```sh\n# no title [x](y.md)\n```\n")
    assert list(links(page)) == ["b.md#c"]
    assert anchors(page) == {"a-title-two"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_graphql_document_is_valid(page: Path) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    for block in blocks(page):
        if block.language == "graphql":
            assert validate(schema, parse(block.code)) == [], f"{page.name}:{block.line}"


def test_every_error_of_a_payload_is_explained() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    codes, error = schema.type_map["UserErrorCode"], schema.type_map["UserError"]
    assert isinstance(codes, GraphQLEnumType)
    assert isinstance(error, GraphQLInterfaceType)
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(\w+)` \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert [code for code, _ in rows] == list(codes.values)
    assert {name for _, name in rows} == {each.name for each in schema.get_possible_types(error)}
