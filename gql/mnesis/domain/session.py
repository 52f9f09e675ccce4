"""Session memory: one conversation and its metadata (OpenSearch ``sessions``; an Alchemyst session)."""

from mnesis.domain.fields import Field, FieldKind

SESSION_FIELDS = (
    Field(name="summary", kind=FieldKind.TEXT, content=True),
    Field(name="metadata", kind=FieldKind.OBJECT),
    Field(name="agents", kind=FieldKind.OBJECT),
    Field(name="additional_info", kind=FieldKind.OBJECT),
    Field(name="pinned", kind=FieldKind.FLAG, clearable=False, empty=False),
)
