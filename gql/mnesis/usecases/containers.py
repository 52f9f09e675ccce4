"""The use cases that make, change and delete containers."""

from dataclasses import replace
from datetime import UTC, datetime

from mnesis.domain.access import may_manage
from mnesis.domain.caller import Caller, Scope, of_all
from mnesis.domain.commands import Idempotency
from mnesis.domain.containers import ContainerCommand, ContainerDeletion, container_faults, delete
from mnesis.domain.filters import MemoryFilter
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import WriteStatus
from mnesis.domain.refusals import ContainerNotEmpty, Forbidden, IdempotencyConflict, NotFound, Refusal
from mnesis.domain.validation import request_faults
from mnesis.usecases.fingerprint import fingerprint
from mnesis.usecases.ports import (
    NOTHING,
    ContainerOutcome,
    ContainerStore,
    ContainerWrite,
    MemoryReader,
    MemoryRemover,
    Removal,
)
from mnesis.usecases.removing import MemoryRemoval
from mnesis.usecases.requests import CreateContainer, DeleteContainer, UpdateContainer

ROUNDS = 10
"""How often a container that others fill meanwhile is emptied before its deletion is given up."""


class MemoryContainers(MemoryRemoval):
    """Makes, changes and deletes containers on behalf of a caller: anybody may make one, and its owner and
    administrators may change and delete it.

    What the caller can mend is in the answer; `Overloaded` and `StoreFault` are raised.
    """

    def __init__(
        self, containers: ContainerStore, remover: MemoryRemover, reader: MemoryReader, limits: Limits
    ) -> None:
        super().__init__(remover, reader, limits)
        self._containers = containers

    async def create_container(self, caller: Caller, request: CreateContainer) -> ContainerOutcome:
        """Makes a container; a deleted one's id goes on at the next version."""
        return await self._written(caller, request, request.container)

    async def update_container(self, caller: Caller, request: UpdateContainer) -> ContainerOutcome:
        """Changes the settings that are given."""
        return await self._written(caller, request, request.container)

    async def delete_container(self, caller: Caller, request: DeleteContainer) -> ContainerOutcome:
        """Deletes an empty container, or one with its memories where the request says so.

        Those go in steps of which each is one transaction, with other writers in between. The last step deletes the
        container together with what is left, so that it is empty when it is gone. What was removed before a refusal
        or a fault stays so, and the same request goes on with the rest.
        """
        command = request.container
        if refusals := self._container_refusals(caller, command, request.reason, request.idempotency_key):
            return _failed(command.id, *refusals)
        if (refusal := await self._not_his(caller, command)) is not None:
            return _failed(command.id, refusal)
        inside = of_all(caller)
        key = _key(request, request.idempotency_key)
        removal = Removal(
            erases=False,
            filter=MemoryFilter(container_id=command.id),
            actor=caller.subject,
            reason=request.reason,
            idempotency=key,
        )
        if request.dry_run:
            return await self._tried(inside, request, removal)
        write = ContainerWrite(command=command, actor=caller.subject, reason=request.reason, idempotency=key)
        removed = NOTHING
        for _ in range(ROUNDS):
            outcome = await self._containers.write_container(caller, write)
            if outcome.refusals:
                return replace(outcome, removed=removed)
            if not outcome.remaining:
                # Under a key, the store has counted what went before.
                counts = outcome.removed if key is not None else removed.plus(outcome.removed)
                # A request that removed a part of it itself took part in the first answer.
                return replace(outcome, removed=counts, replayed=outcome.replayed and removed == NOTHING)
            async for step in self._steps(inside, removal):
                taken = await self._remover.remove(inside, removal, step.ids, found=step.found)
                if taken.conflict:
                    return replace(_failed(command.id, _conflict()), removed=removed)
                if taken.settled:
                    break
                removed = removed.plus(taken.removed)
        refusal = ContainerNotEmpty(path=("id",), id=command.id, memories=outcome.remaining)
        return replace(_failed(command.id, refusal), removed=removed)

    async def _not_his(self, caller: Caller, command: ContainerDeletion) -> Refusal | None:
        """Why the caller may not delete a container. That is asked before the memories in it go, whoever made them, and
        once more when the container does."""
        if caller.admin:
            return None
        stored = (await self._removal_reader.containers(caller, [command.id])).get(command.id)
        if stored is None or stored.deleted:
            return NotFound(path=("id",), kind="container", id=command.id)
        if not may_manage(caller, stored.owner):
            return Forbidden(required_scope=Scope.ADMIN, or_owner=stored.owner is not None)
        return None

    async def _tried(self, caller: Caller, request: DeleteContainer, removal: Removal) -> ContainerOutcome:
        command = request.container
        counts = await self._removal_reader.count_removable(caller, removal)
        stored = (await self._removal_reader.containers(caller, [command.id])).get(command.id)
        found = delete(stored, command, memories=counts.memories, now=datetime.now(UTC))
        if isinstance(found, Refusal):
            return _failed(command.id, found)
        return ContainerOutcome(status=WriteStatus.DELETED, id=command.id, version=found.version, removed=counts)

    async def _written(
        self, caller: Caller, request: CreateContainer | UpdateContainer, command: ContainerCommand
    ) -> ContainerOutcome:
        if refusals := self._container_refusals(caller, command, None, request.idempotency_key):
            return _failed(command.id, *refusals)
        key = _key(request, request.idempotency_key)
        write = ContainerWrite(command=command, actor=caller.subject, idempotency=key)
        return await self._containers.write_container(caller, write)

    def _container_refusals(
        self, caller: Caller, command: ContainerCommand, reason: str | None, key: str | None
    ) -> tuple[Refusal, ...]:
        if not caller.may(Scope.WRITE):
            return (Forbidden(required_scope=Scope.WRITE),)
        return request_faults(reason=reason, idempotency_key=key) + container_faults(command, self._removal_limits)


def _key(request: object, key: str | None) -> Idempotency | None:
    return Idempotency(key=key, fingerprint=fingerprint(request)) if key is not None else None


def _conflict() -> Refusal:
    return IdempotencyConflict(path=("idempotency_key",))


def _failed(container_id: str | None, *refusals: Refusal) -> ContainerOutcome:
    return ContainerOutcome(status=WriteStatus.FAILED, id=container_id, refusals=refusals)
