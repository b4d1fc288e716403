"""What is measured on: a folder with a campaign, and lists whose numbers are nobody's.

One rule governs this module: lists go through the doors that an operator has. Only where a database of millions has to
be there first is it filled by hand.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dialer.config.campaign import load_campaign
from dialer.config.settings import load_settings
from dialer.daemon import stores
from dialer.domain.policy import CampaignPolicy
from dialer.storage.store import Store

NAME = "bench"
SELLER = "Example Telecom"
KOREAN = f"""
name = "{NAME}"
seller = "{SELLER}"
purpose = "survey"
jurisdiction = "KR"
[list]
columns = {{ number = "phone", name = "name", segment = "group", priority = "priority", city = "city" }}
[pacing]
mode = "progressive"
[agents]
groups = ["floor"]
[retry]
no_answer = {{ after = "1h", times = 3 }}
[dispositions]
done = {{ final = true, success = true }}
"""
BRITISH = f"""
name = "{NAME}"
seller = "{SELLER}"
purpose = "survey"
jurisdiction = "GB"
caller_id = "+442079460000"
[list]
columns = {{ number = "phone" }}
[pacing]
mode = "progressive"
detector = false
[abandonment]
starts_at = "answer"
time_zone = "Europe/London"
message = "sorry.wav"
message_says = ["seller_name", "purpose", "free_opt_out_number", "no_sales"]
[hours]
weekdays = ["09:00-20:00"]
[agents]
groups = ["floor"]
[retry]
no_answer = {{ after = "1h", times = 3 }}
[dispositions]
done = {{ final = true, success = true }}
"""
"""A campaign that British law lets call: what a start and claims are measured with."""
_AREAS = ("202", "212", "305", "312", "404", "415", "512", "617", "702", "850")
_STEP = 7_654_321  # has no factor in common with ten million: every number comes once
_HEAD = "name,phone,group,priority,city\n"


def make_folder(
    folder: Path, campaign: str = KOREAN, start_at: float | None = None, *, database: str = "state/dialer.db"
) -> Path:
    """Write a configuration and one campaign; give the configuration's path."""
    (folder / "campaigns").mkdir(parents=True)
    (folder / "campaigns" / f"{NAME}.toml").write_text(campaign, encoding="utf-8")
    (folder / "campaigns" / "sorry.wav").write_bytes(b"")
    config = folder / "config.toml"
    loopback = ""
    if start_at is not None:
        loopback = (
            f"[loopback]\nagents = 40\nspeed = 10\nstart_at = {datetime.fromtimestamp(start_at, UTC).isoformat()}\n"
        )
    where = f'state_dir = "state"\ndatabase = "{database}"\ncampaigns_dir = "campaigns"\n'
    config.write_text(f"{where}{loopback}", encoding="utf-8")
    return config


def policy_of(config: Path) -> CampaignPolicy:
    """Read the campaign."""
    return load_campaign(config.parent / "campaigns" / f"{NAME}.toml")


def open_store(config: Path) -> Store:
    """Open the database of a configuration."""
    return stores.open_store(load_settings(config))


def written(rank: int) -> str:
    """A number as somebody may have written it: six in ten Korean, the others Japanese, a thousand American.

    One row in a hundred repeats an earlier number.
    """
    rank = rank - 50 if rank % 100 == 99 else rank
    if rank % 1000 == 0 and rank // 1000 < 100 * len(_AREAS):
        area, last = divmod(rank // 1000, 100)
        return f"+1 ({_AREAS[area]}) 555-01{last:02d}"
    digits = f"{rank * _STEP % 10_000_000:07d}"
    country, form = rank % 10, rank // 10 % 3
    if country < 6:
        return (f"010-0{digits[:3]}-{digits[3:]}", f"0100{digits}", f"+82 10-0{digits[:3]}-{digits[3:]}")[form]
    return (f"+81 90-0{digits[:3]}-{digits[3:]}", f"+81900{digits}", f"+81 900{digits[:3]} {digits[3:]}")[form]


def write_list(path: Path, rows: int) -> None:
    """Write a list as CSV."""
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEAD)
        file.writelines(_lines(rows))


def _lines(rows: int) -> Iterator[str]:
    for rank in range(rows):
        yield f"Nobody {rank},{written(rank)},g{rank % 7},{rank % 3},City {rank % 500}\n"
