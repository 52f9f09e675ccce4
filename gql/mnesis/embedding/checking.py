"""What every model's answer has to be before it is believed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mnesis.usecases.embedding import EmbedderUnavailable


def checked(vectors: Sequence[Any], *, texts: int, dimensions: int | None) -> list[bytes]:
    """Embeddings as `mnesis.usecases.ports.Meaning.vector` has them; an empty one for one without a direction.

    Raises `EmbedderUnavailable` unless there is one for each text, of finite numbers, all of the same dimension.
    """
    if len(vectors) != texts:
        raise EmbedderUnavailable(f"The model answered {texts} texts with {len(vectors)} embeddings.")
    try:
        matrix = np.asarray(vectors, dtype="<f8")
    except (TypeError, ValueError):
        raise EmbedderUnavailable("The model answered with something other than lists of numbers.") from None
    if texts == 0:
        return []
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise EmbedderUnavailable("The model's embeddings are no lists of numbers of one length.")
    if dimensions is not None and matrix.shape[1] != dimensions:
        raise EmbedderUnavailable(f"The model's embeddings have {matrix.shape[1]} dimensions, not {dimensions}.")
    if not np.isfinite(matrix).all():
        raise EmbedderUnavailable("The model's embeddings hold numbers that are not finite.")
    with np.errstate(over="ignore"):
        lengths = np.sqrt((matrix * matrix).sum(axis=1))
    if not np.isfinite(lengths).all():
        raise EmbedderUnavailable("The model's embeddings hold numbers that are too large.")
    return [
        (row / length).astype("<f4").tobytes() if length > 0 else b""
        for row, length in zip(matrix, lengths, strict=True)
    ]
