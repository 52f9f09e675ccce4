"""HTTP statuses of answers in GraphQL's own terms, in the profile that the operator has chosen."""

from typing import Any, Literal, TypeAlias

from mnesis.graph.body import BadRequest, NotJson
from mnesis.graph.faults import PARSE_FAILED
from mnesis.graph.media import RESPONSE_JSON

Profile: TypeAlias = Literal["400", "422"]
"""``400`` is what GraphQL over HTTP recommended until 2025 and clients are used to.

``422`` follows its draft of August 2026: 400 is for what cannot be read, 422 for what can but cannot be executed, 294
for an answer of which a part failed.
"""

PARTIAL = 294


def answer_status(answer: dict[str, Any], media_type: str, profile: Profile) -> int:
    """The status of an answer in JSON.

    Clients that know no media type but JSON expect 200 whatever the answer says: another status might be a proxy's.
    """
    if media_type != RESPONSE_JSON:
        return 200
    if "data" not in answer:
        unreadable = answer["errors"][0]["extensions"]["code"] == PARSE_FAILED
        return 400 if unreadable else int(profile)
    if profile == "422" and answer["data"] is not None and "errors" in answer:
        return PARTIAL
    return 200


def refusal_status(bad: BadRequest, profile: Profile) -> int:
    """The status of the refusal of a request whose parameters are no operation."""
    return 400 if isinstance(bad, NotJson) else int(profile)
