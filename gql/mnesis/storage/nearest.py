"""Finds the memories whose embeddings point most nearly where a question's does.

Every embedding of the newest memories that pass the filter is compared, a bounded number of them: the tenant and the
filter are part of what is looked at, and nothing is missed as an approximate index would, which knows of neither. With
pgvector the database compares; otherwise they are compared here, in chunks, so that memory stays flat.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mnesis.domain.searching import Candidate, best_first
from mnesis.storage.compiling import compiled_for
from mnesis.storage.embedding_statements import EmbeddingReadStatements
from mnesis.storage.engines import Engine
from mnesis.storage.filtering import Sought
from mnesis.storage.visibility import VisibleStatement
from mnesis.usecases.ports import Meaning

Rows = list[Sequence[Any]]
Ask = Callable[[VisibleStatement, Mapping[str, Any]], Rows]

CHUNK = 2_000
"""How many embeddings are held at once."""
ASKED_AGAIN_S = 60.0
"""How often it is asked whether pgvector has come."""
_ARRAY_HEADER = 20
"""Bytes before the numbers of an array as PostgreSQL sends it; each number has its length before it."""

_HAS_PGVECTOR = VisibleStatement(text="SELECT to_regtype('vector') IS NOT NULL")


class Nearest:
    """Compares; to be called in a thread that reads."""

    def __init__(self, engine: Engine) -> None:
        self._on_sqlite = engine.dialect.name == "sqlite"
        self._statements = compiled_for(EmbeddingReadStatements, engine)
        self._lock = threading.Lock()
        self._pgvector: bool | None = False if self._on_sqlite else None
        self._asked_at = -ASKED_AGAIN_S

    def nearest(
        self, ask: Ask, common: Mapping[str, Any], wanted: Sought, meant: Meaning, *, size: int, most: int
    ) -> list[tuple[float, Candidate]]:
        """At most ``size`` memories with the cosine of the angle, where it is above 0, the best first."""
        looked_up = wanted.names("ids")
        values = {**common, **wanted.values, "model": meant.model, "dimensions": len(meant.vector) // 4}
        if not meant.vector:
            return []
        if self._database_compares(ask):
            numbers = ",".join([f"{number:.9g}" for number in np.frombuffer(meant.vector, "<f4").tolist()])
            values |= {"meant": f"[{numbers}]", "most": most, "size": size}
            rows = ask(self._statements.nearest(wanted.shape, looked_up), values)
            found = [(-float(row[4]), _candidate(row)) for row in rows]
        else:
            found = self._compared(ask, wanted, looked_up, values, meant, size, most)
        # Rounded, so that a score is the same when it comes back in a cursor.
        return best_first([(round(score, 6), each) for score, each in found if round(score, 6) > 0])

    def _compared(
        self,
        ask: Ask,
        wanted: Sought,
        looked_up: bool,
        values: Mapping[str, Any],
        meant: Meaning,
        size: int,
        most: int,
    ) -> list[tuple[float, Candidate]]:
        direction = np.frombuffer(meant.vector, "<f4")
        best: list[tuple[float, Sequence[Any]]] = []
        for rows in self._chunks(ask, wanted, looked_up, values, most):
            # In this thread: those that a product of matrices is handed to would wait for each other on a busy machine.
            scores = np.einsum("ij,j->i", self._matrix(rows, len(direction)), direction)
            # Only what beats the last of the best can be among them.
            least = best[-1][0] if len(best) >= size else 0.0
            nearer = np.flatnonzero(scores > least)
            best += [(float(scores[at]), rows[at][:4]) for at in nearer.tolist()]
            best.sort(key=lambda each: -each[0])
            del best[size:]
        return [(score, _candidate(row)) for score, row in best]

    def _chunks(
        self, ask: Ask, wanted: Sought, looked_up: bool, values: Mapping[str, Any], most: int
    ) -> Iterator[Rows]:
        place: dict[str, Any] = {}
        left = most
        while left > 0:
            chunk = min(CHUNK, left)
            statement = self._statements.page(wanted.shape, looked_up, bool(place))
            rows = ask(statement, {**values, **place, "size": chunk})
            if rows:
                yield rows
            if len(rows) < chunk:
                return
            left -= chunk
            place = {"value": rows[-1][2], "tie": rows[-1][3]}

    def _matrix(self, rows: Rows, dimensions: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
        stored = b"".join([row[4] for row in rows])
        if self._on_sqlite:
            return np.frombuffer(stored, "<f4").reshape(len(rows), dimensions)
        kind = np.dtype(
            [("header", f"V{_ARRAY_HEADER}"), ("numbers", [("length", ">i4"), ("value", ">f4")], (dimensions,))]
        )
        numbers = np.frombuffer(stored, kind)["numbers"]["value"]
        return numbers.astype(np.float32)

    def _database_compares(self, ask: Ask) -> bool:
        with self._lock:
            known, asked_at = self._pgvector, self._asked_at
        if known or self._on_sqlite or time.monotonic() - asked_at < ASKED_AGAIN_S:
            return bool(known)
        there = bool(ask(_HAS_PGVECTOR, {})[0][0])
        with self._lock:
            self._pgvector, self._asked_at = there, time.monotonic()
        return there


def _candidate(row: Sequence[Any]) -> Candidate:
    return Candidate(id=row[0], session_id=row[1], created_at=row[2], arrival=row[3], counts={}, length=0)
