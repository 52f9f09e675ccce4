"""Manifests as the tools of clients write them, and what a server says of one that it cannot trust.

``manifests/`` holds what client-preset 6.2 of GraphQL Code Generator, relay-compiler 21 and
generate-persisted-query-manifest 1.4 have made of the same three operations.
"""

import json
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import pytest

from mnesis.app import create_app, trusted_documents
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.graph.manifests import BadManifest
from mnesis.graph.options import EndpointOptions
from mnesis.graph.prepare import Documents
from mnesis.graph.schema import schema
from mnesis.graph.trusted_documents import TrustedDocuments, load_trusted_documents
from mnesis.settings import BadSettings, Settings
from mnesis.usecases.memories import Memories
from tests.graph.client import Client

pytestmark = pytest.mark.anyio

MANIFESTS = Path(__file__).parent / "manifests"
FACTS = {
    "client-preset": "sha256:8999954cebd9eba8d1aa4e586e29fd075ec6c1ba171b4c0acade777a9f0dd122",
    "relay": "46c95d07d035f33441fa49448c521699",
    "apollo": "034da8ed7462b193a87ba2b5bb6f8e5f8a7ce632de564c8d24ae04bfd5b95301",
}
REMEMBER = {
    "client-preset": "sha256:f09338ab4af07e3522f9f009d3d61f68b2da1e77b5588ba586b4faf8fab35483",
    "relay": "e9043c758829c40ef9d47902d4b816ce",
    "apollo": "d1cd4a02af56b4167d52ada3740e7015d8790d7c8cf2f53a369f7affb67a620d",
}
TOOLS = sorted(FACTS)


def manifest(tool: str) -> Path:
    return MANIFESTS / f"{tool}.json"


def loaded(*paths: Path, introspection: bool = True) -> TrustedDocuments:
    return load_trusted_documents(paths, Documents(schema(), introspection=introspection, suggestions=True))


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("tool", TOOLS)
async def test_what_a_tool_has_listed_runs_by_its_id(memories: Memories, tool: str) -> None:
    client = Client(
        GraphQLEndpoint(memories, options=EndpointOptions(trusted=loaded(manifest(tool)), only_trusted=True))
    )
    remember = {"documentId": REMEMBER[tool], "variables": {"text": "Likes tea."}}
    made = (await client.http.post("/graphql", json=remember)).json()["data"]["createMemory"]
    assert made["errors"] == []
    found = (await client.http.post("/graphql", json={"documentId": FACTS[tool], "variables": {"first": 5}})).json()
    [node] = found["data"]["memories"]["nodes"]
    assert (node["id"], node["memory"]) == (made["memory"]["id"], "Likes tea.")
    url = {"documentId": FACTS[tool], "variables": '{"first": 5}'}
    assert (await client.http.get("/graphql", params=url)).json() == found


@pytest.mark.parametrize("tool", TOOLS)
def test_a_sha256_is_known_with_and_without_its_prefix_whatever_the_manifest_says(tool: str) -> None:
    documents = loaded(manifest(tool))
    text = documents.text(FACTS[tool])
    assert text is not None
    assert documents.text(hashed(text)) == documents.text(f"sha256:{hashed(text)}") == text
    assert documents.text(hashed(text).upper()) is None
    assert documents.text(f"sha256:sha256:{hashed(text)}") is None
    # Relay's ids are MD5 by habit, and only what the manifest lists is known by them.
    assert (documents.text(md5(text.encode(), usedforsecurity=False).hexdigest()) == text) is (tool == "relay")


@pytest.mark.parametrize("tool", TOOLS)
def test_the_name_of_a_trusted_operation_may_label_a_metric_and_no_other(tool: str) -> None:
    trusted = loaded(manifest(tool))
    documents = Documents(schema(), introspection=True, suggestions=True, trusted=trusted.documents)
    text = trusted.text(FACTS[tool])
    assert text is not None
    expected = "documentsFactsQuery" if tool == "relay" else "Facts"
    assert documents.prepare(text, None).known_name == expected
    assert documents.prepare(f"{text} ", None).known_name is None
    assert documents.prepare("query Stranger { __typename }", None).known_name is None


def test_an_operation_without_a_name_is_trusted_and_labels_nothing(tmp_path: Path) -> None:
    path = tmp_path / "documents.json"
    path.write_text('{"typename": "{ __typename }"}')
    documents = Documents(schema(), introspection=True, suggestions=True, trusted=loaded(path).documents)
    prepared = documents.prepare("{ __typename }", None)
    assert (prepared.trusted, prepared.known_name) == (True, None)


def test_several_manifests_add_up_and_may_list_the_same_document() -> None:
    paths = [manifest(tool) for tool in TOOLS]
    together = loaded(*paths, *paths)
    assert len(together.documents) == 9
    assert all(together.text(identifier) for identifier in (*FACTS.values(), *REMEMBER.values()))


def test_an_empty_manifest_is_one_without_documents(tmp_path: Path) -> None:
    """relay-compiler wants its file to stand there as {} before the first run."""
    path = tmp_path / "persisted.json"
    path.write_text("{}")
    assert loaded(path) == TrustedDocuments()


def apollo(**given: Any) -> dict[str, Any]:
    operation = {"id": "a", "name": "A", "type": "query", "body": "query A { __typename }", **given}
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [operation]}


NO_TEXT = (
    " is not the text of a document; known are objects of ids and texts, and the format"
    " apollo-persisted-query-manifest."
)
INCOMPLETE = " must have an id, a name and a body, which are strings, and the type query, mutation or subscription."
NOPE = "the document \"a\" cannot run: Cannot query field 'nope' on type 'Query'. Did you mean 'node'?"
HASH = hashed("{ __typename }")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "this is not JSON in UTF-8."),
        ("[" * 100_000, "this is not JSON in UTF-8."),
        ('{"a": "{ __typename }", "a": "{ a: __typename }"}', '"a" stands there twice.'),
        ("[]", "a manifest is a JSON object."),
        ({"a": 1}, f'"a"{NO_TEXT}'),
        ({"version": 2, "operations": []}, f'"version"{NO_TEXT}'),
        ({"a": "{"}, 'the document "a" cannot run: Syntax Error: Expected Name, found <EOF>.'),
        ({"a": ""}, 'the document "a" cannot run: Syntax Error: Unexpected <EOF>.'),
        ({"a": "{ nope }"}, NOPE),
        ({"a": "{ a: nope b: neither }"}, f"{NOPE}; Cannot query field 'neither' on type 'Query'."),
        ({"": "{ __typename }"}, "a document has an empty id."),
        ({f"sha256:{'0' * 64}": "{ __typename }"}, f'the document "sha256:{"0" * 64}" has another SHA-256: {HASH}.'),
        ({"sha256:abc": "{ __typename }"}, f'the document "sha256:abc" has another SHA-256: {HASH}.'),
        (
            {HASH: "{ a: __typename }", f"sha256:{HASH}": "{ __typename }"},
            f'"sha256:{HASH}" is the id of another document already.',
        ),
        ({**apollo(), "version": 2}, "of the format apollo-persisted-query-manifest only version 1 is known."),
        ({**apollo(), "operations": {}}, "operations must be a list."),
        ({**apollo(), "operations": [1]}, f"operations[0]{INCOMPLETE}"),
        (apollo(id=1), f"operations[0]{INCOMPLETE}"),
        (apollo(body=None), f'the operation "a"{INCOMPLETE}'),
        (apollo(name=None), f'the operation "a"{INCOMPLETE}'),
        (apollo(type="fragment"), f'the operation "a"{INCOMPLETE}'),
        (apollo(type=["query"]), f'the operation "a"{INCOMPLETE}'),
        (apollo(name="B"), 'the document "a" holds no query named "B".'),
        (apollo(type="mutation"), 'the document "a" holds no mutation named "A".'),
        (apollo(body="{ __typename }"), 'the document "a" holds no query named "A".'),
        (apollo(body="{ nope }"), NOPE),
    ],
)
def test_what_cannot_be_trusted_is_told_with_file_id_and_fact(tmp_path: Path, content: Any, told: str) -> None:
    path = tmp_path / "documents.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    refuses(path, told)


def test_what_is_no_text_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "documents.json"
    refuses(path, "the file cannot be read: No such file or directory.")
    path.write_bytes(b'{"a": "\xff"}')
    refuses(path, "this is not JSON in UTF-8.")
    path.unlink()
    path.mkdir()
    refuses(path, "the file cannot be read: Is a directory.")


def refuses(path: Path, told: str) -> None:
    with pytest.raises(BadManifest) as bad:
        loaded(path)
    assert str(bad.value) == f"{path}: {told}"


def test_an_id_has_one_document_over_all_manifests(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text('{"a": "{ __typename }"}')
    second.write_text('{"a": "{ a: __typename }"}')
    with pytest.raises(BadManifest) as bad:
        loaded(first, second)
    assert str(bad.value) == f'{second}: "a" is the id of another document already.'


def test_where_introspection_is_off_no_manifest_turns_it_on(tmp_path: Path) -> None:
    path = tmp_path / "documents.json"
    path.write_text('{"a": "{ __schema { queryType { name } } }"}')
    assert loaded(path).documents
    with pytest.raises(BadManifest, match="introspection"):
        loaded(path, introspection=False)


def test_the_settings_name_manifests(set_environment: Any, tmp_path: Path) -> None:
    set_environment(trusted_documents=f"{manifest('relay')}, {manifest('apollo')},")
    settings = Settings.load()
    assert len(trusted_documents(settings).documents) == 6
    set_environment(trusted_documents=f"{manifest('relay')},{tmp_path / 'none.json'}")
    with pytest.raises(BadManifest) as bad:
        create_app(Settings.load())
    assert str(bad.value) == f"{tmp_path / 'none.json'}: the file cannot be read: No such file or directory."


def test_only_trusted_documents_and_none_of_them_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "persisted.json"
    path.write_text("{}")
    for paths in ((), (path,)):
        with pytest.raises(BadSettings, match="nothing could run"):
            create_app(Settings(only_trusted_documents=True, trusted_documents=paths))
