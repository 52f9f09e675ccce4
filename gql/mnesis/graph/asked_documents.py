"""Which document an operation asks for: by its text, by the id of a trusted one, or by the hash of a registered one.

The id comes as ``documentId``, as the appendix "Persisted Documents" of GraphQL over HTTP has it, the hash in
``extensions.persistedQuery``, as Apollo's clients send it. The parameters are the same in every transport.
"""

from typing import Any

from mnesis.graph.body import Operation
from mnesis.graph.faults import BAD_USER_INPUT, request_error
from mnesis.graph.persisted_queries import PersistedQueries
from mnesis.graph.prepare import Documents, NotPrepared, Prepared
from mnesis.graph.trusted_documents import TrustedDocuments, plain_id, sha256_of

# Apollo's and urql's clients wait for these very messages and codes.
NOT_FOUND = ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
NOT_SUPPORTED = ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
REQUIRED = ("Only trusted documents run here; send the documentId of one.", "PERSISTED_QUERY_REQUIRED")


class AskedDocuments:
    """Prepares what operations ask for. ``only_trusted`` refuses everything else, unread.

    At most ``persisted_queries`` documents are registered at once, and none where it is 0.
    """

    def __init__(
        self, documents: Documents, trusted: TrustedDocuments, *, only_trusted: bool, persisted_queries: int
    ) -> None:
        self._documents = documents
        self._trusted = trusted
        self._only_trusted = only_trusted
        # Where only trusted documents run, an unknown hash is no invitation to go on with texts.
        self._knows_hashes = persisted_queries > 0 or only_trusted
        self._registered = PersistedQueries(documents=persisted_queries)

    def prepare(self, asked: Operation, tenant: str) -> Prepared:
        """Raises `NotPrepared`."""
        if not asked.extensions and asked.document_id is None:
            # As most are.
            return self._prepared(asked.query or "", asked)
        persisted = asked.extensions.get("persistedQuery")
        if asked.document_id is not None and persisted is not None:
            raise _refused("Send documentId or extensions.persistedQuery, not both.", BAD_USER_INPUT)
        if asked.document_id is not None:
            return self._prepared(self._identified(asked.document_id, asked.query, tenant), asked)
        if persisted is not None:
            return self._persisted(persisted, asked, tenant)
        return self._prepared(asked.query or "", asked)

    def _prepared(self, text: str, asked: Operation) -> Prepared:
        if self._only_trusted and text not in self._trusted.documents:
            raise _refused(*REQUIRED)
        return self._documents.prepare(text, asked.name)

    def _identified(self, identifier: str, sent: str | None, tenant: str) -> str:
        """The document of an id. A text beside it has to be the same document: two would leave open which one runs."""
        known = self._trusted.text(identifier) or self._registered.text(tenant, plain_id(identifier))
        if not sent:
            if known is None:
                raise _refused("There is no document with this id.", NOT_FOUND[1], argument="documentId")
            return known
        if known != sent and plain_id(identifier) != sha256_of(sent):
            raise _refused("documentId is not the id of query.", BAD_USER_INPUT, argument="documentId")
        return sent

    def _persisted(self, persisted: Any, asked: Operation, tenant: str) -> Prepared:
        hashed = _hash(persisted)
        # A client with a manifest of Apollo's sends the ids of trusted documents like this.
        trusted = self._trusted.text(hashed)
        if trusted is not None and asked.query in (None, "", trusted):
            return self._prepared(trusted, asked)
        if not self._knows_hashes:
            raise _refused(*NOT_SUPPORTED)
        if not asked.query:
            known = self._registered.text(tenant, hashed)
            if known is None:
                raise _refused(*NOT_FOUND)
            return self._prepared(known, asked)
        if sha256_of(asked.query) != hashed:
            raise _refused("sha256Hash is not the SHA-256 of query.", BAD_USER_INPUT, argument="extensions")
        prepared = self._prepared(asked.query, asked)
        self._registered.register(tenant, hashed, asked.query)
        return prepared


def _hash(persisted: Any) -> str:
    if not isinstance(persisted, dict):
        raise _refused("persistedQuery must be an object.", BAD_USER_INPUT, argument="extensions")
    if persisted.get("version") != 1:
        raise _refused(*NOT_SUPPORTED)
    hashed = persisted.get("sha256Hash")
    if not isinstance(hashed, str):
        raise _refused("sha256Hash must be a string.", BAD_USER_INPUT, argument="extensions")
    return hashed


def _refused(message: str, code: str, **extensions: object) -> NotPrepared:
    return NotPrepared((request_error(message, code, **extensions),))
