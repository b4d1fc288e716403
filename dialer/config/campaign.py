"""Campaign files: TOML in, frozen policies out.

One rule governs this module: several files are loaded all or none, and the error names every fault of all of them.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from dialer.config.campaign_model import (
    CampaignTable,
    ConsentTable,
    DispositionTable,
    HoursTable,
    RetryTable,
)
from dialer.config.faults import ConfigFaults, Fault, shown
from dialer.config.toml_file import TomlFile
from dialer.domain.outcome import Outcome
from dialer.domain.policy import (
    AbandonmentPolicy,
    AgentsPolicy,
    CallbackPolicy,
    CampaignPolicy,
    CompliancePolicy,
    DispositionPolicy,
    HoursPolicy,
    ListConsentPolicy,
    ListPolicy,
    NumbersPolicy,
    PacingMode,
    PacingPolicy,
    RetryPolicy,
    RetryRule,
    ShadowPolicy,
)

_RETRIED = tuple(outcome for outcome in Outcome if outcome in RetryTable.model_fields)

DEFAULT_HOURS = HoursTable.model_validate({"weekdays": ["09:00-20:00"], "saturday": ["10:00-17:00"]})
"""The house's hours, for a campaign file that has no [hours]: daytime in the week, shorter on Saturday, no Sunday."""

DEFAULT_DISPOSITIONS = {
    "done": DispositionTable(final=True, success=True),
    "refused": DispositionTable(final=True, refusal=True),
    "do_not_call": DispositionTable(final=True, do_not_call="seller"),
    "callback": DispositionTable(schedule=True),
    "wrong_number": DispositionTable(number="invalid"),
    "machine": DispositionTable(machine=True),
}
"""The agent's words, for a campaign file that has no [dispositions]."""


def load_campaign(path: Path) -> CampaignPolicy:
    """Read one campaign file; raise ConfigFaults with every fault in it."""
    return load_campaigns([path])[0]


def load_campaigns(paths: Iterable[Path]) -> list[CampaignPolicy]:
    """Read campaign files, all or none, in the order given; raise ConfigFaults with every fault of all of them."""
    loaded: list[tuple[TomlFile, CampaignPolicy]] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            file = TomlFile.read(path)
            loaded.append((file, _policy(file.check(CampaignTable), file.digest)))
        except ConfigFaults as error:
            faults.extend(error.faults)
    faults.extend(_duplicates(loaded))
    if faults:
        raise ConfigFaults(faults)
    return [policy for _, policy in loaded]


def _duplicates(loaded: Sequence[tuple[TomlFile, CampaignPolicy]]) -> list[Fault]:
    """A fault for each campaign whose name an earlier file has already."""
    first: dict[str, TomlFile] = {}
    faults = []
    for file, policy in loaded:
        other = first.setdefault(policy.name, file)
        if other is not file:
            hint = f"{other.place(('name',))} has it already"
            wanted = "a name of its own for each campaign"
            faults.append(file.fault(("name",), expected=wanted, found=file.found(("name",)), hint=hint))
    return faults


def _policy(table: CampaignTable, digest: str) -> CampaignPolicy:
    dispositions = DEFAULT_DISPOSITIONS if table.dispositions is None else table.dispositions
    return CampaignPolicy(
        name=table.name,
        seller=table.seller,
        purpose=table.purpose,
        jurisdiction=table.jurisdiction,
        list=ListPolicy(
            files=tuple(table.list_.files),
            columns={name: tuple(headings) for name, headings in table.list_.columns.items()},
            encoding=table.list_.encoding,
            order=tuple(table.list_.order),
        ),
        pacing=_pacing(table),
        abandonment=_abandonment(table),
        hours=HoursPolicy(week=(table.hours or DEFAULT_HOURS).week()),
        retry=_retry(table),
        numbers=NumbersPolicy(
            order=table.numbers.order,
            attempts_each=table.numbers.attempts_each,
            next_after_s=table.numbers.next_after,
        ),
        callbacks=_callbacks(table),
        agents=AgentsPolicy(
            groups=tuple(table.agents.groups),
            wrap_up_max_s=table.agents.wrap_up_max_s,
            min_gap_s=table.agents.min_gap_s,
            occupancy_max=table.agents.occupancy_max,
        ),
        dispositions={name: _disposition(name, disposition) for name, disposition in dispositions.items()},
        caller_id=table.caller_id,
        languages=tuple(table.languages),
        script=table.script.file if table.script else None,
        is_started=table.started,
        compliance=CompliancePolicy(
            subject=table.compliance.subject or table.purpose,
            audience=table.compliance.audience,
            voice=table.compliance.voice,
            exceptions=tuple(table.compliance.exceptions),
        ),
        consent=_consent(table.consent or ConsentTable()),
        retention=table.retention.policy(),
        digest=digest,
    )


def _pacing(table: CampaignTable) -> PacingPolicy:
    pacing, default = table.pacing, PacingPolicy()
    return PacingPolicy(
        mode=pacing.mode,
        ratio=default.ratio if pacing.ratio is None else pacing.ratio,
        ring_timeout_s=pacing.ring_timeout_s,
        lines=pacing.lines,
        has_detector=pacing.detector,
        preview_timeout_s=(default.preview_timeout_s if pacing.preview_timeout_s is None else pacing.preview_timeout_s),
        shadow=None if pacing.shadow is None else _shadow(pacing.shadow),
    )


def _shadow(name: str) -> ShadowPolicy:
    mode, _, ratio = name.partition(":")
    return ShadowPolicy(mode=PacingMode(mode), ratio=float(ratio)) if ratio else ShadowPolicy(mode=PacingMode(mode))


def _abandonment(table: CampaignTable) -> AbandonmentPolicy:
    abandonment = table.abandonment
    return AbandonmentPolicy(
        target_rate=abandonment.target,
        cap_rate=abandonment.cap,
        window=abandonment.window,
        threshold_s=abandonment.threshold_s,
        starts_at=abandonment.starts_at,
        message=abandonment.message,
        time_zone=abandonment.time_zone,
        unit=abandonment.unit,
        amd_checked=abandonment.amd_checked,
        amd_people=abandonment.amd_people,
        message_says=tuple(abandonment.message_says),
    )


def _consent(table: ConsentTable) -> ListConsentPolicy:
    return ListConsentPolicy(
        text_hash="" if table.text is None else _digest_of(Path(table.text)),
        method=table.method,
        source=table.source or "",
        recipients=tuple(table.recipients),
        is_written=table.written,
    )


def _digest_of(path: Path) -> str:
    """Give the SHA-256 of a text that people agreed to; raise ConfigFaults when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        wanted, found = "a text that can be read", error.strerror or str(error)
        raise ConfigFaults([Fault(file=shown(path), line=None, key="", expected=wanted, found=found)]) from None


def _retry(table: CampaignTable) -> RetryPolicy:
    rules = {outcome: getattr(table.retry, outcome) for outcome in _RETRIED}
    return RetryPolicy(
        rules={
            outcome: RetryRule(after_s=rule.after, times=rule.times)
            for outcome, rule in rules.items()
            if rule is not None
        },
        attempts_max=table.retry.attempts_max,
        is_hour_varied=table.retry.vary_hour,
    )


def _callbacks(table: CampaignTable) -> CallbackPolicy:
    callbacks = table.callbacks
    return CallbackPolicy(
        missed=callbacks.missed,
        wait_s=callbacks.wait,
        retry_after_s=CallbackPolicy().retry_after_s if callbacks.retry_after is None else callbacks.retry_after,
    )


def _disposition(name: str, table: DispositionTable) -> DispositionPolicy:
    return DispositionPolicy(
        name=name,
        is_final=table.final,
        is_success=table.success,
        is_right_party=table.is_right_party,
        is_schedule=table.schedule,
        is_machine=table.machine,
        is_number_invalid=table.number == "invalid",
        is_do_not_call=table.do_not_call == "seller",
        is_refusal=table.refusal,
        retry_after_s=table.retry_after,
    )
