"""Long-term memory: one distilled fact (OpenSearch ``long-term``)."""

from mnesis.domain.fields import Field, FieldKind

LONG_TERM_FIELDS = (
    Field(name="memory", kind=FieldKind.TEXT, content=True, clearable=False, required=True, blank=False),
    Field(name="tags", kind=FieldKind.OBJECT),
    Field(name="strategy", kind=FieldKind.TEXT, fixed=True),
    Field(name="pinned", kind=FieldKind.FLAG, clearable=False, empty=False),
)
