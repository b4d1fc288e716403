"""Calling hours without an end, for tests on the real clock: they have to pass at night and on a Sunday, too."""

HOURS = """
[hours]
weekdays = ["00:00-24:00"]
saturday = ["00:00-24:00"]
sunday = ["00:00-24:00"]
"""

# The ruleset file of such a test's site.
OPEN = """
[[override]]
rule = "GB.hours.telemarketing"
reason = "nobody is called: the network is played"
approved_by = "the test"
"""
