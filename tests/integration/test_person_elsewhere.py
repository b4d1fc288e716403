"""A person is erased on one machine while the daemon that has them in hand dials on another."""

import os
import pwd
import signal
from pathlib import Path

from dialer.config.settings import load_settings
from dialer.daemon.stores import open_records
from dialer.domain.lead import LeadState
from tests.integration.test_person_commands import person
from tests.recovery.test_machines import machine, running

ME = pwd.getpwuid(os.getuid()).pw_name


def test_a_daemon_elsewhere_gives_the_person_back_first(postgres_address: str, tmp_path: Path) -> None:
    """It hears of the refusal, and nothing that it writes later names the person."""
    there, here = (machine(tmp_path / name, postgres_address) for name in ("there", "here"))
    here.write_text(here.read_text(encoding="utf-8") + f'[privacy]\nfull_view = ["{ME}"]\n', encoding="utf-8")
    with running(there) as daemon:
        daemon.wait_log("attempt")
        with open_records(load_settings(there)) as store:
            up = {attempt.lead_id for attempt in store.open_attempts()}
            leads = [lead for lead in store.leads("survey") if lead.lead_id not in up]
        claimed = [lead for lead in leads if lead.state is LeadState.CLAIMED] or leads
        lead = claimed[-1]
        number, name = lead.numbers[0].e164, lead.name
        codes = [person("erase", here, seller="Example", number=number).exit_code]
        while codes[-1] == 6 and len(codes) < 20:
            codes.append(person("erase", here, seller="Example", number=number).exit_code)
        assert codes[-1] == 0
        daemon.wait_log("attempt")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    with open_records(load_settings(there)) as store:
        entries = [repr(entry) for entry in store.entries()]
        assert not any(f"name='{name}'" in entry or number in entry for entry in entries)
        assert any("name='Person " in entry for entry in entries)
        assert [lead.reason for lead in store.leads("survey") if not lead.numbers] == ["erased"]
