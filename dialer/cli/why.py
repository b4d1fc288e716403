"""`dialer why`: may this number be called at this instant, by which rules, and when next.

One rule governs this module: it prints what the gate says and adds no opinion. Numbers are masked, names are not shown.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialer.cli.leads import CONFIG, ConfigOption, JsonOption

if TYPE_CHECKING:
    from dialer.config.settings import Settings
    from dialer.daemon.trace import Trace
    from dialer.domain.law import Law
    from dialer.domain.lead import Lead
    from dialer.domain.policy import CampaignPolicy
    from dialer.domain.verdict import Finding
    from dialer.storage.evidence_bodies import VerdictBody
    from dialer.storage.reading import Records

_PAST_S = 60.0  # an instant so long ago is not meant to be now
NOT_ADVICE = "This is what the rulesets say, with their sources and grades. It is no legal advice."


def why(
    which: Annotated[str, typer.Argument(metavar="NUMBER|LEAD_ID", help="A number, or the id of a lead.")],
    campaign: Annotated[str, typer.Option("--campaign", metavar="NAME", help="The campaign's name.")],
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="WHEN", help="2026-11-27T21:30, by the person's clock. Absent: now."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Say why a number may be called at an instant, or not: every rule, in order, with inputs and source.

    The instant may be past or to come; with an offset (2026-11-27T12:30+00:00) it is that one, whatever the person's
    clock says. A number that is on no list of the campaign is judged as a stranger's.
    """
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records
    from dialer.daemon.trace import trace

    settings = load_settings(config)
    policy = campaign_policy(settings, campaign)
    with open_records(settings) as store:
        lead, indexes = _find(store, policy, which)
        instant = _instant_of(lead, indexes[0], at)
        law = law_at(settings, instant)
        traces = [trace(store, policy, law, lead, index, instant) for index in indexes]
    if as_json:
        import msgspec

        value = {**_head(traces[0], policy, law), "numbers": [_object(each, law) for each in traces]}
        print(msgspec.json.format(msgspec.json.encode(value)).decode())
        return
    for each in traces:
        _print(each, policy, law)
    print(NOT_ADVICE)


def campaign_policy(settings: "Settings", name: str) -> "CampaignPolicy":
    """Find a campaign among the campaign files, which must all be valid."""
    from dialer.config.campaign import load_campaigns
    from dialer.errors import UsageError

    policies = {policy.name: policy for policy in load_campaigns(sorted(settings.campaigns_dir.glob("*.toml")))}
    if name not in policies:
        known = ", ".join(policies) or "none"
        raise UsageError(f"{name}: no such campaign in {settings.campaigns_dir}; there: {known}")
    return policies[name]


def law_at(settings: "Settings", at: float) -> "Law":
    """Read the law that is in force; for an instant whose holidays it does not hold, with those of that year."""
    import time

    from dialer.config.rulesets import load_law

    law = load_law(settings.rules, around=time.time())
    first, last = law.holiday_years
    if first < datetime.fromtimestamp(at, UTC).year < last:
        return law
    return load_law(settings.rules, around=at)


def _find(store: "Records", policy: "CampaignPolicy", which: str) -> "tuple[Lead, list[int]]":
    """Find a lead, and which of its numbers is meant: by id all of them, by a number that one. Else make a stranger."""
    from dialer.daemon.trace import stranger
    from dialer.errors import UsageError
    from dialer.leads.numbers import read_numbers

    if which.isascii() and which.isdigit() and len(which) < 19:
        lead = store.lead(int(which))
        if lead is not None and lead.campaign == policy.name and lead.numbers:
            return lead, list(range(len(lead.numbers)))
    numbers, faults = read_numbers(which, policy.jurisdiction)
    for number in numbers:
        # Of a person who was erased a lead is left, without numbers: the number is a stranger's again.
        for lead in (each for each in store.find_number(number.e164, policy.name) if each.numbers):
            return lead, [index for index, each in enumerate(lead.numbers) if each.e164 == number.e164]
    if not numbers:
        said = f" ({faults[0].reason.replace('_', ' ')})" if faults else ""
        raise UsageError(
            f"NUMBER: expected a telephone number, or the id of a lead of {policy.name}, found {len(which)} characters"
            f" that are neither{said}"
        )
    return stranger(numbers[0], policy), [0]


def _instant_of(lead: "Lead", index: int, at: str | None) -> float:
    """Read --at; without an offset it is by the clock on the wall of the person called."""
    import time
    from zoneinfo import ZoneInfo

    from dialer.cli.report import read_instant
    from dialer.compliance.gate import places

    if at is None:
        return time.time()
    zones = places(lead, lead.numbers[index])
    return read_instant("--at", at, ZoneInfo(zones[0] if zones else "UTC"), is_end=False)


# ------------------------------------------------------------------------------------------------- texts
def moment(at: float, zone: str, near_at: float) -> str:
    """Write an instant by a zone's clock, to the minute; with the year where it is another one."""
    from zoneinfo import ZoneInfo

    local, near = datetime.fromtimestamp(at, ZoneInfo(zone)), datetime.fromtimestamp(near_at, ZoneInfo(zone))
    year = "" if local.year == near.year else f" {local.year}"
    seconds = f":{local:%S}" if local.second else ""
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}{seconds} {zone}"


def _both(at: float, zone: str, near_at: float) -> str:
    """Write an instant by the person's clock and in UTC."""
    return f"{moment(at, zone, near_at)} ({datetime.fromtimestamp(at, UTC):%d %b %H:%M} UTC)"


def _applied_as(finding: "Finding", law: "Law") -> str:
    """Name what a rule is applied as; a law, policy or code that nobody verified is a house rule, and marked."""
    from dialer.domain.law import Force, Grade

    if finding.grade is Grade.UNVERIFIED and finding.force is Force.HOUSE:
        written = force_of(finding.rule, law)
        if written is not None and written is not Force.HOUSE:
            return f"house (unverified {written})"
    return str(finding.force)


def force_of(rule_id: str, law: "Law") -> Any:
    """Give the force that a rule's ruleset claims for it; None for a rule of no ruleset."""
    from dialer.config.rulesets import rules_of

    return next(
        (rule.force for ruleset in law.rulesets for _, rule in rules_of(ruleset) if rule.rule_id == rule_id), None
    )


def _sentence(found: "Trace", law: "Law") -> str:
    """Say the verdict."""
    zone = _zone(found)
    if found.verdict.allowed:
        until = (
            "" if found.verdict.next_at is None else f"; this may change {_both(found.verdict.next_at, zone, found.at)}"
        )
        agent = ", with an agent reserved for it" if found.verdict.needs_agent else ""
        return f"allowed{agent}{until}"
    refusals = [each for each in found.findings if not each.allowed]
    said = found.verdict.rule
    if refusals:
        first = refusals[0]
        grade = "" if _is_own(first) else f", {first.grade}"
        looked_at = f" ({_inputs(first)})" if first.inputs else ""
        said = f"{first.rule}, {_applied_as(first, law)}{grade}, {first.source}{looked_at}"
    if refusals[1:]:
        said += f"; refused, too, by {', '.join(each.rule for each in refusals[1:])}"
    if found.next_allowed_at is None:
        return f"not allowed: {said}; no instant is in sight at which it would be"
    return f"not allowed: {said}; next allowed {_both(found.next_allowed_at, zone, found.at)}"


def _inputs(finding: "Finding") -> str:
    return ", ".join(f"{name}: {value}" for name, value in finding.inputs)


def _zone(found: "Trace") -> str:
    return found.zones[0] if found.zones else "UTC"


def _recorded(body: "VerdictBody", law: "Law", zone: str, at: float) -> str:
    """Say what the gate had said, and whether by the law that is in force now."""
    said = f"allowed by {body.rule}" if body.allowed and body.rule != "allowed" else "allowed" if body.allowed else ""
    said = said or f"refused by {body.rule}"
    law_then = f"law {body.law_digest[:12]}"
    same = "the one in force now" if body.law_digest == law.digest else f"in force now is another, {law.digest[:12]}"
    return f"{moment(body.at, zone, at)}: {said}, {law_then} ({same})"


def _state(lead: "Lead") -> str:
    """Say where a lead stands."""
    if not lead.lead_id:
        return "no lead of this campaign: judged as a stranger's number"
    due = ""
    if str(lead.state) == "pending" and lead.due_at > 0.0:
        due = f", due {datetime.fromtimestamp(lead.due_at, UTC):%Y-%m-%d %H:%M} UTC"
    reason = f" ({lead.reason})" if lead.reason else ""
    ends = "; this campaign will not call it again, whatever the rules say" if str(lead.state) == "finished" else ""
    return f"{lead.state}{reason}{due}{ends}"


# ---------------------------------------------------------------------------------------------- printing
def _print(found: "Trace", policy: "CampaignPolicy", law: "Law") -> None:
    import sys
    import time

    from dialer.cli.tables import console_for, table_of
    from dialer.leads.numbers import mask

    console, lead, number, zone = console_for(sys.stdout), found.lead, found.number, _zone(found)
    lead_text = f"lead {lead.lead_id} of {policy.name}" if lead.lead_id else f"for {policy.name}"
    lines = [
        f"{mask(number.e164)} ({number.kind.replace('_', ' ')}), {lead_text}: {policy.purpose} for {policy.seller}",
        f"  at      {_both(found.at, zone, found.at)}",
        f"  where   {', '.join(found.codes)}; {', '.join(_clock(name, found.at) for name in found.zones) or 'no zone'}",
        f"  list    {_state(lead)}; {lead.attempts} attempts, {number.attempts} on this number",
    ]
    for body, word in ((found.before, "last"), (found.after, "next")):
        if body is not None:
            lines.append(f"  {word:<6}  {_recorded(body, law, zone, found.at)}")
    if found.at < time.time() - _PAST_S:
        lines.append("  then    attempts, consents and registers are as they were; list, campaign file and law as now")
    console.print("\n".join(lines), soft_wrap=True)
    columns = {
        "": ["ok" if each.allowed else "NO" for each in found.findings],
        "rule": [each.rule for each in found.findings],
        "applied as": [_applied_as(each, law) for each in found.findings],
        "grade": ["" if _is_own(each) else str(each.grade) for each in found.findings],
        "looked at": [_inputs(each) for each in found.findings],
        "may change": ["" if each.next_at is None else _both(each.next_at, zone, found.at) for each in found.findings],
        "source": [each.source for each in found.findings],
    }
    left = ("", "rule", "applied as", "grade", "looked at", "may change", "source")
    console.print(table_of(columns, left=left, folded=("looked at", "may change", "source")))
    console.print(_sentence(found, law), soft_wrap=True)


def _is_own(finding: "Finding") -> bool:
    """Whether a check rests on no ruleset, but on the campaign file or on the dialer's own rules."""
    return "." not in finding.rule


def _clock(name: str, at: float) -> str:
    from zoneinfo import ZoneInfo

    return f"{name} {datetime.fromtimestamp(at, ZoneInfo(name)):%a %H:%M}"


def _head(found: "Trace", policy: "CampaignPolicy", law: "Law") -> dict[str, Any]:
    return {
        "campaign": policy.name,
        "seller": policy.seller,
        "purpose": policy.purpose,
        "lead_id": found.lead.lead_id or None,
        "state": str(found.lead.state) if found.lead.lead_id else None,
        "attempts": found.lead.attempts,
        "at": iso(found.at, "UTC"),
        "law": law.digest,
        "campaign_digest": policy.digest,
        "registries": [
            {"registry": copy.registry, "version": copy.version, "received_at": iso(copy.received_at, "UTC")}
            for copy in found.registries
        ],
    }


def _object(found: "Trace", law: "Law") -> dict[str, Any]:
    from dialer.leads.numbers import mask

    zone = _zone(found)
    return {
        "number": mask(found.number.e164),
        "kind": found.number.kind,
        "attempts": found.number.attempts,
        "jurisdictions": list(found.codes),
        "zones": {name: iso(found.at, name) for name in found.zones},
        "allowed": found.verdict.allowed,
        "rule": found.verdict.rule,
        "needs_agent": found.verdict.needs_agent,
        "sentence": _sentence(found, law),
        "next_allowed_at": iso(found.next_allowed_at, zone),
        "findings": [
            {
                "rule": each.rule,
                "allowed": each.allowed,
                "force": str(each.force),
                "written_force": str(force_of(each.rule, law) or each.force),
                "grade": str(each.grade),
                "inputs": dict(each.inputs),
                "next_at": iso(each.next_at, zone),
                "source": each.source,
                "needs_agent": each.needs_agent,
            }
            for each in found.findings
        ],
        "recorded": [_recorded_object(body, law) for body in (found.before, found.after) if body is not None],
    }


def _recorded_object(body: "VerdictBody", law: "Law") -> dict[str, Any]:
    return {
        "at": iso(body.at, "UTC"),
        "allowed": body.allowed,
        "rule": body.rule,
        "inputs": dict(body.inputs),
        "law": body.law_digest,
        "is_law_of_now": body.law_digest == law.digest,
        "campaign_digest": body.policy_digest,
        "registries": dict(body.registries),
    }


def iso(at: float | None, zone: str) -> str | None:
    """Write an instant for machines, by a zone's clock."""
    from zoneinfo import ZoneInfo

    return None if at is None else datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat(timespec="seconds")
