"""What can be set of the embedding model, and what is refused."""

import pytest

from mnesis.settings import BadSettings, Settings

ADDRESS = "MNESIS_EMBEDDINGS_URL must begin with https:// or http:// and name a server."
MODEL = {"embeddings_model": "m"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({**MODEL, "embeddings_url": "api.example.com"}, ADDRESS),
        ({**MODEL, "embeddings_url": "https://"}, ADDRESS),
        ({**MODEL, "embeddings_url": "https://api.example.com:port/v1"}, ADDRESS),
        ({"embeddings_url": "https://x"}, "MNESIS_EMBEDDINGS_MODEL must be set where MNESIS_EMBEDDINGS_URL is."),
        (
            {**MODEL, "embeddings_url": "http://api.example.com/v1", "embeddings_key": "sk"},
            "MNESIS_EMBEDDINGS_URL must begin with https:// where there is a key, unless it is on this machine.",
        ),
        ({"embeddings_key": "sk\n"}, "MNESIS_EMBEDDINGS_KEY must hold visible ASCII characters only."),
        ({"embeddings_dimensions": 0}, "MNESIS_EMBEDDINGS_DIMENSIONS must be greater than or equal to 1."),
        ({"embeddings_batch": 4_096}, "MNESIS_EMBEDDINGS_BATCH must be less than or equal to 2048."),
    ],
)
def test_what_cannot_work_is_told_in_a_sentence(given: dict[str, object], told: str) -> None:
    with pytest.raises(BadSettings) as refused:
        Settings.load(**given)
    assert str(refused.value) == told


@pytest.mark.parametrize(
    "given",
    [
        {},
        MODEL,
        {**MODEL, "embeddings_key": "sk"},
        {**MODEL, "embeddings_url": "http://ollama:11434/v1"},
        {**MODEL, "embeddings_url": "http://127.0.0.1:11434/v1", "embeddings_key": "sk"},
        {**MODEL, "embeddings_url": "https://api.example.com/v1", "embeddings_key": "sk"},
    ],
)
def test_what_can_work_is_taken(given: dict[str, object]) -> None:
    settings = Settings.load(**given)
    assert settings.embeds == bool(given)
    assert "sk" not in repr(settings)
