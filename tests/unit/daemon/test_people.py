"""A "do not call" that an agent hears holds for the whole person."""

from dialer.daemon.people import AGAIN_S, People
from dialer.domain.commands import BlockPerson
from dialer.domain.events import CallDisposed, Event, PersonRefused
from dialer.domain.lead import Lead
from dialer.errors import DatabaseLost
from dialer.storage.codec import Entry
from dialer.storage.database import Database
from dialer.storage.store import Store
from tests.parity import virtual
from tests.unit.storage.builders import VAULT, make_lead, make_number, make_policy

SELLER = make_policy().seller


class Posted:
    """A driver that only remembers what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def post(self, event: Event) -> None:
        """Remember an event."""
        self.events.append(event)


def heard(database: Database, event: Event, *indexes: int) -> list[Event]:
    """Give what follows from a refusal of these numbers, caused by an event."""
    numbers = tuple(make_number(index).e164 for index in indexes)
    posted = Posted()
    with Store(database, VAULT) as store:
        for name, lead in (("spring", make_lead(1)), ("autumn", make_lead(1, 2, campaign="autumn"))):
            policy = make_policy(name)
            store.register(policy)
            with store.importing(policy, "list.csv", "cd" * 32, 0.0) as session:
                session.add(lead)
        block = BlockPerson(seller=SELLER, numbers=numbers, reason="refused", at=5.0, who="amy")
        People(store, posted).hear(Entry(seq=1, at=5.0, event=event, commands=(block,)))  # type: ignore[arg-type]
    return posted.events


WORD = CallDisposed(call_id=1, agent_id="amy", disposition="refused")


def test_an_agents_word_holds_for_numbers_that_only_another_campaign_has(any_database: Database) -> None:
    """The lead of this campaign has one number of the person, that of another has two."""
    second = make_number(2).e164
    assert heard(any_database, WORD, 1) == [
        PersonRefused(seller=SELLER, numbers=(second,), reason="refused", who="amy")
    ]


def test_a_refusal_of_all_numbers_is_enough(any_database: Database) -> None:
    """Nothing follows when every number is named, or when the refusal was made for the person already."""
    assert heard(any_database, WORD, 1, 2) == []
    assert heard(any_database, PersonRefused(seller=SELLER, numbers=(), reason="letter", who="amy"), 1) == []


class Away:
    """A store whose database is away for the first two questions."""

    def __init__(self) -> None:
        self.asked = 0

    def leads_of(self, seller: str, number: str) -> list[Lead]:
        """Give the person's lead, from the third time on."""
        self.asked += 1
        if self.asked < 3:
            raise DatabaseLost("database: nobody answers")
        return [make_lead(1, 2)]


def test_a_refusal_outlasts_a_database_that_is_away() -> None:
    """It is asked again until it answers; the daemon goes on meanwhile."""

    async def run() -> None:
        posted, away = Posted(), Away()
        block = BlockPerson(seller=SELLER, numbers=(make_number(1).e164,), reason="refused", at=5.0, who="amy")
        people = People(away, posted)  # type: ignore[arg-type]
        people.hear(Entry(seq=1, at=5.0, event=WORD, commands=(block,)))
        assert posted.events == []
        await virtual.pass_time(3 * AGAIN_S)
        assert [event.numbers for event in posted.events if isinstance(event, PersonRefused)] == [
            (make_number(2).e164,)
        ]

    virtual.run(run(), 0.0)
