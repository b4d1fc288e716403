"""The law of a simulated world: there is none, since nobody is called in it.

One rule governs this module: a simulation tells how a floor behaves under a policy. Who may be called, and when, is for
the rulesets at dial time; `dialer check` and `dialer why` tell that.
"""

from dialer.domain.law import Law, Ruleset


def no_law(jurisdiction: str) -> Law:
    """Give a law under which simulated people may be called at any time: a ruleset without rules."""
    ruleset = Ruleset(
        code=jurisdiction,
        name="simulated",
        version="1",
        dated="",
        digest="",
        origin="simulator",
        regions=(jurisdiction,),
    )
    return Law(rulesets=(ruleset,), digest="simulated")
