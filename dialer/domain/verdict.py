"""The gate's answers: one finding per rule, and the verdict over all of them."""

from dataclasses import dataclass

from dialer.domain.law import Force, Grade

Inputs = tuple[tuple[str, str], ...]
"""What a rule looked at, by name. Never a telephone number or a name: verdicts are logged and kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule says of one number at one instant.

    `next_at` is the next instant at which the answer may change (None: not by itself). `needs_agent`: the call is
    allowed only with an agent reserved for it. `force` is what the rule is applied as.
    """

    rule: str
    allowed: bool
    inputs: Inputs
    next_at: float | None
    force: Force
    grade: Grade
    source: str
    needs_agent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's answer for one number at one instant.

    `rule` is the rule that refused, or `allowed`; `inputs` are what it looked at; `next_at` is the next instant at
    which the answer may change (None: it will not change by itself). `needs_agent`: only with an agent reserved.
    """

    allowed: bool
    rule: str
    inputs: Inputs
    next_at: float | None
    needs_agent: bool = False
