"""Python source that is written while an operation is compiled."""

import keyword
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any

_LONGEST_KEPT = 20_000


def _compiled(text: str) -> CodeType:
    return compile(text, "<execution>", "exec")


# Documents that differ in names and values alone have the same text, and compiling it is most of what they cost.
_kept = lru_cache(maxsize=512)(_compiled)


class Source:
    """The body of one function.

    Nothing that a document says becomes text here: every value goes into the function's namespace, under a name that
    is made here. So no document can say anything that Python would read. What does become text are names of attributes
    and parameters in the schema's own Python.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._namespace: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def name(self, value: object) -> str:
        """A name that stands for the value."""
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"k{len(self._names)}"
            # It also keeps the value alive, without which its id could come to mean another one.
            self._namespace[name] = value
        return name

    def attribute(self, of: str, name: str) -> str:
        """An expression for an attribute of what the variable ``of`` holds."""
        if name.isascii() and name.isidentifier() and not keyword.iskeyword(name):
            return f"{of}.{name}"
        return f"{self.name(getattr)}({of}, {self.name(name)})"

    def line(self, depth: int, text: str) -> None:
        """Adds a line."""
        self._lines.append("    " * depth + text)

    def function(self, name: str, parameters: str, *, is_async: bool = False) -> Callable[..., Any]:
        """The function that has these lines, indented by one or more, as its body."""
        text = "\n".join([f"{'async ' if is_async else ''}def {name}({parameters}):", *self._lines, ""])
        code = _kept(text) if len(text) <= _LONGEST_KEPT else _compiled(text)
        exec(code, self._namespace)  # noqa: S102  # See the class.
        function: Callable[..., Any] = self._namespace[name]
        return function
