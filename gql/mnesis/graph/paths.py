"""Where in the arguments of a mutation a refusal points: the domain's words as the client wrote them."""

from collections.abc import Sequence

_BESIDE_THE_INPUT = frozenset({"type", "id", "if_version"})


def camel(word: str) -> str:
    """A word of the domain as this schema spells it: ``additional_info`` is ``additionalInfo``."""
    first, *others = word.split("_")
    return first + "".join(map(str.capitalize, others))


def argument(path: Sequence[str], *at: str) -> list[str]:
    """The path to an argument, or to a field below ``at``. Only its first word is the domain's; keys stay."""
    return [*at, camel(path[0]), *path[1:]] if path else list(at)


def in_update(path: Sequence[str], member: str, *at: str) -> list[str]:
    """The path into an update whose `type`, `id` and `ifVersion` stand beside its input, all of them below ``at``."""
    if not path:
        return [*at, "input"]
    if path[0] in _BESIDE_THE_INPUT:
        return argument(path, *at)
    return argument(path, *at, "input", member)


def in_creation(path: Sequence[str], member: str, at: Sequence[str], container_at: Sequence[str]) -> list[str]:
    """The path into the input of a creation at ``at``; the container is named at ``container_at``."""
    if not path:
        return list(at)
    if path[0] == "container_id":
        return argument(path, *container_at)
    return argument(path, *at, member)
