"""`make demo-asterisk`: a small campaign over Mosquitto and Asterisk, with SIPp's people and agents. Nobody is called.

One rule governs: what runs is what an operator runs, `dialer run` and `dialer gateway asterisk`, by their files.
"""

import sys
import time

from dialer.domain.outcome import Outcome
from tests.servers.people import EXPECTED, behaviour, stories
from tests.servers.site import Site, site_of

PEOPLE = [f"{digit}{rank:02d}" for rank in range(10, 16) for digit in "1492135671809"]
AGENTS, LINES = 8, 20
MOST_S = 120.0


def main() -> int:
    """Run it; 0 when every outcome is what SIPp did."""
    people = list(dict.fromkeys(PEOPLE))
    print("demo: starting Mosquitto, Asterisk 22, SIPp, `dialer gateway asterisk` and `dialer run`", flush=True)
    with site_of(people, agents=AGENTS, lines=LINES) as site:
        wait(site, len(people))
        site.stop()
        for report in ("campaign", "agents", "abandonment"):
            print(f"\n{report.capitalize()}\n{site.text_of('report', report)}")
        attempts, told = site.attempts(), stories(site.switch.people_log)
        wrong = [each for each in attempts if each.outcome not in expected(each.number)]
        print(f"demo: {len(attempts)} attempts, {len(told)} telephones rang or answered, {len(wrong)} outcomes differ")
        for each in wrong:
            print("demo: does not add up:", each)
    return 1 if wrong or len(attempts) != len(people) else 0


def expected(number: str) -> frozenset[Outcome]:
    """Give what an attempt may come to without a detector, for which everybody is a person."""
    return EXPECTED["2" if behaviour(number) == "3" else behaviour(number)]


def wait(site: Site, people: int) -> None:
    """Say how it goes until everybody was called."""
    began_at = time.monotonic()
    said = ""
    while time.monotonic() - began_at < MOST_S:
        counts = site.campaign()["counts"]
        line = f"{counts['dials']} of {people} dialed, {counts['connects']} connects, {counts['abandoned']} abandoned"
        if line != said:
            print(f"demo: {time.monotonic() - began_at:5.1f} s  {line}", flush=True)
            said = line
        if counts["finished"] >= people:
            return
    print(site.log("daemon.log")[-2000:])


if __name__ == "__main__":
    sys.exit(main())
