"""Documents that the operator trusts: read from manifests when the server starts, and known by their ids."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from graphql import DocumentNode, OperationDefinitionNode

from mnesis.domain.refusals import quoted
from mnesis.graph.manifests import BadManifest, Listed, read_manifest
from mnesis.graph.prepare import Documents, NotPrepared

SHA256_PREFIX = "sha256:"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedDocuments:
    """``texts`` are known by their ids, as `plain_id` writes them; ``documents``, parsed and valid, by their texts."""

    texts: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, DocumentNode] = field(default_factory=dict)

    def text(self, identifier: str) -> str | None:
        """The document that has this id; a SHA-256 with or without its prefix."""
        return self.texts.get(plain_id(identifier))


def load_trusted_documents(paths: Iterable[Path], documents: Documents) -> TrustedDocuments:
    """What the manifests hold, each document held to what a client's is held to. Raises `BadManifest`.

    A document is known by its SHA-256 too, whatever id the manifest gives it.
    """
    texts: dict[str, str] = {}
    hashes: dict[str, str] = {}
    examined: dict[str, DocumentNode] = {}
    for path in paths:
        for listed in read_manifest(path):
            if listed.text not in examined:
                examined[listed.text] = _examined(path, listed, documents)
                hashes[sha256_of(listed.text)] = listed.text
            _check(path, listed, examined[listed.text])
            if texts.setdefault(plain_id(listed.identifier), listed.text) != listed.text:
                raise BadManifest(f"{path}: {quoted(listed.identifier)} is the id of another document already.")
    return TrustedDocuments(texts={**hashes, **texts}, documents=examined)


def plain_id(identifier: str) -> str:
    """The id as it is compared: a SHA-256 without its prefix, which some tools write and others do not."""
    payload = identifier.removeprefix(SHA256_PREFIX)
    return payload if _SHA256.fullmatch(payload) else identifier


def sha256_of(text: str) -> str:
    """In lower-case hexadecimal digits, of the text in UTF-8."""
    # A lone surrogate cannot be trusted and will not be valid, but it may well arrive.
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def _examined(path: Path, listed: Listed, documents: Documents) -> DocumentNode:
    try:
        return documents.valid(listed.text)
    except NotPrepared as refused:
        told = "; ".join(str(error["message"]) for error in refused.errors)
        raise BadManifest(f"{path}: the document {quoted(listed.identifier)} cannot run: {told}") from None


def _check(path: Path, listed: Listed, document: DocumentNode) -> None:
    """What a manifest says of a document has to be so: another one may have been meant."""
    where = f"{path}: the document {quoted(listed.identifier)}"
    if not listed.identifier:
        raise BadManifest(f"{path}: a document has an empty id.")
    if listed.identifier.startswith(SHA256_PREFIX) and listed.identifier != SHA256_PREFIX + sha256_of(listed.text):
        raise BadManifest(f"{where} has another SHA-256: {sha256_of(listed.text)}.")
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if listed.name is not None and not any(
        each.name is not None and each.name.value == listed.name and each.operation.value == listed.kind
        for each in operations
    ):
        raise BadManifest(f"{where} holds no {listed.kind} named {quoted(listed.name)}.")
