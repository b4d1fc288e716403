"""`dialer leads show` for people."""

from contextlib import closing
from pathlib import Path

from tests.integration.daemon_process import dialer, prepare
from tests.unit.storage.builders import make_lead, make_policy
from tests.vaults import open_state


def test_a_lead_is_shown_with_the_zone_of_its_instants(tmp_path: Path) -> None:
    """Instants say that they are in UTC, what there is none of is a dash, and numbers are masked."""
    config = prepare(tmp_path)
    policy = make_policy("survey")
    with (
        closing(open_state(tmp_path / "state")) as store,
        store.importing(policy, "list.csv", "", 0.0) as session,
    ):
        session.add(make_lead(7, campaign="survey", due_at=1773144000.0))
    shown = dialer("leads", "show", "1", "--campaign", "survey", "--config", config, COLUMNS="80")
    assert shown.returncode == 0, shown.stderr
    lines = {line.split()[0]: line for line in shown.stdout.splitlines()}
    assert lines["due_at"].rstrip().endswith("2026-03-10 12:00:00 UTC")
    assert lines["last_attempt_at"].split() == ["last_attempt_at", "-"]
    assert "+1-202-****-0007  attempts: 0" in lines["number"]
