"""What of the memories of a list an operation looks at, so that nothing else is fetched."""

import weakref
from typing import Any

from graphql import FieldNode, FragmentSpreadNode, OperationDefinitionNode, SelectionSetNode

from mnesis.domain.memory import FIELDS, Memory
from mnesis.graph.context import Info
from mnesis.graph.paths import camel

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    **{camel(name): (name,) for name in Memory.__dataclass_fields__ if name != "values"},
    **{camel(name): (name,) for fields in FIELDS.values() for name in fields},
    "id": (),
    "memoryId": (),
    "isCurrent": (),
    "type": (),
    "history": (),
    "entries": (),
    "container": ("container_id",),
    "session": ("session_id",),
}
"""The attributes of `Memory.written` that each field of a type of memory reads, but for the id and the type."""

_known: dict[int, tuple[weakref.ref[OperationDefinitionNode], frozenset[str]]] = {}


def looked_at(info: Info) -> frozenset[str]:
    """The attributes that may be looked at: those of any field with such a name in the operation, wherever it is."""
    operation = info.operation
    known = _known.get(id(operation))
    if known is not None and known[0]() is operation:
        return known[1]
    return _found(operation, info)


def _found(operation: OperationDefinitionNode, info: Info) -> frozenset[str]:
    names: set[str] = set()
    fragments = dict(info._raw_info.fragments)
    waiting: list[SelectionSetNode] = [operation.selection_set]
    while waiting:
        for selected in waiting.pop().selections:
            if isinstance(selected, FieldNode):
                names.add(selected.name.value)
            each: Any = selected
            if isinstance(selected, FragmentSpreadNode):
                # Once is enough.
                each = fragments.pop(selected.name.value, None)
            if each is not None and each.selection_set is not None:
                waiting.append(each.selection_set)
    found = frozenset(attribute for name in names for attribute in ATTRIBUTES.get(name, ()))
    key = id(operation)
    _known[key] = (weakref.ref(operation, lambda _: _known.pop(key, None)), found)
    return found
