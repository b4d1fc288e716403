"""Journal entries of earlier versions, brought to today's form when they are read.

One rule governs this module: an entry is never rewritten because the format changed. What a version wrote stays as it
was written; a step here says what its objects would look like in the next version. Steps only add what follows from
what is there, and a step that is here stays for ever.

`tests/golden/journals` keeps entries of every version, and fails when a class that travels changes without a new one.
"""

from collections.abc import Callable, Mapping
from typing import Any

VERSION = 5
"""The version of the entries that this dialer writes."""
UNMARKED = 1
"""The version taken of an entry that names none: versions 1 and 2 did not, and early ones of 3. The step from 1 leaves
alone what has the later form already."""

Plain = dict[str, Any]
"""An event or a command as a JSON object; its `type` says of which class."""


def _name_the_runner_up(command: Plain) -> Plain:
    """1 -> 2: a decision says what the limits left of what was wanted, and what would have bound next.

    Version 1 kept neither: `allowed` becomes the calls started, and there is no runner-up.
    """
    decision = command["decision"]
    return command | {"decision": {"allowed": decision["calls"], "runner_up": "", "runner_up_calls": 0} | decision}


STEPS: Mapping[int, Mapping[str, Callable[[Plain], Plain]]] = {
    1: {"RecordDecision": _name_the_runner_up},
    2: {},  # fields and classes were added, and what is not there has the value of its default
    3: {},  # the same again
    4: {},  # and again
}
"""What leads from the objects of each version to those of the next, by type."""


def upcast(version: int, value: Plain) -> Plain:
    """Give an event or a command of an earlier version as this one has it."""
    for step in range(version, VERSION):
        change = STEPS[step].get(value["type"])
        if change is not None:
            value = change(value)
    return value
