"""A folder with four small campaigns, of Korea, Japan, Florida and France, for the tests of `why` and `why-not`."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from typer.testing import CliRunner, Result

from dialer.cli.main import app
from dialer.config.campaign import load_campaign
from dialer.config.settings import load_settings
from dialer.daemon.imports import import_list
from dialer.daemon.stores import open_store
from dialer.storage.store import Store

SELLER = "Example Telecom"

CAMPAIGN = """
name = "{name}"
seller = "{seller}"
purpose = "{purpose}"
jurisdiction = "{jurisdiction}"
caller_id = "{caller_id}"
[list]
files = ["{name}.csv"]
columns = {{ number = "number", segment = "group"{columns} }}
{consent}
[pacing]
ring_timeout_s = 30
[abandonment]
threshold_s = 2
starts_at = "{starts_at}"
window = "{window}"
time_zone = "{zone}"
message = "sorry.wav"
message_says = [
    "seller_name", "seller_number", "purpose", "automated_opt_out", "opt_out_number", "free_opt_out_number", "no_sales",
]
[hours]
weekdays = ["00:00-24:00"]
saturday = ["00:00-24:00"]
sunday = ["00:00-24:00"]
[agents]
groups = ["floor"]
[retry]
no_answer = {{ after = "1h", times = 9 }}
attempts_max = 20
vary_hour = false
[numbers]
attempts_each = 20
[dispositions]
done = {{ final = true, success = true }}
refused = {{ final = true, refusal = true }}
"""

CONSENT = """[consent]
text = "consent.txt"
source = "order form"
method = "paper"
written = true
"""

KR, JP, FL, FR = "spring-kr", "reminder-jp", "summer-fl", "offers-fr"
KR_NUMBER, JP_NUMBER, FL_NUMBER, FR_NUMBER = "+821000001234", "+819000005678", "+13055550123", "+33199001234"
LISTS = {
    KR: "number,group,agreed\n+821000001234,gold,2026-03-02\n+821000001235,gold,\n+821000001236,new,2024-01-15\n",
    JP: "number,group,hours\n+819000005678,due,18:00-20:00\n+819000005679,due,\n",
    FL: "number,group,agreed\n+13055550123,new,2026-05-04\n+13055550124,new,\n",
    FR: "number,group,agreed\n+33199001234,new,2026-09-01\n+33199001235,new,\n",
}


def at(text: str, zone: str) -> float:
    """An instant by a zone's clock, such as 2026-11-27T21:30."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def _campaign(name: str, purpose: str, jurisdiction: str, zone: str, **changes: str) -> str:
    facts = {
        "name": name,
        "seller": SELLER,
        "purpose": purpose,
        "jurisdiction": jurisdiction,
        "zone": zone,
        "caller_id": "+12025550100",
        "columns": ', consent_at = "agreed"',
        "consent": CONSENT,
        "starts_at": "answer",
        "window": "24h",
    }
    return CAMPAIGN.format(**{**facts, **changes})


def prepare(folder: Path, database_line: str = "") -> Path:
    """Write configuration, campaigns and lists, and import the lists; give the configuration's path."""
    campaigns = folder / "campaigns"
    campaigns.mkdir()
    config = folder / "config.toml"
    config.write_text(f'state_dir = "state"\ncampaigns_dir = "campaigns"\n{database_line}', encoding="utf-8")
    (campaigns / "consent.txt").write_text("I agree to be called.\n", encoding="utf-8")
    (campaigns / "sorry.wav").write_bytes(b"")
    texts = {
        KR: _campaign(KR, "telemarketing", "KR", "Asia/Seoul"),
        JP: _campaign(
            JP, "debt", "JP", "Asia/Tokyo", columns=', contact_hours = "hours"', consent="", seller="Example Credit"
        ),
        FL: _campaign(FL, "telemarketing", "US", "America/New_York", window="30d-blocks", starts_at="greeting_end"),
        FR: _campaign(FR, "telemarketing", "FR", "Europe/Paris"),
    }
    for name, text in texts.items():
        (campaigns / f"{name}.toml").write_text(text, encoding="utf-8")
        (campaigns / f"{name}.csv").write_text(LISTS[name], encoding="utf-8")
    with open_store(load_settings(config)) as store:
        for name in texts:
            bring_in(store, campaigns, name)
    return config


def bring_in(store: Store, campaigns: Path, name: str) -> None:
    """Import a campaign's list, as of 1 November 2026."""
    policy = load_campaign(campaigns / f"{name}.toml")
    import_list(campaigns / f"{name}.csv", policy, store, at("2026-11-01T12:00", "UTC"))


def run(config: Path, *words: str, columns: str = "200") -> Result:
    """Run `dialer ...` with a configuration; its output, and its exit code."""
    return CliRunner().invoke(app, [*words, "--config", str(config)], env={"COLUMNS": columns})
