"""Who may see and change what: owners, roles and shared containers.

The rules of OpenSearch's agentic memory (3.3) in our words. `mnesis.storage.visibility` says the same in SQL for what
is read; what is written is decided by these functions under the tenant's lock. A test holds the two together.
"""

from dataclasses import dataclass

from mnesis.domain.caller import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What decides who gets into a container.

    One that is not ``guarded`` is open to the whole tenant, and so are the memories in it. That is any container
    without an owner, such as the default one, and one that its owner shares.
    """

    owner: str | None = None
    roles: frozenset[str] = frozenset()
    guarded: bool = False


OPEN = Access()


def may_enter(caller: Caller, container: Access) -> bool:
    """Whether the caller may see a container, and add memories to it: its owner, and who has one of its roles."""
    return (
        not container.guarded
        or caller.admin
        or container.owner == caller.subject
        or not caller.roles.isdisjoint(container.roles)
    )


def may_see(caller: Caller, *, owner: str | None, guarded: bool, container: Access) -> bool:
    """Whether the caller may see a memory, and so change it.

    In a guarded container that is whoever made it and may enter the container still; where nobody is known to have
    made it, all who may enter. ``guarded`` is the memory's own, which it has from its container.
    """
    if not guarded or caller.admin:
        return True
    return (owner is None or owner == caller.subject) and may_enter(caller, container)


def may_manage(caller: Caller, owner: str | None) -> bool:
    """Whether the caller may change a container's settings and delete it: its owner, and administrators."""
    return caller.admin or (owner is not None and owner == caller.subject)
