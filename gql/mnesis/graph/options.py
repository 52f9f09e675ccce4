"""What an operator can choose about the endpoint."""

from dataclasses import dataclass, field

from mnesis.domain.limits import OperationLimits
from mnesis.graph.statuses import Profile
from mnesis.graph.trusted_documents import TrustedDocuments


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """``introspection`` answers questions about the schema; ``suggestions`` says "Did you mean" to wrong names.

    The ``profile`` decides about the status of what cannot be executed. See `mnesis.graph.asked_documents` for
    ``trusted``, ``only_trusted`` and ``persisted_queries``.
    """

    introspection: bool = True
    suggestions: bool = True
    trusted: TrustedDocuments = field(default_factory=TrustedDocuments)
    only_trusted: bool = False
    persisted_queries: int = 1_000
    limits: OperationLimits = field(default_factory=OperationLimits)
    profile: Profile = "400"
