"""A pacing decision as a sentence with its numbers: what the command line, the log and the status say of it.

One rule governs this module: it explains what a decision holds and computes nothing. A term that a pacer does not give
is left out, one that nobody here knows is shown under its own name.
"""

from collections.abc import Mapping
from math import isfinite

from dialer.domain.policy import PacingMode
from dialer.domain.records import PacingDecision

HOLDS_S = 15.0
"""A predictive decision stands for what followed it for so long: one is kept every 10 s, the rest is slack."""
HOLDS_AFTER_EVENTS_S = 60.0
"""The other modes decide only when something happens, so theirs stand longer."""

TERMS = {
    "psi": "the price limit: the highest risk that a further call may have",
    "risk_of_next": "the risk that the first call refused finds no agent",
    "ready": "agents ready, not held by a call",
    "queued": "people waiting for an agent",
    "busy": "agents talking or in wrap-up who go on afterwards",
    "talking": "agents talking who go on afterwards",
    "wrap_up": "agents in wrap-up, or resting, who go on afterwards",
    "departing": "busy agents who pause or log out afterwards",
    "in_flight": "calls not yet known to be a person or not, without an agent held",
    "p_live": "the chance that a dial becomes a live answer",
    "p_live_low": "the lowest value of it that was reckoned with",
    "p_live_high": "the highest",
    "p_next": "the chance that the next lead's dial becomes a live answer",
    "ratio": "calls in flight per ready agent",
    "p_breach": "the chance that the window closes above the cap",
    "live": "live answers in the window",
    "abandoned": "abandonments in the window",
    "remaining": "abandonments that the live answers so far still allow",
    "people_taken_for_machines": "the estimate of people among what the detector called machines in the window",
    "people_low": "its lower limit",
    "people_high": "its upper limit",
    "machines": "answers that the detector called machines in the window",
    "cap": "the highest share of abandonments that is allowed",
    "hour_live": "live answers of the last hour",
    "hour_abandoned": "abandonments of the last hour",
    "lag_s": "seconds from an event to the orders that it causes: they leave when the store has them",
}
"""What a term means; whoever adds one to a pacer or to the governor adds it here."""

_SHARES = ("psi", "risk_of_next", "cap")  # and what begins with p_
_LIMITS = {"wanted": "the pacer's own answer", "no_agents": "agents", "calls_per_second": "calls per second"}
_HOLDS = "each call holds an agent"


def holds_s(decision: PacingDecision) -> float:
    """Give the seconds for which a decision explains what followed, if none came after it."""
    return HOLDS_S if decision.mode == PacingMode.PREDICTIVE else HOLDS_AFTER_EVENTS_S


def explain(decision: PacingDecision) -> str:
    """Say in a sentence, without the instant, what was started, what bound the number and what would bind next."""
    terms = dict(decision.terms)
    wanted = f" of {decision.wanted} wanted" if decision.wanted >= decision.calls else ""
    parts = [f"started {decision.calls}{wanted}: {_cause(decision, terms)}", _floor(terms)]
    if decision.limited_by != "no_agents":
        parts.append(_risk(terms))
    if decision.runner_up:
        parts.append(f"next limit: {limit_text(decision.runner_up)} ({decision.runner_up_calls})")
    return "; ".join(part for part in parts if part)


def limit_text(limited_by: str) -> str:
    """Name a constraint for people."""
    return _LIMITS.get(limited_by, limited_by.replace("_", " "))


def term_text(name: str, value: float) -> str:
    """Write a term for people: shares as percentages, counts whole."""
    if not isfinite(value):
        return str(value)
    if name in _SHARES or name.startswith("p_"):
        return _percent(value)
    return f"{value:.0f}" if value == round(value) else f"{value:.4g}"


def _cause(decision: PacingDecision, terms: Mapping[str, float]) -> str:
    """Say what bound the number of calls."""
    if decision.calls < decision.allowed and decision.limited_by == "leads":
        return f"{_none_or(decision.calls, 'lead')} could be dialed"
    # The governor's own answer holds an agent for each call; what cut it further is told by the next limit.
    held = f", so {_HOLDS}" if decision.is_reserved else ""
    allowed = decision.allowed
    match decision.limited_by:
        case "wanted":
            return _own_answer(decision, terms)
        case "no_agents":
            return "nobody can take a call in time"
        case "lines":
            return f"{_none_or(allowed, 'line')} {'was' if allowed == 1 else 'were'} free"
        case "calls_per_second":
            return f"the limit of calls per second left {allowed or 'none'}"
        case "leads":
            return f"{_none_or(allowed, 'lead')} could be dialed"
        case "estimates":
            return f"too little was measured lately to dial ahead{held}"
        case "guard":
            return f"the last hour has too many abandonments{_of(terms, 'hour_abandoned', 'hour_live')}{held}"
        case "budget":
            return f"the window could close above its cap{_breach(terms)}{held}"
        case "infeasible":
            return f"the people whom the detector takes for machines alone reach the cap{_people(terms)}"
        case "store_slow":
            return f"the store is slow{_lag(terms)}{held}"
        case "store_stalled":
            return f"the store keeps orders waiting too long{_lag(terms)}"
        case "floor":
            return f"what is known of the floor contradicts itself ({'; '.join(terms) or 'unsaid'}){held}"
        case other:
            return f"limited by {limit_text(other)}{held}"


def _own_answer(decision: PacingDecision, terms: Mapping[str, float]) -> str:
    if decision.is_reserved:
        return f"one for each ready agent whom nobody else needs; {_HOLDS}"
    if "ratio" in terms:
        return f"what is missing to {term_text('ratio', terms['ratio'])} calls in flight per ready agent"
    return "a further call was not worth its risk"


def _of(terms: Mapping[str, float], part: str, whole: str) -> str:
    if part not in terms or whole not in terms:
        return ""
    return f" ({term_text(part, terms[part])} of {term_text(whole, terms[whole])} live answers)"


def _lag(terms: Mapping[str, float]) -> str:
    return f": {terms['lag_s']:.1f} s from an event to its orders" if "lag_s" in terms else ""


def _breach(terms: Mapping[str, float]) -> str:
    chance = f" with a chance of {term_text('p_breach', terms['p_breach'])}" if "p_breach" in terms else ""
    return chance + _of(terms, "abandoned", "live")


def _people(terms: Mapping[str, float]) -> str:
    people, live, cap = (terms.get(name) for name in ("people_taken_for_machines", "live", "cap"))
    if people is None or live is None or cap is None:
        return ""
    return f": an estimated {people:.1f} beside {term_text('live', live)} live answers, with a cap of {_percent(cap)}"


def _floor(terms: Mapping[str, float]) -> str:
    """Count the agents, the waiting and the calls, as far as they were looked at."""
    shown = (
        (("ready",), "{} agents ready", "1 agent ready"),
        (("queued",), "{} people waiting", "1 person waiting"),
        (("busy", "talking", "wrap_up"), "{} busy", "1 busy"),
        (("in_flight",), "{} calls in flight", "1 call in flight"),
    )
    found: list[str] = []
    for names, many, one in shown:
        counts = [terms[name] for name in names if name in terms]
        if counts:
            found.append(one if sum(counts) == 1.0 else many.format(term_text(names[0], sum(counts))))
    return ", ".join(found)


def _risk(terms: Mapping[str, float]) -> str:
    risk, psi = terms.get("risk_of_next"), terms.get("psi")
    if risk is None or psi is None or not isfinite(risk) or not isfinite(psi):
        return ""
    return f"the risk that one more call finds no agent was {_percent(risk)}, the price limit {_percent(psi)}"


def _none_or(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _percent(share: float) -> str:
    """Write a share so that a small one is not taken for none."""
    text = f"{share:.1%}"
    return f"{100.0 * share:.1g}%" if text == "0.0%" and share > 0.0 else text
