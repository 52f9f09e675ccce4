"""Fills a container with a few believable memories, for somebody who looks around for the first time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mnesis.complaints import Complaint
from mnesis.databases import open_database_of, prepare_database
from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.commands import Changes, Create
from mnesis.domain.fields import Message, Values
from mnesis.domain.ids import DEFAULT_CONTAINER
from mnesis.domain.memory_types import MemoryType, PayloadType
from mnesis.settings import Settings
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery
from mnesis.usecases.requests import CreateMemories


class CannotFill(Complaint):
    """The container was left as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conversation:
    """A session with what was said in it, first to last; each line is a role and its words."""

    name: str
    about: Values
    began: timedelta
    lines: tuple[tuple[str, str], ...]


CONVERSATIONS = (
    _Conversation(
        name="trip-to-lisbon",
        about={
            "summary": "Plans a long weekend in Lisbon for two, by train and without meat.",
            "metadata": {"channel": "web", "language": "en"},
            "agents": {"planner": "travel-agent", "model": "large"},
            "pinned": True,
        },
        began=timedelta(days=3),
        lines=(
            ("user", "We want to spend the last weekend of May in Lisbon. I do not fly, so it has to be the train."),
            ("assistant", "From Madrid there are two changes, at Badajoz and Entroncamento. Shall I plan for that?"),
            ("user", "Yes. My partner is vegetarian, keep that in mind for the evenings."),
            ("assistant", "Noted. I have put three restaurants in Alfama and Graça on the list, all with a full menu."),
        ),
    ),
    _Conversation(
        name="flaky-checkout-test",
        about={
            "summary": "Finds out why the checkout test fails once in twenty runs.",
            "metadata": {"channel": "editor", "repository": "shop"},
            "agents": {"coder": "pair-programmer"},
        },
        began=timedelta(days=1),
        lines=(
            ("user", "test_checkout fails about once in twenty runs, only on CI."),
            ("assistant", "It reads the basket before the event that fills it is committed. A retry would hide that."),
            ("user", "Then let us wait for the event. No sleeps, please."),
        ),
    ),
    _Conversation(
        name="invoice-4711",
        about={
            "summary": "Asks for a second copy of invoice 4711.",
            "metadata": {"channel": "mail", "priority": 2},
        },
        began=timedelta(hours=2),
        lines=(
            ("user", "Could you send invoice 4711 again? Our books never got it."),
            ("assistant", "It is on its way to the address of your last order."),
        ),
    ),
)


NOTES: tuple[tuple[MemoryType, Values], ...] = (
    (
        MemoryType.WORKING,
        {
            "payload_type": PayloadType.DATA,
            "structured_data": {"destination": "Lisbon", "nights": 3, "budget": {"amount": 900, "currency": "EUR"}},
            "tags": {"topic": "travel", "step": "booking"},
        },
    ),
    (
        MemoryType.WORKING,
        {
            "messages": (
                Message(role="user", text="Which of the three restaurants is closest to the station?"),
                Message(role="assistant", text="The one in Alfama, twelve minutes on foot from Santa Apolónia."),
            ),
            "tags": {"topic": "travel"},
        },
    ),
    (
        MemoryType.LONG_TERM,
        {"memory": "Does not fly; travels by train.", "tags": {"topic": "travel"}, "pinned": True},
    ),
    (MemoryType.LONG_TERM, {"memory": "The partner is vegetarian.", "tags": {"topic": "food"}}),
    (
        MemoryType.LONG_TERM,
        {"memory": "Wants tests to wait for events, not to sleep.", "tags": {"topic": "code"}},
    ),
)


async def fill(settings: Settings, *, tenant: str, container_id: str) -> str:
    """Fills the container in one write, and says what was put there. Raises `CannotFill`."""
    prepare_database(settings)
    database = open_database_of(settings)
    try:
        memories = Memories(store=database.store, reader=database.reader, limits=settings.limits())
        caller = Caller(tenant=tenant, subject="mnesis demo", scopes=EVERY_SCOPE)
        if await memories.count_memories(caller, MemoryQuery(container_id=container_id)):
            raise CannotFill(f"The container {container_id} of the tenant {tenant} is not empty.")
        items = tuple(_everything(container_id))
        outcome = await memories.create_memories(caller, CreateMemories(items=items, reason="A first look around."))
    finally:
        await database.close()
    refusals = [*outcome.refusals, *(refusal for each in outcome.outcomes for refusal in each.refusals)]
    if refusals:
        raise CannotFill(refusals[0].message)
    made = Counter(item.changes.memory_type for item in items)
    return (
        f"Put {made[MemoryType.SESSION]} sessions, {made[MemoryType.WORKING]} working memories"
        f" and {made[MemoryType.LONG_TERM]} long-term memories"
        f" into the container {container_id} of the tenant {tenant}."
    )


def _everything(container_id: str) -> Iterator[Create]:
    now = datetime.now(UTC)
    for conversation in CONVERSATIONS:
        yield from _held(conversation, container_id, now - conversation.began)
    for memory_type, given in NOTES:
        yield Create(changes=Changes(memory_type=memory_type, given=given), container_id=container_id)


def _held(conversation: _Conversation, container_id: str, began: datetime) -> Iterator[Create]:
    """The session, and each line as an entry of it, a minute after the one before."""
    # Containers share the ids of a tenant, and another container may have been filled before.
    session_id = conversation.name if container_id == DEFAULT_CONTAINER else f"{container_id}:{conversation.name}"
    about = Changes(memory_type=MemoryType.SESSION, given=conversation.about)
    yield Create(changes=about, id=session_id, container_id=container_id)
    for number, (role, content) in enumerate(conversation.lines, start=1):
        said = Changes(
            memory_type=MemoryType.WORKING,
            given={"role": role, "content": content},
            created_at=began + timedelta(minutes=number),
        )
        yield Create(changes=said, session_id=session_id, entry_id=f"message-{number}", container_id=container_id)
