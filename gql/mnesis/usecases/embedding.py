"""Turns the texts of memories into embeddings, outside of every write, and the text of a question when it is asked."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from mnesis.domain.searching import text_mark
from mnesis.usecases.ports import Meaning, Overloaded, StoreFault

log = logging.getLogger("mnesis.embedding")

POLL_S = 1.0
"""How long a memory that nobody tells of may wait, such as one that another process wrote."""
SWEEP_S = 3_600.0
"""How often it is looked whether a memory was written, or embedded by another model, without a mark being left."""
BACK_OFF_S = (1.0, 60.0)
"""How long nothing is embedded after a failure, at first and at most; doubled each time."""
ONE_BY_ONE = 3
"""After how many failures in a row texts are embedded one by one, since one of them may bring the model down."""
SET_ASIDE_S = 60.0
"""How long a text waits that may have done so."""
SHORTENED = 4
"""How often a text that the model refuses is halved before it is given up."""
PROBE = "A word."
"""What every model has an embedding of."""
RELEASE_S = 2.0
"""How long stopping waits for the store."""
QUESTIONS_KEPT = 256
REST_S = 5.0
"""How long a model that did not answer a question is not asked another one."""


class EmbedderUnavailable(Exception):
    """The model does not answer now, or not as it should. ``retry_after_s`` is what it asks to wait, if it does.

    The message is for the log, not for the caller.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TextRefused(Exception):
    """The model will not have one of these texts, now or later; they are too long, most likely."""


class Embedder(Protocol):
    """A model that turns texts into directions: those of like meaning point the same way."""

    model: str
    """Names the space; only embeddings of the same one can be compared."""
    batch: int
    """How many texts it takes at once."""

    async def embed(self, texts: Sequence[str], *, urgent: bool = False) -> Sequence[bytes]:
        """One embedding for each text, as `Meaning.vector` has it; an empty one for a text without any direction.

        ``urgent`` means that somebody waits: one attempt, and a short time. Raises `EmbedderUnavailable` and
        `TextRefused`.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A memory that was taken to be embedded. ``version`` is the one that was marked."""

    tenant: str
    memory_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What is to be embedded of a memory, and whether its embedding is there already."""

    due: Due
    text: str
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """An embedding, and the mark of its text. ``vector`` is None where ``known`` says that it stays the stored one."""

    due: Due
    mark: bytes
    vector: bytes | None
    known: bool = False


class EmbeddingStore(Protocol):
    """Knows what awaits embedding, and keeps embeddings. Every method raises `StoreFault` and `Overloaded`."""

    async def take(self, size: int) -> Sequence[Due]:
        """Takes memories whose turn it is, for a while: those that nobody else has taken, in this process or any."""
        ...

    async def texts(self, taken: Sequence[Due], model: str) -> Sequence[Text]:
        """The texts of those that are still there."""
        ...

    async def keep(self, model: str, embedded: Sequence[Embedded]) -> None:
        """Keeps embeddings of memories that were not marked again since they were taken, and takes off the marks."""
        ...

    async def release(self, taken: Sequence[Due], after_s: float = 0.0) -> None:
        """Gives back what was taken and not embedded; it is nobody's turn before ``after_s``."""
        ...

    async def release_all(self) -> None:
        """Gives back what an earlier process took and cannot have kept, where there can be only one process."""
        ...

    async def mark_missing(self, model: str) -> int:
        """Marks every memory that has no embedding of this model for its version; how many these are."""
        ...


class Embedding:
    """Embeds what awaits it, for as long as it runs. A failure is logged and tried again; nobody waits for it."""

    def __init__(
        self,
        embedder: Embedder,
        store: EmbeddingStore,
        *,
        poll_s: float = POLL_S,
        back_off_s: tuple[float, float] = BACK_OFF_S,
    ) -> None:
        self._embedder = embedder
        self._store = store
        self._poll_s = poll_s
        self._back_off_s = back_off_s
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._failures = 0

    def start(self) -> None:
        """Begins, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run())

    def wake(self) -> None:
        """Something was written. Called in any thread."""
        if self._loop is not None and not self._woken.is_set():
            # A loop that was closed meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._woken.set)

    async def stop(self) -> None:
        """Ends at once: what was begun is given back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        swept_at: float | None = None
        begun = False
        while True:
            try:
                if not begun:
                    await self._store.release_all()
                    begun = True
                if swept_at is None or time.monotonic() - swept_at > SWEEP_S:
                    missing = await self._store.mark_missing(self._embedder.model)
                    if missing:
                        log.info("%d memories await embedding by %s.", missing, self._embedder.model)
                    swept_at = time.monotonic()
                self._woken.clear()
                if not await self._batch():
                    await self._rest(self._poll_s)
                self._failures = 0
            except EmbedderUnavailable as fault:
                await self._back_off(fault, fault.retry_after_s)
            except (StoreFault, Overloaded) as fault:
                await self._back_off(fault, None)
            except Exception as fault:
                log.exception("Embedding met a fault in the program.")
                await self._back_off(fault, None)

    async def _batch(self) -> bool:
        """Embeds some of what awaits it; whether there was any."""
        stuck = self._failures >= ONE_BY_ONE
        taken = await self._store.take(1 if stuck else self._embedder.batch)
        if not taken:
            return False
        left = {(each.tenant, each.memory_id): each for each in taken}
        after_s = SET_ASIDE_S
        try:
            texts = await self._store.texts(taken, self._embedder.model)
            done = [
                Embedded(due=each.due, mark=text_mark(each.text), vector=None, known=each.known)
                for each in texts
                if each.known or not each.text
            ]
            await self._keep(done, left)
            await self._embed([each for each in texts if not each.known and each.text], left)
        except (EmbedderUnavailable, asyncio.CancelledError):
            after_s = SET_ASIDE_S if stuck else 0.0
            raise
        finally:
            # Those that are gone have no text, and no mark either; they are given back in vain.
            if left:
                await self._give_back(list(left.values()), after_s)
        return True

    async def _embed(self, texts: Sequence[Text], left: dict[tuple[str, str], Due]) -> None:
        """All at once, or, where the model refuses one of them, in halves, down to the one that it refuses."""
        if not texts:
            return
        try:
            vectors: Mapping[str, bytes | None] = await self._vectors([each.text for each in texts])
        except TextRefused as refused:
            if len(texts) > 1:
                middle = len(texts) // 2
                await self._embed(texts[:middle], left)
                await self._embed(texts[middle:], left)
                return
            vectors = {texts[0].text: await self._shortened(texts[0].text, refused)}
        await self._keep(
            [Embedded(due=each.due, mark=text_mark(each.text), vector=vectors[each.text]) for each in texts], left
        )

    async def _vectors(self, texts: Sequence[str]) -> dict[str, bytes | None]:
        """The same text is embedded once."""
        different = list(dict.fromkeys(texts))
        found = await self._embedder.embed(different)
        return {text: vector or None for text, vector in zip(different, found, strict=True)}

    async def _shortened(self, text: str, refused: TextRefused) -> bytes | None:
        """The embedding of the beginning of a text, where the model has none of the whole."""
        whole = len(text)
        for _ in range(SHORTENED):
            text = text[: len(text) // 2]
            if not text.strip():
                break
            try:
                [vector] = (await self._vectors([text])).values()
            except TextRefused as again:
                refused = again
            else:
                return vector
        try:
            await self._embedder.embed([PROBE])
        except TextRefused as fault:
            raise EmbedderUnavailable(f"The model refuses every text: {fault}") from fault
        log.warning("A text of %d characters is not found by meaning, since the model refuses it: %s", whole, refused)
        return None

    async def _keep(self, embedded: Sequence[Embedded], left: dict[tuple[str, str], Due]) -> None:
        if embedded:
            await self._store.keep(self._embedder.model, embedded)
        for each in embedded:
            left.pop((each.due.tenant, each.due.memory_id), None)

    async def _give_back(self, taken: Sequence[Due], after_s: float) -> None:
        # Also on the way out, when the task is cancelled; what is not given back comes back by itself.
        with suppress(StoreFault, Overloaded, TimeoutError):
            async with asyncio.timeout(RELEASE_S):
                await self._store.release(taken, after_s)

    async def _back_off(self, fault: Exception, wanted_s: float | None) -> None:
        least, most = self._back_off_s
        pause_s = min(least * 2 ** min(self._failures, 16), most)
        if wanted_s is not None:
            pause_s = min(max(pause_s, wanted_s), most)
        self._failures += 1
        log.warning("Embedding is tried again in %.1f s: %s", pause_s, fault)
        await asyncio.sleep(pause_s)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


class MeaningUnavailable(Exception):
    """Nothing can be found by meaning: there is no model at all, or it does not answer now."""

    def __init__(self, *, configured: bool) -> None:
        super().__init__("The embedding model does not answer." if configured else "There is no embedding model.")
        self.configured = configured


class Questions:
    """What questions mean. The last ones are remembered, so that the pages of a search are of one order."""

    def __init__(self, embedder: Embedder | None, *, timeout_s: float = 3.0) -> None:
        self._embedder = embedder
        self._timeout_s = timeout_s
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._failed_at: float | None = None

    @property
    def can_be_meant(self) -> bool:
        """Whether there is a model."""
        return self._embedder is not None

    async def meaning(self, question: str) -> Meaning:
        """Raises `MeaningUnavailable`."""
        embedder = self._embedder
        if embedder is None:
            raise MeaningUnavailable(configured=False)
        # Half a surrogate pair is no text that could be sent.
        question = question.encode(errors="replace").decode()
        vector = self._known.get(question)
        if vector is None:
            if self._failed_at is not None and time.monotonic() - self._failed_at < REST_S:
                raise MeaningUnavailable(configured=True)
            vector = await self._asked(embedder, question)
            self._known[question] = vector
            if len(self._known) > QUESTIONS_KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(question)
        return Meaning(model=embedder.model, vector=vector)

    async def _asked(self, embedder: Embedder, question: str) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                [vector] = await embedder.embed([question], urgent=True)
        except TextRefused as refused:
            log.warning("The model refuses a question: %s", refused)
            raise MeaningUnavailable(configured=True) from refused
        except (EmbedderUnavailable, TimeoutError) as fault:
            self._failed_at = time.monotonic()
            log.warning("A question could not be embedded: %s", str(fault) or "it took too long")
            raise MeaningUnavailable(configured=True) from fault
        self._failed_at = None
        return vector
