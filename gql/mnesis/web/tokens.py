"""Makes tokens that this server accepts, for trying it out and for services without an identity provider."""

import time
from collections.abc import Iterable

import jwt

from mnesis.domain.caller import Scope


def issue_token(
    *,
    secret: str,
    tenant: str,
    subject: str,
    scopes: Iterable[Scope],
    expires_in_s: int,
    tenant_claim: str = "tenant",
    issuer: str | None = None,
    audience: str | None = None,
    roles: Iterable[str] = (),
    roles_claim: str = "roles",
) -> str:
    """A token signed with HS256 that is valid from now on for so many seconds."""
    now = int(time.time())
    claims: dict[str, object] = {
        "sub": subject,
        tenant_claim: tenant,
        "scope": " ".join(sorted(scopes)),
        "iat": now,
        "exp": now + expires_in_s,
    }
    if given := sorted(roles):
        claims[roles_claim] = given
    if issuer is not None:
        claims["iss"] = issuer
    if audience is not None:
        claims["aud"] = audience
    return jwt.encode(claims, secret, algorithm="HS256")
