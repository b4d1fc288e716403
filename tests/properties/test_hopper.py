"""The published selection order: one string per lead sorts as the order says."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.lead import Callback, Lead
from dialer.engine.hopper import Hopper, check_order, order_key
from tests.properties.floor import lead

SEGMENTS = ("repeat", "new")
ITEMS = {
    "callback": lambda each: (each.callback is None, each.callback.at if each.callback else 0.0),
    "priority desc": lambda each: -each.priority,
    "priority asc": lambda each: each.priority,
    "segment: repeat, new": lambda each: SEGMENTS.index(each.segment) if each.segment in SEGMENTS else 9,
    "attempts asc": lambda each: each.attempts,
    "attempts desc": lambda each: -each.attempts,
    "due asc": lambda each: each.due_at,
    "shuffle": lambda each: each.shuffle,
}
INSTANTS = st.integers(0, 4_000_000_000).map(float)


@st.composite
def leads(draw: st.DrawFn) -> list[Lead]:
    """Some leads that differ in everything an order may look at, and often tie."""
    made = []
    for lead_id in range(draw(st.integers(0, 12))):
        at = draw(st.none() | INSTANTS)
        made.append(
            replace(
                lead(lead_id),
                priority=draw(st.integers(-3, 3) | st.integers(-(10**9), 10**9)),
                segment=draw(st.sampled_from(["", "new", "repeat", "other"])),
                attempts=draw(st.integers(0, 12)),
                due_at=draw(INSTANTS),
                shuffle=draw(st.integers(0, 3) | st.integers(0, 2**31)),
                callback=None if at is None else Callback(at=at),
            )
        )
    return made


@given(many=leads(), order=st.lists(st.sampled_from(sorted(ITEMS)), unique=True))
def test_the_key_sorts_as_the_order_says(many: list[Lead], order: list[str]) -> None:
    """Strings and tuples agree; without the item promised calls lead; the id breaks ties."""
    items = order if "callback" in order else ["callback", *order]
    expected = sorted(many, key=lambda each: (*(ITEMS[item](each) for item in items), each.lead_id))
    assert sorted(many, key=lambda each: order_key(each, order)) == expected
    hopper = Hopper(order)
    for each in many:
        hopper.push(each)
    assert [hopper.pop() for _ in many] == expected


@given(many=leads())
def test_a_changed_order_holds_for_leads_in_hand(many: list[Lead]) -> None:
    """Reordering and emptying give the leads in the new order, none twice."""
    hopper = Hopper(["shuffle"])
    for each in many:
        hopper.push(each)
    hopper.reorder(["priority asc"])
    assert hopper.take_all() == sorted(many, key=lambda each: order_key(each, ["priority asc"]))
    assert len(hopper) == 0


@pytest.mark.parametrize("item", ["", "priority", "priority up", "segment:", "segment: a, a", "due desc", "random"])
def test_an_unknown_item_is_named(item: str) -> None:
    """A mistake in the order is refused with the item that is wrong."""
    with pytest.raises(ValueError, match="expected"):
        check_order(["callback", item])


def test_a_lead_is_in_the_hopper_once() -> None:
    """A second push would make two attempts at a time."""
    hopper = Hopper(["shuffle"])
    hopper.push(lead(1))
    with pytest.raises(ValueError, match="already"):
        hopper.push(lead(1))
