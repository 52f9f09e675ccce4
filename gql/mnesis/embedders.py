"""The embedding model that the settings name."""

from mnesis.embedding.local import LibraryMissing, LocalModel
from mnesis.embedding.openai_compatible import OpenAICompatible
from mnesis.settings import BadSettings, Settings
from mnesis.usecases.embedding import Embedder


def embedder_of(settings: Settings) -> Embedder | None:
    """None where there is none. Nothing is asked or loaded yet. Raises `BadSettings`."""
    if settings.embeddings_model is None:
        return None
    if settings.embeddings_url is not None:
        key = settings.embeddings_key
        return OpenAICompatible(
            base_url=settings.embeddings_url,
            model=settings.embeddings_model,
            key=key.get_secret_value() if key is not None else None,
            dimensions=settings.embeddings_dimensions,
            batch=settings.embeddings_batch,
            timeout_s=settings.embeddings_timeout_s,
        )
    try:
        return LocalModel(
            model=settings.embeddings_model,
            dimensions=settings.embeddings_dimensions,
            batch=settings.embeddings_batch,
        )
    except LibraryMissing:
        raise BadSettings(
            "MNESIS_EMBEDDINGS_MODEL without MNESIS_EMBEDDINGS_URL names a model for this machine, which needs more"
            " to be installed: pip install 'mnesis[local-embeddings]'."
        ) from None
