"""Containers made, read, changed and deleted."""

import re
from collections.abc import Mapping
from typing import Any

from mnesis.domain.caller import Scope
from mnesis.domain.containers import (
    Container,
    ContainerDeletion,
    ContainerSettings,
    ContainerUpdate,
    NewContainer,
    Retention,
    SettingValue,
)
from mnesis.domain.json_values import JsonObject
from mnesis.domain.refusals import AlreadyExists, VersionConflict
from mnesis.facades.opensearch import reading_bodies as read
from mnesis.facades.opensearch.configuration import CONTAINER_INDEX, KEY, kept_configuration
from mnesis.facades.opensearch.documents import container_source
from mnesis.facades.opensearch.errors import OpenSearchError, illegal_argument, refusal_error, status_error
from mnesis.facades.opensearch.finding import body_object, the_container, written
from mnesis.facades.opensearch.http import NO_PRIVILEGE, Asked
from mnesis.facades.opensearch.kinds import kind_of
from mnesis.facades.opensearch.settings_of_containers import (
    NO_RETENTION,
    changed_configuration,
    check_roles,
    merged_rules,
    new_configuration,
)
from mnesis.usecases.ports import ContainerOutcome
from mnesis.usecases.requests import CreateContainer, DeleteContainer, UpdateContainer

UPDATE_FORBIDDEN = "User doesn't have permissions to update memories in this container"
DELETION_FORBIDDEN = "Only container owner can delete container"
BOTH = (
    "Cannot specify both delete_all_memories and delete_memories. Use either delete_all_memories=true OR"
    " delete_memories with specific types"
)
DELETION_PARAMETERS = ("delete_all_memories", "delete_memories")
ROUNDS = 10
"""How often a change of the configuration begins anew when others change the container meanwhile."""

_CHOSEN_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,511}\Z")


async def create_container(asked: Asked) -> dict[str, Any]:
    """``POST /memory_containers/_create``."""
    if asked.body is None:
        raise illegal_argument("Request body is required")
    body = body_object(asked.body)
    given = dict(_name_and_description(body))
    if given.get("name") is None:
        raise illegal_argument("name is null")
    chosen = body.get("memory_container_id")
    if chosen is not None and not (isinstance(chosen, str) and _CHOSEN_ID.match(chosen)):
        raise illegal_argument(f"Invalid memory container id: {chosen}. Must match ^[a-zA-Z0-9][a-zA-Z0-9_-]*$")
    configuration = _object(body.get("configuration"))
    metadata: JsonObject = {KEY: {"configuration": new_configuration(configuration)}}
    given["metadata"] = metadata
    if body.get("backend_roles") is not None:
        given["roles"] = tuple(check_roles(body["backend_roles"]))
    if configuration.get("retention_policy") is not None:
        given["retention"] = _rules(asked, {}, configuration["retention_policy"])
    command = NewContainer(id=chosen, settings=ContainerSettings(given=given))
    outcome = await asked.memories.create_container(asked.caller, CreateContainer(container=command))
    if any(isinstance(each, AlreadyExists) for each in outcome.refusals):
        raise status_error(409, f"memory container id '{chosen}' already exists")
    _check(outcome, forbidden=NO_PRIVILEGE)
    return {"memory_container_id": outcome.id, "status": "created"}


async def get_container(asked: Asked) -> dict[str, Any]:
    """``GET /memory_containers/{container_id}``."""
    return container_source(await _found(asked, scope=Scope.READ, forbidden=NO_PRIVILEGE))


async def update_container(asked: Asked) -> dict[str, Any]:
    """``PUT /memory_containers/{container_id}``."""
    if not asked.body:
        raise illegal_argument("Update memory container request has empty body")
    body = body_object(asked.body)
    for _ in range(ROUNDS):
        container = await _found(asked, scope=Scope.WRITE, forbidden=UPDATE_FORBIDDEN)
        command = ContainerUpdate(
            id=container.id,
            settings=ContainerSettings(given=_changes(asked, container, body)),
            # The default container has no version to insist on before anybody has written to it.
            if_version=container.version if container.created_at is not None else None,
        )
        outcome = await asked.memories.update_container(asked.caller, UpdateContainer(container=command))
        if not any(isinstance(each, VersionConflict) for each in outcome.refusals):
            break
    changed = _check(outcome, forbidden=UPDATE_FORBIDDEN)
    return written(CONTAINER_INDEX, container.id, changed, "updated", changed - 1)


async def delete_container(asked: Asked) -> dict[str, Any]:
    """``DELETE /memory_containers/{container_id}``. Its memories, which nobody could reach any more, go with it."""
    body = body_object(asked.body) if asked.body is not None else {}
    given = {name: asked.parameters.get(name, body.get(name)) for name in DELETION_PARAMETERS}
    everything = read.flag("delete_all_memories", asked.path["container_id"], given["delete_all_memories"])
    named = given["delete_memories"] or []
    kinds = named.split(",") if isinstance(named, str) else named
    if not isinstance(kinds, list):
        raise illegal_argument("delete_memories must be an array")
    if everything and kinds:
        raise illegal_argument(BOTH)
    for name in kinds:
        kind_of(str(name).strip())
    container = await _found(asked, scope=Scope.READ, forbidden=DELETION_FORBIDDEN)
    command = ContainerDeletion(id=container.id, delete_memories=True)
    outcome = await asked.memories.delete_container(asked.caller, DeleteContainer(container=command))
    version = _check(outcome, forbidden=DELETION_FORBIDDEN)
    return written(CONTAINER_INDEX, container.id, version, "deleted", version - 1)


async def _found(asked: Asked, *, scope: Scope, forbidden: str) -> Container:
    try:
        return await the_container(asked, scope=scope, forbidden=forbidden)
    except OpenSearchError as error:
        if error.status != 404:
            raise
        told = "Failed to find memory container with the provided memory container id"
        raise status_error(404, f"{told}: {asked.path['container_id']}") from None


def _changes(asked: Asked, container: Container, body: dict[str, Any]) -> Mapping[str, SettingValue]:
    """What an update sets; always something, since OpenSearch counts one that changes nothing it knows."""
    given = dict(_name_and_description(body))
    configuration = _object(body.get("configuration"))
    if configuration:
        changed = changed_configuration(kept_configuration(container), configuration)
        metadata: JsonObject = {**(container.metadata or {}), KEY: {"configuration": changed}}
        given["metadata"] = metadata
    if body.get("backend_roles") is not None:
        given["roles"] = tuple(check_roles(body["backend_roles"]))
    if "retention_policy" in configuration:
        given["retention"] = _rules(asked, container.retention, configuration["retention_policy"])
    return given or {"name": container.name}


def _rules(asked: Asked, stored: Retention, policy: Any) -> SettingValue:
    if not asked.retains:
        raise status_error(403, NO_RETENTION)
    return merged_rules(stored, policy)


def _name_and_description(body: dict[str, Any]) -> dict[str, SettingValue]:
    named: dict[str, SettingValue] = {}
    for field in ("name", "description"):
        if body.get(field) is not None:
            named[field] = read.text(field, "new", body[field])
    return named


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise illegal_argument("configuration must be an object")
    return value


def _check(outcome: ContainerOutcome, *, forbidden: str) -> int:
    """The version that was made. Raises `OpenSearchError` where the container was not written."""
    if outcome.refusals:
        raise refusal_error(outcome.refusals, forbidden=forbidden)
    assert outcome.version is not None  # What was written has one.
    return outcome.version
