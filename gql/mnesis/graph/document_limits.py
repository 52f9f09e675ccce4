"""What a document may hold: counted in one walk over it, before any rule of validation does its work.

The rules of graphql-core take time that grows with the square of some of these numbers, and a fragment that spreads
another twice doubles with every level what is to be executed. So documents are measured first. A fragment is measured
once and multiplied by its spreads, which takes time that grows with the length of the document and no faster.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    NameNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
)
from graphql.language import DirectiveNode, FloatValueNode, IntValueNode
from graphql.language.ast import QUERY_DOCUMENT_KEYS

from mnesis.domain.limits import OperationLimits
from mnesis.graph.faults import TOO_COMPLEX, request_error

MOST_NAME_CHARACTERS = 255
"""Of a name: suggestions compare it with all that there are."""
MOST_DIGITS = 1_000
"""Characters of a number: Python takes its time with long ones, and does not read them from 4300 digits on."""
MOST_VARIABLES = 250
"""Variables of one operation: some rules look at every pair of a variable and its use."""

_INTROSPECTION = ("__schema", "__type")


@dataclass(frozen=True, slots=True)
class _Size:
    """Of what is selected: how deep it is, and how many selections."""

    depth: int
    selections: int


_NOTHING = _Size(0, 0)


def exceeded(document: DocumentNode, limits: OperationLimits) -> tuple[dict[str, Any], ...]:
    """An error, ready to be sent, for every limit that the document exceeds."""
    counts = _Counts()
    counts.add(document)
    sizes = _Sizes(document)
    operations = [
        sizes.of(definition.selection_set)
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    found = [
        ("levels of fields", "depth", max((size.depth for size in operations), default=0), limits.depth),
        ("aliases", "aliases", counts.aliases, limits.aliases),
        ("directives", "directives", counts.directives, limits.directives),
        (
            "fields and fragments, those of a fragment as often as it is spread",
            "selections",
            sum(size.selections for size in operations),
            limits.selections,
        ),
        ("variables", "variables", counts.variables, MOST_VARIABLES),
        ("characters in one name", "name", counts.longest_name, MOST_NAME_CHARACTERS),
        ("characters in one number", "number", counts.longest_number, MOST_DIGITS),
    ]
    return tuple(
        too_complex(f"The document has {_shown(number)} {what}; at most {most} are allowed.", measure, number, most)
        for what, measure, number, most in found
        if number > most
    )


def too_complex(message: str, measure: str, found: int | None, limit: int) -> dict[str, Any]:
    """The refusal of an operation because of a limit; ``found`` is None where nobody counted to the end."""
    facts: dict[str, object] = {"measure": measure, "limit": limit}
    if found is not None:
        facts["found"] = min(found, 2**31 - 1)
    return request_error(message, TOO_COMPLEX, **facts)


def _shown(number: int) -> str:
    return str(number) if number < 1_000_000 else "over a million"


class _Counts:
    """What counts as often as it is written."""

    def __init__(self) -> None:
        self.aliases = 0
        self.directives = 0
        self.variables = 0
        self.longest_name = 0
        self.longest_number = 0

    def add(self, document: DocumentNode) -> None:
        # A stack of its own: the parser lets values nest far deeper than Python likes to call.
        waiting: list[Node] = [document]
        while waiting:
            node = waiting.pop()
            match node:
                case NameNode():
                    self.longest_name = max(self.longest_name, len(node.value))
                case IntValueNode() | FloatValueNode():
                    self.longest_number = max(self.longest_number, len(node.value))
                case FieldNode() if node.alias is not None:
                    self.aliases += 1
                case DirectiveNode():
                    self.directives += 1
                case VariableDefinitionNode():
                    self.variables += 1
            for key in QUERY_DOCUMENT_KEYS.get(node.kind, ()):
                held = getattr(node, key)
                if isinstance(held, Node):
                    waiting.append(held)
                elif held:
                    waiting.extend(held)


class _Sizes:
    """Measures selections, each fragment once."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._known: dict[str, _Size] = {}
        self._measure_fragments()

    def of(self, selections: SelectionSetNode) -> _Size:
        """The size of what is selected, fragments included."""
        depth = count = 0
        for selection in selections.selections:
            match selection:
                case FieldNode():
                    below = self.of(selection.selection_set) if selection.selection_set is not None else _NOTHING
                    # Introspection nests deeply in every client, and has a rule of its own.
                    levels = 0 if selection.name.value in _INTROSPECTION else below.depth
                    size = _Size(levels + 1, below.selections)
                case InlineFragmentNode():
                    size = self.of(selection.selection_set)
                case FragmentSpreadNode():
                    size = self._known.get(selection.name.value, _NOTHING)
                case _:
                    size = _NOTHING
            depth = max(depth, size.depth)
            count += size.selections + 1
        return _Size(depth, count)

    def _measure_fragments(self) -> None:
        """Measures every fragment after those that it spreads.

        A cycle is cut where it closes: validation refuses it. Chains of fragments may be longer than Python likes to
        call, hence the stack.
        """
        begun: set[str] = set()
        for first in self._fragments:
            waiting = [first]
            while waiting:
                name = waiting[-1]
                fragment = self._fragments.get(name)
                if name in self._known or fragment is None:
                    waiting.pop()
                elif name in begun:
                    self._known[name] = self.of(fragment.selection_set)
                    waiting.pop()
                else:
                    begun.add(name)
                    waiting.extend(spread for spread in _spread_in(fragment.selection_set) if spread not in begun)


def _spread_in(selections: SelectionSetNode) -> Iterable[str]:
    for selection in selections.selections:
        match selection:
            case FragmentSpreadNode():
                yield selection.name.value
            case FieldNode() | InlineFragmentNode() if selection.selection_set is not None:
                yield from _spread_in(selection.selection_set)
