"""Who may see and change what, and how containers come by their owners."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mnesis.domain.access import OPEN, Access, may_enter, may_manage, may_see
from mnesis.domain.caller import EVERY_SCOPE, Caller, Scope, of_all
from mnesis.domain.containers import (
    Container,
    ContainerDeletion,
    ContainerSettings,
    ContainerUpdate,
    NewContainer,
    container_faults,
    create,
    delete,
    update,
)
from mnesis.domain.limits import Limits
from mnesis.domain.quotas import Allowance, Quotas, Usage
from mnesis.domain.refusals import AlreadyExists, Forbidden, InvalidInput, LimitExceeded, NotFound, QuotaExceeded

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ADA = Caller(tenant="acme", subject="ada", scopes=frozenset({Scope.WRITE}))
BOB = Caller(tenant="acme", subject="bob", scopes=frozenset({Scope.WRITE}))
MATE = replace(BOB, subject="mate", roles=frozenset({"team"}))
ROOT = replace(BOB, subject="root", scopes=frozenset({Scope.ADMIN}))
OWN = Access(owner="ada", roles=frozenset({"team"}), guarded=True)
NO_SETTINGS = ContainerSettings(given={})


@pytest.mark.parametrize(("caller", "enters"), [(ADA, True), (BOB, False), (MATE, True), (ROOT, True)])
def test_a_guarded_container_is_entered_by_its_owner_a_role_and_administrators(caller: Caller, enters: bool) -> None:
    assert may_enter(caller, OWN) is enters
    assert may_enter(caller, OPEN)
    assert may_enter(caller, replace(OWN, guarded=False))


@pytest.mark.parametrize(
    ("caller", "of_ada", "of_nobody", "of_mate"),
    [(ADA, True, True, False), (BOB, False, False, False), (MATE, False, True, True), (ROOT, True, True, True)],
)
def test_a_memory_in_it_is_its_makers(caller: Caller, of_ada: bool, of_nobody: bool, of_mate: bool) -> None:
    seen = [may_see(caller, owner=owner, guarded=True, container=OWN) for owner in ("ada", None, "mate")]
    assert seen == [of_ada, of_nobody, of_mate]
    assert may_see(caller, owner="ada", guarded=False, container=OWN)


def test_who_may_no_longer_enter_sees_not_even_his_own() -> None:
    assert not may_see(MATE, owner="mate", guarded=True, container=replace(OWN, roles=frozenset()))


def test_what_nobody_owns_is_managed_by_administrators() -> None:
    managed = [[may_manage(caller, owner) for owner in ("ada", None)] for caller in (ADA, MATE, ROOT)]
    assert managed == [[True, False], [False, False], [True, True]]
    assert (ADA.owner, replace(ADA, authenticated=False).owner) == ("ada", None)
    assert of_all(ADA).scopes == EVERY_SCOPE


def made(caller: Caller | None = ADA, gone: Container | None = None, *, shared: bool = False) -> object:
    command = NewContainer(id="c", settings=NO_SETTINGS, shared=shared)
    return create(command, taken_by=None, fresh_id="fresh", now=NOW, gone=gone, caller=caller)


def own(**changes: object) -> Container:
    found = made()
    assert isinstance(found, Container)
    return replace(found, **changes)  # type: ignore[arg-type]  # Fields of a container.


@pytest.mark.parametrize(
    ("caller", "shared", "owner", "guarded"),
    [
        (ADA, False, "ada", True),
        (ADA, True, "ada", False),
        (replace(ADA, authenticated=False), False, None, False),
        (None, False, None, False),
    ],
)
def test_a_container_is_its_makers_unless_it_is_shared(
    caller: Caller | None, shared: bool, owner: str | None, guarded: bool
) -> None:
    found = made(caller, shared=shared)
    assert isinstance(found, Container)
    assert (found.owner, found.guarded) == (owner, guarded)
    assert found.access == Access(owner=owner, guarded=guarded)


def test_a_deleted_container_comes_back_as_open_as_it_was_and_for_who_could_manage_it() -> None:
    gone = own(deleted=True)
    assert isinstance(made(BOB, gone), AlreadyExists)
    for caller in (ADA, ROOT):
        found = made(caller, gone)
        assert isinstance(found, Container)
        assert (found.owner, found.version) == (caller.subject, 2)
    assert isinstance(made(ADA, gone, shared=True), InvalidInput)
    open_one = replace(gone, guarded=False)
    assert isinstance(made(BOB, open_one), InvalidInput)
    assert isinstance(made(BOB, open_one, shared=True), Container)
    # What the service makes by itself is nobody's and open.
    assert isinstance(made(None, open_one), Container)


def test_only_its_owner_and_administrators_change_and_delete_it() -> None:
    stored = own(roles=("team",))
    change = ContainerUpdate(id="c", settings=ContainerSettings(given={"roles": ("b", "a", "b")}))
    for caller, refusal in (
        (BOB, NotFound(path=("id",), kind="container", id="c")),
        (MATE, Forbidden(required_scope=Scope.ADMIN, or_owner=True)),
    ):
        assert update(stored, change, now=NOW, caller=caller) == refusal
        assert delete(stored, ContainerDeletion(id="c"), memories=0, now=NOW, caller=caller) == refusal
    assert "owner" in Forbidden(required_scope=Scope.ADMIN, or_owner=True).message
    for allowed in (ADA, ROOT, None):
        changed = update(stored, change, now=NOW, caller=allowed)
        assert isinstance(changed, Container)
        assert (changed.roles, changed.version) == (("b", "a"), 2)
        assert update(changed, change, now=NOW, caller=allowed) is changed
        gone = delete(stored, ContainerDeletion(id="c"), memories=0, now=NOW, caller=allowed)
        assert isinstance(gone, Container)
        # What was in it can be restored, so it stays closed.
        assert (gone.owner, gone.roles, gone.guarded) == ("ada", ("team",), True)
    cleared = update(stored, replace(change, settings=ContainerSettings(given={"roles": None})), now=NOW)
    assert isinstance(cleared, Container)
    assert cleared.roles == ()


@pytest.mark.parametrize("role", ["a", "Z0:+=,.@-_/", "r" * 128])
def test_roles_are_as_opensearch_has_them(role: str) -> None:
    command = NewContainer(settings=ContainerSettings(given={"roles": (role,)}))
    assert container_faults(command, Limits()) == ()


@pytest.mark.parametrize("role", ["", " ", "a b", "ä", "a\n", "r" * 129, "*", "\ud800"])
def test_other_roles_are_refused_with_their_place(role: str) -> None:
    command = NewContainer(settings=ContainerSettings(given={"roles": ("ok", role)}))
    [fault] = container_faults(command, Limits())
    assert isinstance(fault, InvalidInput)
    assert fault.path == ("roles", "1")


def test_there_are_at_most_a_hundred_roles() -> None:
    command = NewContainer(settings=ContainerSettings(given={"roles": tuple(map(str, range(101)))}))
    assert container_faults(command, Limits()) == (LimitExceeded(path=("roles",), unit="roles", limit=100, actual=101),)


def test_an_allowance_refuses_only_what_grows_beyond_it() -> None:
    quotas = Quotas(memories=2, bytes=10, writes_per_month=3)
    allowance = Allowance(quotas=quotas, usage=Usage(memories=5, bytes=5, writes=1), measure=lambda memory: 1)
    assert not quotas.is_empty
    assert Quotas().is_empty
    assert allowance.take(Usage(memories=1)) == QuotaExceeded(unit="memories", limit=2, used=5)
    assert allowance.take(Usage(bytes=6)) == QuotaExceeded(unit="bytes", limit=10, used=5)
    assert allowance.take(Usage(writes=3)) == QuotaExceeded(unit="writes per month", limit=3, used=1)
    assert allowance.take(Usage(memories=-1, bytes=5, writes=2)) is None
    assert allowance.usage == Usage(memories=4, bytes=10, writes=3)
    assert allowance.take(Usage(memories=-1, bytes=-1)) is None
    assert Usage(writes=3, month="2026-10").at("2026-10").writes == 3
    assert Usage(writes=3, month="2026-10").at("2026-11") == Usage(month="2026-11")
