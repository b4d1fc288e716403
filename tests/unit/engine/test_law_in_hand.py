"""What becomes known of a person whose lead is in hand already: in the hopper, or shown to an agent."""

from dataclasses import replace

import pytest

from dialer.domain.commands import BlockPerson, WakeLeads
from dialer.domain.events import (
    CallDisposed,
    CallFailed,
    CampaignLoaded,
    LawLoaded,
    PersonRefused,
    PreviewAccepted,
    RegistryLoaded,
    StandingsChanged,
)
from dialer.domain.law import CountedPer, Law
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy, HoursPolicy, PacingMode
from tests.laws import (
    ALL_DAY,
    attempt_rule,
    consent,
    consent_rule,
    copy_of,
    hours_rule,
    law,
    registry_rule,
    ruleset,
    week,
)
from tests.unit.engine.rig import AT, Rig, lead, of, policy

DAY_S = 86_400.0
OURS, THEIRS = "Example Seller", "Another Seller"


def asks(*rules: object) -> Law:
    """A British law of these rules."""
    return law(ruleset("GB", hours_rule(ALL_DAY, "GB.hours"), *rules))  # type: ignore[arg-type]


def of_another(name: str, groups: tuple[str, ...] = ("others",)) -> CampaignPolicy:
    """A campaign of another seller."""
    return replace(policy(name, groups=groups), seller=THEIRS)


def number(lead_id: int = 1) -> str:
    """The number of a lead."""
    return lead(lead_id).numbers[0].e164


@pytest.mark.parametrize("is_by_letter", [True, False])
def test_a_refusal_to_the_one_who_asked_ends_the_consent_of_the_recipient(is_by_letter: bool) -> None:
    """A consent to one seller that names another is gone for both, also where the other has the lead in the hopper."""
    rig = Rig(law=asks(consent_rule()))
    shared = consent(number(), AT - DAY_S, recipients=(THEIRS,))
    rig.store.add_consents([shared])
    rig.load_leads(policy("ours"), [lead(1, "ours")])
    rig.load_leads(of_another("theirs"), [lead(1, "theirs")])
    rig.log_in("a")
    rig.connect(1)
    if is_by_letter:
        rig.send(PersonRefused(seller=OURS, numbers=(number(),), reason="letter", who="officer"))
    else:
        rig.send(CallDisposed(call_id=1, agent_id="a", disposition="refused"))
    rig.release(1)
    rig.log_in("b", groups=("others",))
    rig.wait(600.0)
    assert [each.campaign for each in rig.placed()] == ["ours"]


def test_a_consent_to_the_recipient_itself_stands() -> None:
    """What the person agreed with the other seller alone is not ended by a refusal to this one."""
    rig = Rig(law=asks(consent_rule()))
    rig.store.add_consents([consent(number(), AT - DAY_S, seller=THEIRS)])
    rig.load_leads(of_another("theirs"), [lead(1, "theirs")])
    rig.send(PersonRefused(seller=OURS, numbers=(number(),), reason="letter", who="officer"))
    rig.log_in("b", groups=("others",))
    assert len(rig.placed()) == 1


def test_an_offer_is_not_dialed_while_the_person_is_on_another_call() -> None:
    """Another campaign of the seller rings the person when the agent says dial."""
    rig = Rig()
    rig.load_leads(policy("shown", mode=PacingMode.PREVIEW), [lead(1, "shown")])
    rig.log_in("a")
    assert rig.offers()
    rig.load_leads(policy("ringing", groups=("others",)), [lead(1, "ringing")])
    rig.log_in("b", groups=("others",))
    assert [each.campaign for each in rig.placed()] == ["ringing"]
    rig.send(PreviewAccepted(agent_id="a", lead_id=rig.offers()[0].lead_id))
    assert [each.campaign for each in rig.placed()] == ["ringing"]
    assert rig.agent("a").state == "ready"


def test_a_call_to_another_number_of_the_person_counts_for_a_campaign_that_does_not_know_it() -> None:
    """One campaign knows two numbers, another only the one that was not called: it waits for the call, then the cap."""
    rig = Rig(law=asks(attempt_rule(1, DAY_S, CountedPer.PERSON)))
    both = replace(lead(1, "both"), numbers=(*lead(2).numbers, *lead(1).numbers))
    rig.load_leads(policy("both"), [both])
    rig.load_leads(policy("one", groups=("others",)), [lead(1, "one")])
    rig.log_in("a")
    rig.log_in("b", groups=("others",))
    assert [each.number for each in rig.placed()] == [number(2)]
    rig.send(CallFailed(call_id=1, outcome=Outcome.NO_ANSWER))
    rig.wait(600.0)
    assert [each.campaign for each in rig.placed()] == ["both"]
    rig.wait(DAY_S)
    assert [each.campaign for each in rig.placed()][1:2] == ["one"]


@pytest.mark.parametrize("mode", [PacingMode.PROGRESSIVE, PacingMode.PREVIEW])
def test_a_campaign_that_changes_hands_knows_nothing_of_the_last_sellers_people(mode: PacingMode) -> None:
    """Its file names another seller, to whom the person in hand has said no."""
    rig = Rig()
    rig.store.apply([BlockPerson(seller=THEIRS, numbers=(number(),), reason="letter", at=AT - DAY_S, who="officer")])
    rig.load_leads(policy(mode=mode), [lead(1)])
    if mode is PacingMode.PREVIEW:
        rig.log_in("a")
    changed = replace(policy(mode=mode), seller=THEIRS)
    rig.store.register(changed)
    rig.send(CampaignLoaded(policy=changed))
    if mode is PacingMode.PREVIEW:
        rig.send(PreviewAccepted(agent_id="a", lead_id=rig.offers()[0].lead_id))
    else:
        rig.log_in("a")
    rig.wait(600.0)
    assert rig.placed() == []


def test_consent_that_arrives_is_acted_on_though_the_refusal_named_a_later_instant() -> None:
    """A rule that ceases to hold next year does not keep away a person who agrees today."""
    day = 739_000 + 1000
    rig = Rig(law=asks(consent_rule(), attempt_rule(3, until=day)))
    rig.load_leads(policy(), [lead(1)])
    rig.log_in("a")
    assert rig.placed() == []
    rig.store.add_consents([consent(number(), AT - DAY_S)])
    rig.send(StandingsChanged(reason="consents imported"))
    rig.wait(1.0)
    assert len(rig.placed()) == 1


def test_a_wider_ruleset_is_acted_on_though_the_refusal_named_the_next_morning() -> None:
    """Who was put off until the hours begin is looked at anew; a retry that was promised for later is not."""
    rig = Rig(law=law(ruleset("GB", hours_rule(week((20, 21)), "GB.hours"))))
    rig.load_leads(policy(), [lead(1), replace(lead(2), due_at=AT + 3600.0)])
    rig.log_in("a", "b")
    assert rig.placed() == []
    assert rig.lead().reason == "until due: GB.hours"
    rig.send(StandingsChanged(reason="consents imported"))
    assert rig.lead().due_at > AT + 3600.0
    rig.send(LawLoaded(law=asks()))
    rig.wait(1.0)
    assert [each.lead_id for each in rig.placed()] == [1]


def test_a_campaign_file_with_wider_hours_is_acted_on_at_once() -> None:
    """What the file says is a rule, too; a file that changes nothing of that kind wakes nobody."""
    narrow = replace(policy(), hours=HoursPolicy(week=(((72_000, 75_600),),) * 7))
    rig = Rig()
    rig.load_leads(narrow, [lead(1)])
    rig.log_in("a")
    renamed = rig.send(CampaignLoaded(policy=replace(narrow, languages=("cy",))))
    assert not of(renamed, WakeLeads) and rig.placed() == []
    rig.send(CampaignLoaded(policy=policy()))
    rig.wait(1.0)
    assert [each.lead_id for each in rig.placed()] == [1]


def test_a_register_that_arrives_frees_who_is_not_on_it() -> None:
    """Without a copy nobody is called; with one, at once."""
    rig = Rig(law=asks(registry_rule("gb-dnc")))
    rig.load_leads(policy(), [lead(1)])
    rig.log_in("a")
    assert rig.placed() == []
    copy = copy_of("gb-dnc", rig.now)
    rig.store.add_registry(copy, ())
    rig.send(RegistryLoaded(copy=copy))
    assert len(rig.placed()) == 1


def test_an_offer_is_judged_by_the_law_of_the_instant_of_the_answer() -> None:
    """The law was narrowed while the agent read."""
    rig = Rig()
    rig.load_leads(policy(mode=PacingMode.PREVIEW), [lead(1)])
    rig.log_in("a")
    rig.send(LawLoaded(law=asks(consent_rule())))
    rig.send(PreviewAccepted(agent_id="a", lead_id=rig.offers()[0].lead_id))
    rig.wait(60.0)
    assert rig.placed() == []


def test_an_offer_is_not_dialed_after_a_refusal() -> None:
    """The person said no while the agent read."""
    rig = Rig()
    rig.load_leads(policy(mode=PacingMode.PREVIEW), [lead(1)])
    rig.log_in("a")
    rig.send(PersonRefused(seller=OURS, numbers=(number(),), reason="letter", who="officer"))
    rig.send(PreviewAccepted(agent_id="a", lead_id=rig.offers()[0].lead_id))
    rig.wait(60.0)
    assert rig.placed() == [] and rig.lead().reason == "do_not_call"
