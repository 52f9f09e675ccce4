"""What is decided once per document: whether it can be parsed, whether it is valid, and which operation runs."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)

from mnesis.domain.limits import OperationLimits
from mnesis.domain.refusals import quoted
from mnesis.graph.document_limits import exceeded, too_complex
from mnesis.graph.faults import PARSE_FAILED, VALIDATION_FAILED, coded, request_error
from mnesis.graph.merging import MOST_WORK, FieldsCanBeMerged, TooMuchToCompare
from mnesis.graph.one_of import OneOfInputs

MOST_COMMENTS = 1_000
MOST_ERRORS = 20
MOST_REPEATED = 100_000
"""Characters of documents in their errors: graphql-core prints for each error the value that it is about."""

_DEFAULT_LIMITS = OperationLimits()

# Strawberry adds two to whatever is validated, see `strawberry.schema.schema.validate_document`: one for oneOf inputs,
# and one for a Maybe that cannot be null, which speaks of Python. Ours are all members of oneOf inputs.
_RULES = (
    *(rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule),
    FieldsCanBeMerged,
    OneOfInputs,
)

Errors: TypeAlias = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """An operation that can be executed: a valid document, and which of its operations."""

    document: DocumentNode
    operation: OperationDefinitionNode
    trusted: bool = False
    writes: bool = field(init=False)
    """Whether this is a mutation."""
    watches: bool = field(init=False)
    """Whether this is a subscription."""
    kept: dict[object, Any] = field(init=False, default_factory=dict, repr=False)
    """What those who run it have worked out of it once, each under itself."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "writes", self.operation.operation is OperationType.MUTATION)
        object.__setattr__(self, "watches", self.operation.operation is OperationType.SUBSCRIPTION)

    @property
    def known_name(self) -> str | None:
        """The operation's name if the operator knows it, so that it may label a metric; None for a stranger's."""
        name = self.operation.name
        return name.value if self.trusted and name is not None else None


class NotPrepared(Exception):
    """The request cannot be executed; ``errors`` are ready to be sent."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


class _Valid:
    """A valid document, and its operations as far as they were asked for."""

    __slots__ = ("_document", "_prepared", "_trusted")

    def __init__(self, document: DocumentNode, *, trusted: bool = False) -> None:
        self._document = document
        self._trusted = trusted
        # By what asks for them; a name that none has is refused, so there are no more than the document holds, and one.
        self._prepared: dict[str | None, Prepared] = {}

    def prepared(self, name: str | None) -> Prepared:
        """The operation of this name, or the only one. Raises `NotPrepared`."""
        prepared = self._prepared.get(name)
        if prepared is None:
            operation = _operation(self._document, name)
            prepared = Prepared(document=self._document, operation=operation, trusted=self._trusted)
            self._prepared[name] = prepared
        return prepared


class Documents:
    """Prepares operations, and remembers what it found out about the latest documents, errors too.

    At most ``documents`` are remembered, of at most ``characters`` together. The ``trusted`` ones, by their texts, are
    valid already and always at hand.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        introspection: bool,
        suggestions: bool,
        trusted: Mapping[str, DocumentNode] | None = None,
        limits: OperationLimits = _DEFAULT_LIMITS,
        documents: int = 1_000,
        characters: int = 4_000_000,
    ) -> None:
        # Strawberry gives no other way to the schema that graphql-core works with.
        self._schema = schema._schema
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._suggestions = suggestions
        self._trusted = {text: _Valid(document, trusted=True) for text, document in (trusted or {}).items()}
        self._limits = limits
        self._most_documents = documents
        self._most_characters = characters
        self._characters = 0
        self._known: OrderedDict[str, _Valid | Errors] = OrderedDict()

    def prepare(self, source: str, operation_name: str | None) -> Prepared:
        """The operation of a document that has this name. Raises `NotPrepared`."""
        trusted = self._trusted.get(source)
        if trusted is not None:
            return trusted.prepared(operation_name)
        known = self._known.get(source)
        if known is None:
            examined = self._examined(source)
            known = examined if isinstance(examined, tuple) else _Valid(examined)
            self._remember(source, known)
        else:
            self._known.move_to_end(source)
        if isinstance(known, tuple):
            raise NotPrepared(known)
        return known.prepared(operation_name)

    def valid(self, source: str) -> DocumentNode:
        """The document, which is not remembered. Raises `NotPrepared`."""
        document = self._examined(source)
        if isinstance(document, tuple):
            raise NotPrepared(document)
        return document

    def _examined(self, source: str) -> DocumentNode | Errors:
        most = self._limits
        if len(source) > most.characters:
            text = f"The document has {len(source)} characters; at most {most.characters} are allowed."
            return (too_complex(text, "characters", len(source), most.characters),)
        try:
            document = parse(source, max_lexical_tokens=most.tokens, max_comments=MOST_COMMENTS)
        except GraphQLError as error:
            # There is no other way to tell: the parser has one error for all that it refuses.
            for measure, number in (("tokens", most.tokens), ("comments", MOST_COMMENTS)):
                if f"Document contains more than {number} {measure}." in error.message:
                    text = f"The document has more {measure} than the {number} that are allowed."
                    return (too_complex(text, measure, None, number),)
            return (coded(error, PARSE_FAILED),)
        if refusals := exceeded(document, most):
            return refusals
        most_errors = min(MOST_ERRORS, 1 + MOST_REPEATED // max(1, len(source)))
        try:
            errors = validate(
                self._schema, document, self._rules, max_errors=most_errors, hide_suggestions=not self._suggestions
            )
        except TooMuchToCompare:
            text = "The fields of the document overlap in too many ways."
            return (too_complex(text, "comparisons", None, MOST_WORK),)
        return tuple(coded(error, VALIDATION_FAILED) for error in errors) or document

    def _remember(self, source: str, known: _Valid | Errors) -> None:
        # Nothing longer can be valid, and such a text is not worth its place.
        if len(source) > self._limits.characters:
            return
        self._known[source] = known
        self._characters += len(source)
        while len(self._known) > self._most_documents or self._characters > self._most_characters:
            oldest, _ = self._known.popitem(last=False)
            self._characters -= len(oldest)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operation = get_operation_ast(document, name)
    if operation is None:
        message = "The document holds several operations or none; operationName must name one of them."
        if name is not None:
            message = f"The document holds no operation named {quoted(name)}."
        raise NotPrepared((request_error(message, argument="operationName"),))
    return operation
