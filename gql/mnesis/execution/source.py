"""Python source that is written while an operation is compiled."""

import keyword
from collections.abc import Callable
from typing import Any


class Source:
    """The body of one function.

    Nothing that a document or a schema says becomes text here: every value goes into the function's namespace, under a
    name that is made here. So no document can say anything that Python would read.
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

    def function(self, name: str, parameters: str) -> Callable[..., Any]:
        """The function that has these lines, indented by one or more, as its body."""
        text = "\n".join([f"def {name}({parameters}):", *self._lines, ""])
        exec(compile(text, "<execution>", "exec"), self._namespace)  # noqa: S102  # See the class.
        function: Callable[..., Any] = self._namespace[name]
        return function
