"""Who asks: bearer tokens (RFC 6750) become a `Caller`, or are refused before any edge runs."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

import jwt
from jwt.exceptions import InvalidSubjectError

from mnesis.domain.caller import EVERY_SCOPE, Caller, Scope
from mnesis.domain.containers import MOST_ROLES, is_role
from mnesis.web.keys import KeySource, SharedSecret, VerificationKey

LEEWAY_S = 5
"""How far the clocks of the issuer and of this server may be apart."""
NAME_CHARACTERS = 200
"""The longest tenant and the longest subject."""
TOKEN_CHARACTERS = 16_384
"""A longer token is refused unread."""

_JWT = jwt.PyJWT()


class Unauthenticated(Exception):
    """The credentials are missing or do not hold. The text is safe to show to anyone.

    ``missing`` tells apart a caller who sent none: RFC 6750 wants no error code in the challenge then.
    """

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.missing = missing


class Authenticator(Protocol):
    """Turns the value of an ``Authorization`` header into a caller.

    A socket's edge hands it what stands for that header in the socket's first message.
    """

    async def authenticate(self, authorization: str | None) -> Caller:
        """Raises `Unauthenticated`, and `mnesis.web.keys.KeysUnavailable` while no key could be read yet."""
        ...


class LocalAuthenticator:
    """Takes everybody for the one person at this machine. Only for a server on a loopback address."""

    _caller = Caller(tenant="default", subject="local", scopes=EVERY_SCOPE, authenticated=False)

    async def authenticate(self, authorization: str | None) -> Caller:
        return self._caller


class TokenAuthenticator:
    """Verifies JSON Web Tokens. ``issuer`` and ``audience`` are checked where they are given."""

    def __init__(
        self,
        sources: Iterable[KeySource],
        *,
        tenant_claim: str = "tenant",
        roles_claim: str = "roles",
        issuer: str | None = None,
        audience: str | None = None,
    ) -> None:
        # A shared secret costs nothing to try, while a set of keys may have to be fetched.
        self._sources = sorted(sources, key=lambda source: not isinstance(source, SharedSecret))
        self._tenant_claim = tenant_claim
        self._roles_claim = roles_claim
        self._issuer = issuer
        self._audience = audience

    async def authenticate(self, authorization: str | None) -> Caller:
        return self._caller(await self._claims(_bearer(authorization)))

    async def _claims(self, token: str) -> dict[str, Any]:
        key_id = _key_id(token)
        for source in self._sources:
            for key in await source.keys(key_id):
                try:
                    return self._verified(token, key)
                except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
                    continue
                except jwt.InvalidTokenError as error:
                    raise Unauthenticated(_reason(error)) from None
        raise Unauthenticated("No known key made the token's signature.")

    def _verified(self, token: str, key: VerificationKey) -> dict[str, Any]:
        return _JWT.decode(
            token,
            key.material,
            # The key says how it is used. A token that could choose would choose "none", or an RSA key's public
            # part as a shared secret.
            algorithms=[key.algorithm],
            leeway=LEEWAY_S,
            issuer=self._issuer,
            audience=self._audience,
            options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
        )

    def _caller(self, claims: dict[str, Any]) -> Caller:
        return Caller(
            tenant=_name(claims, self._tenant_claim),
            subject=_name(claims, "sub"),
            scopes=_scopes(claims.get("scope")),
            expires_at=_instant(claims["exp"]),
            roles=_roles(claims.get(self._roles_claim)),
        )


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise Unauthenticated("This needs credentials: send the header Authorization: Bearer <token>.", missing=True)
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("The Authorization header must be of the form: Bearer <token>.")
    if len(token) > TOKEN_CHARACTERS:
        raise Unauthenticated("The token is too long.")
    return token


def _key_id(token: str) -> str | None:
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError:
        raise Unauthenticated("The token is malformed.") from None
    return key_id if isinstance(key_id, str) else None


def _reason(error: jwt.InvalidTokenError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "The token has expired."
        case jwt.ImmatureSignatureError():
            return "The token is not valid yet."
        case jwt.MissingRequiredClaimError():
            return f"The token has no {error.claim} claim."
        case jwt.InvalidAudienceError():
            return "The token is meant for another audience."
        case jwt.InvalidIssuerError():
            return "The token comes from another issuer."
        case InvalidSubjectError():
            return "The token's sub claim must be a string."
        case _:
            return "The token is malformed."


def _name(claims: dict[str, Any], claim: str) -> str:
    value = claims.get(claim)
    if value is None:
        raise Unauthenticated(f"The token has no {claim} claim.")
    # What cannot be printed cannot be told apart by people either, and some of it no database stores.
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_CHARACTERS or not value.isprintable():
        raise Unauthenticated(
            f"The token's {claim} claim must be a string of 1 to {NAME_CHARACTERS} printable characters."
        )
    return value


def _instant(exp: Any) -> datetime | None:
    """When a token ends; None for a time beyond the calendar's."""
    try:
        return datetime.fromtimestamp(int(exp), UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _roles(given: object) -> frozenset[str]:
    """Those that a container could have too; others open nothing."""
    words = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
    roles = [word for word in words if isinstance(word, str) and is_role(word)]
    if len(roles) > MOST_ROLES:
        raise Unauthenticated(f"The token has more than {MOST_ROLES} roles.")
    return frozenset(roles)


def _scopes(granted: object) -> frozenset[Scope]:
    """Scopes of other services may stand beside ours and mean nothing here."""
    words = granted.split() if isinstance(granted, str) else granted if isinstance(granted, list) else []
    return frozenset(scope for scope in Scope if scope in words)
