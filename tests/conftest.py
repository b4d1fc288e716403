"""What every test run has in common: Hypothesis profiles, and time zones from the tzdata package alone."""

import os
import zoneinfo

from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "soak", deadline=None, max_examples=3000, stateful_step_count=200, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")  # `make soak` overrides it with --hypothesis-profile

# The machine's /usr/share/zoneinfo would come first and differs from host to host.
os.environ["PYTHONTZPATH"] = ""
zoneinfo.reset_tzpath(to=[])

pytest_plugins = [
    "tests.servers.asterisk",
    "tests.servers.databases",
    "tests.servers.mosquitto",
    "tests.servers.postgres",
]
