"""Who asks: the tenant comes from the credentials, never from an argument."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a caller may do; each includes the ones before it."""

    READ = "memory:read"
    WRITE = "memory:write"
    ADMIN = "memory:admin"


_GRANTING = {
    Scope.READ: frozenset(Scope),
    Scope.WRITE: frozenset({Scope.WRITE, Scope.ADMIN}),
    Scope.ADMIN: frozenset({Scope.ADMIN}),
}
"""The scopes that are, or include, each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller of one tenant.

    ``subject`` is recorded as the actor of what the caller changes. ``scopes`` are the ones granted;
    ask `may`, which knows that write includes read and admin both. ``roles`` open containers (see `access`).
    ``expires_at`` is when the credentials end, None for never; it says nothing of who the caller is. One who is not
    ``authenticated`` owns nothing.
    """

    tenant: str
    subject: str
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    expires_at: datetime | None = field(default=None, compare=False)
    roles: frozenset[str] = frozenset()
    authenticated: bool = True

    @property
    def admin(self) -> bool:
        """Whether everything of the tenant is the caller's to see and to change."""
        return Scope.ADMIN in self.scopes

    @property
    def owner(self) -> str | None:
        """Who owns what the caller makes."""
        return self.subject if self.authenticated else None

    def may(self, scope: Scope) -> bool:
        """Whether a granted scope is, or includes, this one."""
        return not _GRANTING[scope].isdisjoint(self.scopes)


EVERY_SCOPE = frozenset(Scope)


def of_all(caller: Caller) -> Caller:
    """The same one as an administrator, for what goes with something that was found to be theirs."""
    return replace(caller, scopes=EVERY_SCOPE)
