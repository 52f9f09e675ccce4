"""Working memory: what an agent uses right now, as messages or as data; inside a session it is an entry."""

from mnesis.domain.fields import Field, FieldKind
from mnesis.domain.memory_types import PayloadType

DEFAULT_ROLE = "user"
"""The role of an entry whose writer names none."""

WORKING_FIELDS = (
    Field(name="content", kind=FieldKind.TEXT, content=True, clearable=False, blank=False),
    Field(name="role", kind=FieldKind.ROLE, clearable=False),
    Field(name="messages", kind=FieldKind.MESSAGES, content=True, clearable=False, empty=()),
    Field(name="structured_data", kind=FieldKind.OBJECT, content=True),
    Field(name="binary_data", kind=FieldKind.BINARY, content=True),
    Field(name="tags", kind=FieldKind.OBJECT),
    Field(name="metadata", kind=FieldKind.OBJECT),
    Field(
        name="payload_type",
        kind=FieldKind.PAYLOAD,
        clearable=False,
        fixed=True,
        empty=PayloadType.CONVERSATIONAL,
    ),
)
