"""Directives that the schema applies to its own fields."""

import strawberry
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="semanticNonNull",
    description=(
        "The field is null only where an error stands in its place; clients that throw on errors may take it for"
        " non-null. `levels` counts list nesting, 0 being the field itself."
    ),
)
class SemanticNonNull:
    """See https://specs.apollo.dev/nullability."""

    levels: list[int] = strawberry.directive_field(name="levels")


SEMANTIC_NON_NULL = SemanticNonNull(levels=[0])
