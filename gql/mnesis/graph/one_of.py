"""The rule for literals of ``@oneOf`` inputs.

Strawberry's own fails on a variable that is not defined, and on one in a fragment that stands before its operation.
"""

from typing import Any

from graphql import (
    GraphQLError,
    NonNullTypeNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValidationContext,
    ValidationRule,
    VariableNode,
    get_named_type,
)


class OneOfInputs(ValidationRule):
    """A literal of a ``@oneOf`` input has exactly one key, and its value is not and cannot become null."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._operations: list[OperationDefinitionNode] = []
        # By identity: equal variables stand at many places.
        self._members: dict[int, str] = {}

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        self._operations.append(node)

    def enter_object_value(self, node: ObjectValueNode, *_: Any) -> None:
        input_type = get_named_type(self.context.get_input_type())
        definition = input_type.extensions.get("strawberry-definition") if input_type is not None else None
        if input_type is None or not getattr(definition, "is_one_of", False):
            return
        if len(node.fields) != 1:
            self._refuse(f"OneOf Input Object '{input_type.name}' must specify exactly one key.", node)
            return
        [member] = node.fields
        match member.value:
            case NullValueNode():
                self._refuse(f"Field '{input_type.name}.{member.name.value}' must be non-null.", node)
            case VariableNode():
                self._members[id(member.value)] = input_type.name

    def leave_document(self, *_: Any) -> None:
        for operation in self._operations:
            nullable = {
                definition.variable.name.value
                for definition in operation.variable_definitions or ()
                if not isinstance(definition.type, NonNullTypeNode)
            }
            for usage in self.context.get_recursive_variable_usages(operation):
                name = usage.node.name.value
                if name in nullable and (input_type := self._members.get(id(usage.node))) is not None:
                    text = f"Variable '{name}' must be non-nullable to be used for OneOf Input Object '{input_type}'."
                    self._refuse(text, usage.node)

    def _refuse(self, text: str, node: ObjectValueNode | VariableNode) -> None:
        self.report_error(GraphQLError(text, nodes=[node]))
