"""Whatever happens to them, the store in memory and those on a database give the same answers."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.domain.commands import BlockPerson, SaveLead
from dialer.domain.lead import Lead, LeadState
from dialer.domain.policy import ListPolicy
from dialer.engine.hopper import order_key
from dialer.storage.database import Database
from dialer.storage.memory import MemoryStore
from dialer.storage.store import Store
from tests.unit.storage.builders import VAULT, make_lead, make_number, make_policy

POLICY = make_policy(list=ListPolicy())
LEADS = st.builds(
    lambda indexes, **changes: make_lead(*indexes, **changes),
    st.lists(st.integers(0, 12), min_size=1, max_size=3),
    priority=st.integers(0, 2),
    name=st.sampled_from(["", "A", "B"]),
    fields=st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from(["", "1"]), max_size=2),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("import"), st.lists(LEADS, min_size=1, max_size=6), st.booleans()),
        st.tuples(st.just("claim"), st.integers(0, 4), st.integers(0, 50)),
        st.tuples(st.just("save"), st.integers(0, 9), st.integers(0, 90), st.sampled_from(LeadState)),
        st.tuples(st.just("block"), st.integers(0, 12)),
        st.tuples(st.just("release")),
    ),
    max_size=25,
)


def play(store: MemoryStore | Store, steps: list[tuple[object, ...]]) -> list[object]:
    """Do the steps and note every answer; a claim moves the clock on."""
    said: list[object] = []
    in_hand: list[Lead] = []
    now = 0.0
    for step in steps:
        match step:
            case ("import", list(candidates), bool(is_dry_run)):
                with store.importing(POLICY, "list.csv", "", now) as session:
                    said.append([session.add(candidate) for candidate in candidates])
                    if is_dry_run:
                        session.rollback()
            case ("claim", int(count), int(elapsed_s)):
                now += elapsed_s
                claimed = store.claim("spring", count, now)
                in_hand += claimed.leads
                said.append(claimed)
            case ("save", int(which), int(after_s), LeadState() as state) if in_hand:
                lead = in_hand.pop(which % len(in_hand))
                lead = replace(lead, state=state, due_at=now + after_s, attempts=lead.attempts + 1)
                store.apply([SaveLead(lead=lead, order_key=order_key(lead, POLICY.list.order))])
                if state is LeadState.CLAIMED:
                    in_hand.append(lead)
            case ("block", int(index)):
                numbers = (make_number(index).e164,)
                store.apply([BlockPerson(seller=POLICY.seller, numbers=numbers, reason="refused")])
            case ("release",):
                said.append(store.release_claims())
                in_hand.clear()
            case _:
                pass
        said.append((list(store.leads("spring")), store.counts("spring")))
    return said


def test_all_stores_say_the_same(new_database: Callable[[], Database]) -> None:
    """Any order of imports, dry runs, claims, saves, blocks and restarts gives equal answers and equal leads."""

    @settings(max_examples=40)
    @given(steps=STEPS)
    def agree(steps: list[tuple[object, ...]]) -> None:
        with closing(Store(new_database(), VAULT)) as store:
            assert play(store, steps) == play(MemoryStore(), steps)

    agree()
