"""Alive means progress, ready means it would dial: each reason on its own."""

from dialer.daemon.health import SILENCE_S, Health, Phase
from dialer.ports import GatewayStanding


class Wall:
    """A clock of seconds that tests move."""

    at = 100.0

    def __call__(self) -> float:
        """Give the instant."""
        return self.at


def standing(name: str, lost: str | None) -> GatewayStanding:
    """A gateway that is there, or lost."""
    return GatewayStanding(name=name, lost=lost, since_at=1.0, lines=10, calls=3)


def test_a_start_is_alive_and_not_ready() -> None:
    """Nobody knows yet whether there is progress; reading large lists takes its time."""
    wall = Wall()
    health = Health(wall)
    wall.at += 10 * SILENCE_S
    assert health.is_live
    assert health.reasons() == ["starting: lists and an earlier run are taken over"]


def test_silence_ends_the_life() -> None:
    """As long as the last beat is a moment ago the daemon lives; then it is stuck."""
    wall = Wall()
    health = Health(wall)
    health.phase = Phase.RUNNING
    health.beat()
    wall.at += SILENCE_S
    assert health.is_live
    assert health.reasons() == []
    wall.at += 0.1
    assert not health.is_live
    assert health.reasons() == ["stuck: the engine makes no progress"]


def test_a_standby_and_a_drain_live_and_are_not_ready() -> None:
    """Both are as they should be; neither starts a call."""
    health = Health()
    health.beat()
    for phase, word in ((Phase.STANDBY, "standby"), (Phase.DRAINING, "draining")):
        health.phase = phase
        assert health.is_live
        assert health.reasons()[0].startswith(word)


def test_a_blocked_daemon_says_why() -> None:
    """It lives, for it tries again; it is not ready. Where its database is, the page does not tell."""
    health = Health()
    health.phase = Phase.RUNNING
    health.beat()
    health.blocked = lambda: "the database postgresql://dialer@db.example:5432/dialer is lost"
    assert health.is_live
    (reason,) = health.reasons()
    assert reason.startswith("blocked: the database takes nothing; make room")
    assert "db.example" not in reason


def test_one_gateway_is_enough_to_dial() -> None:
    """Only when every gateway is lost is there nothing to dial with."""
    health = Health()
    health.phase = Phase.RUNNING
    health.beat()
    health.gateways = lambda: [standing("north", "no word for 5 s"), standing("south", None)]
    assert health.reasons() == []
    health.gateways = lambda: [standing("north", "no word for 5 s"), standing("south", "left")]
    assert health.reasons() == ["gateway lost: north: no word for 5 s; south: left"]
    shown = {(sample.name, *sample.labels.values()): sample.value for f in health.collect() for sample in f.samples}
    assert shown["dialer_gateway_up", "north"] == shown["dialer_ready",] == 0.0
