"""Why the open leads of a campaign are dialed or not, counted by reason: what the gate would say of each at an instant.

One rule governs this module: the parts add up to the leads that are left. Each is counted once, by the first thing that
stands against it: it is on a call, a rule refuses, or it waits for its turn. The gate is asked once for each group of
leads that nothing tells apart: see `dialer.storage.census`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, isfinite
from typing import TYPE_CHECKING

from dialer.compliance.gate import Gate, Known
from dialer.domain.law import RULE_KINDS, Law
from dialer.domain.lead import Lead
from dialer.domain.policy import CampaignPolicy
from dialer.domain.verdict import Verdict
from dialer.engine.retry import callable_numbers, other_hour
from dialer.storage.census import Census, Group
from dialer.storage.reading import Records

if TYPE_CHECKING:
    from dialer.storage.census_marks import Ids, Instants


class Reason(StrEnum):
    """What stands between a lead and its call. The values are the words of `--reason`."""

    DIALABLE = "dialable"
    RETRY_LATER = "retry-later"
    HOURS = "hours"
    REGISTRY = "registry"
    CONSENT = "consent"
    ATTEMPTS = "attempts"
    COOLDOWN = "cooldown"
    ABANDONED = "abandoned"
    DO_NOT_CALL = "do-not-call"
    NUMBER = "number"
    PLACE = "place"
    CAMPAIGN = "campaign"
    CALLING = "calling"


WORDS: Mapping[Reason, str] = {
    Reason.DIALABLE: "dialable now",
    Reason.RETRY_LATER: "retry later",
    Reason.HOURS: "outside hours",
    Reason.REGISTRY: "registry",
    Reason.CONSENT: "no consent",
    Reason.ATTEMPTS: "attempt limit",
    Reason.COOLDOWN: "left alone after a conversation or refusal",
    Reason.ABANDONED: "left alone after an abandonment",
    Reason.DO_NOT_CALL: "do not call",
    Reason.NUMBER: "no usable number",
    Reason.PLACE: "no rules for the place",
    Reason.CAMPAIGN: "against the campaign's own settings",
    Reason.CALLING: "on a call",
}
"""What each reason is called in a sentence, in the order of the sentence."""

_OF_KIND = {
    "hours": Reason.HOURS,
    "named_times": Reason.HOURS,
    "registries": Reason.REGISTRY,
    "consents": Reason.CONSENT,
    "attempts": Reason.ATTEMPTS,
    "cooldowns": Reason.COOLDOWN,
    "redials": Reason.ABANDONED,
}
_OF_RULE = {
    "do_not_call": Reason.DO_NOT_CALL,
    "number_invalid": Reason.NUMBER,
    "no_number_left": Reason.NUMBER,
    "attempts_max": Reason.ATTEMPTS,
    "attempts_each": Reason.ATTEMPTS,
    "calling_hours": Reason.HOURS,
    "no_ruleset": Reason.PLACE,
}


def reason_of(rule: str, law: Law) -> Reason:
    """Give the reason that a refusing rule belongs to; what is about neither lead nor place is about the campaign."""
    if rule in _OF_RULE:
        return _OF_RULE[rule]
    for ruleset in law.rulesets:
        for kind in RULE_KINDS:
            if any(each.rule_id == rule for each in getattr(ruleset, kind)):
                return _OF_KIND.get(kind, Reason.CAMPAIGN)
    return Reason.CAMPAIGN


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the gate said of a lead; `next_at` is when the rule lets go, or its turn comes (None: that is not known)."""

    reason: Reason
    rule: str  # "" where no rule refuses
    next_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The leads with one reason and rule; `next_at` is the earliest instant at which that changes for one of them."""

    reason: Reason
    rule: str
    leads: int
    next_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One lead of a part."""

    lead: Lead
    answer: Answer


class Survey:
    """The open leads of a campaign at an instant, by reason."""

    def __init__(self, store: Records, policy: CampaignPolicy, law: Law, at: float) -> None:
        self._store = store
        self._policy = policy
        self._law = law
        self.at = at
        self._gate = Gate(policy, law)
        self._known = Known(registries={copy.registry: copy for copy in store.registry_copies(at)})
        self._reasons: dict[str, Reason] = {}
        self.census: Census = store.census(policy, law, at)
        self._answers = [self._answer_of(group) for group in self.census.groups]
        self._counted = self._count()

    @property
    def left(self) -> int:
        """How many leads are not finished."""
        return len(self.census.lead_ids)

    def parts(self) -> list[Part]:
        """Give what the leads left are made of, the largest part of a reason first; the numbers add up to `left`."""
        kinds, kind_of_lead, next_at = self._counted
        parts: list[Part] = []
        for index, (reason, rule) in enumerate(kinds):
            mine = next_at[kind_of_lead == index]
            if len(mine):
                earliest = float(mine.min())
                is_known = isfinite(earliest) and reason is not Reason.DIALABLE
                parts.append(Part(reason=reason, rule=rule, leads=len(mine), next_at=earliest if is_known else None))
        order = list(WORDS)
        return sorted(parts, key=lambda part: (order.index(part.reason), -part.leads, part.rule))

    def leads(self, wanted: str, limit: int) -> Iterator[Listed]:
        """Give the first leads, by id, of a reason or a rule, each judged for itself."""
        import numpy as np

        kinds, kind_of_lead, _ = self._counted
        chosen = [index for index, (reason, rule) in enumerate(kinds) if wanted in (str(reason), rule)]
        found = np.flatnonzero(np.isin(kind_of_lead, chosen))
        for index in found[np.argsort(self.census.lead_ids[found])][:limit]:
            lead = self._store.lead(int(self.census.lead_ids[index]))
            if lead is not None:  # else erased meanwhile
                is_calling = bool(self.census.is_calling[index])
                answer = Answer(reason=Reason.CALLING, rule="", next_at=None) if is_calling else self.answer(lead)
                yield Listed(lead=lead, answer=answer)

    def answer(self, lead: Lead) -> Answer:
        """Say of one lead what stands against its call at the instant."""
        found = self._judged(lead)
        if found.rule:
            return found
        next_at = max(lead.due_at, found.next_at or self.at)
        if next_at > self.at:
            return Answer(reason=Reason.RETRY_LATER, rule="", next_at=next_at)
        return Answer(reason=Reason.DIALABLE, rule="", next_at=None)

    def _count(self) -> "tuple[list[tuple[Reason, str]], Ids, Instants]":
        """Number the pairs of reason and rule; give them, each lead's number, and its next instant."""
        import numpy as np

        census, at = self.census, self.at
        numbers: dict[tuple[Reason, str], int] = {}

        def number(reason: Reason, rule: str = "") -> int:
            return numbers.setdefault((reason, rule), len(numbers))

        later, calling = number(Reason.RETRY_LATER), number(Reason.CALLING)
        of_group = np.array([number(each.reason, each.rule) for each in self._answers], np.int64)
        is_allowed = np.array([not each.rule for each in self._answers], np.bool_)
        next_of_group = np.array([inf if each.next_at is None else each.next_at for each in self._answers])
        group = census.group
        kind, allowed, next_at = of_group[group], is_allowed[group], next_of_group[group]
        next_at[allowed] = np.maximum(next_at[allowed], census.due_at[allowed])
        waits = allowed & (next_at > at)
        kind[waits] = later
        kind[census.is_calling] = calling
        next_at[census.is_calling] = inf
        return list(numbers), kind, next_at

    def _answer_of(self, group: Group) -> Answer:
        """Give what holds for a group: the earliest of the instants at which it changes for one of its leads."""
        answers = [self._judged(lead) for lead in map(self._store.lead, group.asked) if lead is not None]
        if not answers:  # erased meanwhile
            return Answer(reason=Reason.NUMBER, rule="no_number_left", next_at=None)
        first = answers[0]
        return Answer(reason=first.reason, rule=first.rule, next_at=_earliest(each.next_at for each in answers))

    def _judged(self, lead: Lead) -> Answer:
        """Ask the gate about each number of a lead; of one that it allows, say when its turn is by the hour's rule."""
        at = self.at
        lead = replace(lead, standing=self._store.standing_at(lead, self._policy.seller, at))
        verdict, index = judge(self._gate, self._policy, lead, at, self._known)
        if not verdict.allowed:
            return Answer(reason=self._reason_of(verdict.rule), rule=verdict.rule, next_at=verdict.next_at)
        if lead.callback is None:
            at = other_hour(lead, lead.numbers[index], self.at, self._policy)
        return Answer(reason=Reason.DIALABLE, rule="", next_at=at)

    def _reason_of(self, rule: str) -> Reason:
        if rule not in self._reasons:
            self._reasons[rule] = reason_of(rule, self._law)
        return self._reasons[rule]


def judge(gate: Gate, policy: CampaignPolicy, lead: Lead, now: float, known: Known) -> tuple[Verdict, int]:
    """Ask about each number of a lead, as the engine does: the first that may be called, else the soonest to change."""
    best: tuple[Verdict, int] | None = None
    for index in callable_numbers(lead, policy):
        verdict = gate.decide(lead, lead.numbers[index], now, known)
        if verdict.allowed:
            return verdict, index
        if best is None or _asks_at(verdict) < _asks_at(best[0]):
            best = (verdict, index)
    return best or (Verdict(allowed=False, rule="no_number_left", inputs=(), next_at=None), 0)


def _asks_at(verdict: Verdict) -> float:
    return inf if verdict.next_at is None else verdict.next_at


def _earliest(instants: Iterable[float | None]) -> float | None:
    return min((each for each in instants if each is not None), default=None)
