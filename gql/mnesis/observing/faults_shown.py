"""Faults as the log tells them: what kind, where, and by whose code; not in their own words.

A driver's message may repeat the row that it refused, and a KeyError is its key, so messages are content until proven
otherwise.
"""

import traceback
from pathlib import PurePath

from mnesis.complaints import Complaint
from mnesis.usecases.ports import Overloaded, StoreFault
from mnesis.web.keys import KeysUnavailable

MOST_FAULTS = 5
MOST_FRAMES = 40
MOST_CHARACTERS = 300


def shown_fault(fault: BaseException) -> str:
    """A fault and what caused it, in one line without content."""
    return " <- ".join(map(_words, _chain(fault)))


def shown_trace(fault: BaseException) -> str:
    """The same in several lines, with the places that each was raised through."""
    lines = []
    for each in _chain(fault):
        lines.append(_words(each))
        frames = traceback.extract_tb(each.__traceback__)[-MOST_FRAMES:]
        lines += [f"  {_place(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
    return "\n".join(lines)


def _chain(fault: BaseException) -> list[BaseException]:
    """The fault first, the cause of all last."""
    chain: list[BaseException] = []
    each: BaseException | None = fault
    while each is not None and each not in chain and len(chain) < MOST_FAULTS:
        chain.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return chain


def _words(fault: BaseException) -> str:
    name = type(fault).__name__
    words = _own_words(fault)
    return f"{name}: {words[:MOST_CHARACTERS]}" if words else name


def _own_words(fault: BaseException) -> str | None:
    """What may be repeated of a message: a code, or words that were made without a statement at hand."""
    for attribute in ("sqlstate", "sqlite_errorname"):
        code = getattr(fault, attribute, None)
        if isinstance(code, str):
            return code
    if isinstance(fault, StoreFault | Overloaded | Complaint | KeysUnavailable):
        # The message of a fault with a cause was made of the cause's.
        return None if fault.__cause__ is not None else str(fault)
    if isinstance(fault, OSError):
        return fault.strerror
    kinds = {kind.__name__ for kind in type(fault).__mro__}
    if type(fault).__module__.startswith("psycopg") and "OperationalError" in kinds:
        # Without a code from the server it is about the connection.
        return str(fault).partition("\n")[0]
    return None


def _place(filename: str) -> str:
    return "/".join(PurePath(filename).parts[-3:])
