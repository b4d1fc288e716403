"""The law that the daemon goes by: read at the start and at every reload, and told to engine and log.

One rule governs this module: what an operator left out of the law is said aloud, with the reason, each time it is read.
"""

from structlog.typing import FilteringBoundLogger

from dialer.config.rulesets import load_law
from dialer.config.settings import Settings
from dialer.domain.law import Law


def read_law(settings: Settings, now: float, log: FilteringBoundLogger) -> Law:
    """Read the built-in rulesets and the operator's own; raise ConfigFaults with every fault in them."""
    law = load_law(settings.rules, around=now)
    log.info("law", rulesets=len(law.rulesets), digest=law.digest, holidays=list(law.holiday_years))
    for override in law.overrides:
        log.warning(
            "rule left out",
            rule=override.rule_id,
            reason=override.reason,
            approved_by=override.approved_by,
            file=override.origin,
        )
    return law
