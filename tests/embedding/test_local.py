"""Models that run in the server itself: a real one, made here, of five words."""

from pathlib import Path

import numpy as np
import pytest

from mnesis.embedders import embedder_of
from mnesis.embedding.local import LibraryMissing, LocalModel
from mnesis.embedding.openai_compatible import OpenAICompatible
from mnesis.settings import BadSettings, Settings
from mnesis.usecases.embedding import EmbedderUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Model2Vec keeps its models."""
    model2vec = pytest.importorskip("model2vec", reason="the extra local-embeddings is not installed")
    tokenizers = pytest.importorskip("tokenizers")
    words = ["[UNK]", "[PAD]", "tea", "beverage", "car"]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    vectors = np.array([[0, 0, 0], [0, 0, 0], [1, 0.1, 0], [1, 0, 0.1], [0, 0, 1]], dtype=np.float32)
    folder = tmp_path_factory.mktemp("model")
    model2vec.StaticModel(vectors=vectors, tokenizer=tokenizer, config={"normalize": True}).save_pretrained(str(folder))
    return folder


async def test_a_model_in_a_folder_embeds(model: Path) -> None:
    embedder = LocalModel(model=str(model), dimensions=None, batch=8)
    tea, beverage, car, long = (
        np.frombuffer(vector, "<f4")
        for vector in await embedder.embed(["tea", "beverage", "car", "tea " * 700 + "car " * 700], urgent=True)
    )
    assert tea @ beverage > 0.9
    assert tea @ car < 0.2
    assert long @ car > 0.5
    await embedder.close()
    with pytest.raises(EmbedderUnavailable, match="closed"):
        await embedder.embed(["tea"])


async def test_fewer_dimensions_can_be_asked_for(model: Path) -> None:
    embedder = LocalModel(model=str(model), dimensions=2, batch=8)
    [tea] = await embedder.embed(["tea"])
    assert (embedder.model, len(tea)) == (f"{model}@2", 8)


async def test_a_model_that_is_not_there_is_told_of(tmp_path: Path, model: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    embedder = LocalModel(model=str(tmp_path), dimensions=None, batch=8)
    with pytest.raises(EmbedderUnavailable, match="does not work"):
        await embedder.embed(["tea"])


def test_without_the_library_there_is_no_model() -> None:
    with pytest.raises(LibraryMissing):
        LocalModel(model="m", dimensions=None, batch=8, library="a_library_that_nobody_has")


def test_the_settings_say_which_model_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert embedder_of(Settings()) is None
    remote = embedder_of(Settings(embeddings_model="m", embeddings_url="https://x.test/v1", embeddings_key="k"))  # type: ignore[arg-type]  # Checked by pydantic.
    assert isinstance(remote, OpenAICompatible)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BadSettings, match=r"pip install 'mnesis\[local-embeddings\]'"):
        embedder_of(Settings(embeddings_model="m"))
