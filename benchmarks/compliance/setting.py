"""What is measured on: a campaign, a list and its people, all made, with numbers that are nobody's.

One rule governs this module: it goes through the doors that an operator has, so that what is measured is what there is.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dialer.config.campaign import load_campaign
from dialer.domain.commands import BlockPerson, RecordAttempt
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import Attempt
from dialer.domain.standing import Consent
from dialer.storage.keyring import open_vault
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store

DAY_S = 86_400.0


def next_friday(at: float) -> float:
    """Give the next Friday, half past eleven in Seoul and Tokyo: a register imported now is in use then."""
    day = datetime.fromtimestamp(at, UTC).replace(hour=2, minute=30, second=0, microsecond=0) + timedelta(days=1)
    return (day + timedelta(days=(4 - day.weekday()) % 7)).timestamp()


NOW = next_friday(time.time())
REGISTRY = "kr-donotcall"
SELLER = "Example Telecom"
NAME = "bench"

_CAMPAIGN = f"""
name = "{NAME}"
seller = "{SELLER}"
purpose = "telemarketing"
jurisdiction = "KR"
[list]
columns = {{ number = "number" }}
[pacing]
mode = "progressive"
[hours]
weekdays = ["09:00-21:00"]
[agents]
groups = ["floor"]
[retry]
no_answer = {{ after = "1h", times = 3 }}
[dispositions]
done = {{ final = true, success = true }}
refused = {{ final = true, refusal = true }}
"""
_FLORIDA = ("305", "386", "407", "561", "727", "754", "772", "786", "813", "850", "863", "904", "941", "954")


def make_folder(folder: Path) -> Path:
    """Write a configuration and one campaign; give the configuration's path."""
    (folder / "campaigns").mkdir(parents=True)
    (folder / "campaigns" / f"{NAME}.toml").write_text(_CAMPAIGN, encoding="utf-8")
    config = folder / "config.toml"
    config.write_text('state_dir = "state"\ncampaigns_dir = "campaigns"\n', encoding="utf-8")
    return config


def policy_of(config: Path) -> CampaignPolicy:
    """Read the campaign."""
    return load_campaign(config.parent / "campaigns" / f"{NAME}.toml")


def open_store(config: Path) -> Store:
    """Open the database of a configuration."""
    state = config.parent / "state"
    return Store(
        SqliteDatabase(state / "dialer.db"), open_vault(state / "keys.json", SqliteDatabase(state / "dialer.db"))
    )


def korean(rank: int) -> str:
    """A mobile number of a prefix that is not assigned, one of ten million."""
    return f"+82100{rank % 10_000_000:07d}"


def write_register(path: Path, numbers: int) -> None:
    """Write a register as a file, one number on a line, in no order."""
    step = 7_654_321  # has no factor in common with ten million: every number comes once
    with path.open("w", encoding="ascii") as file:
        for start in range(0, numbers, 100_000):
            ranks = range(start, min(start + 100_000, numbers))
            file.write("".join(f"0100{rank * step % 10_000_000:07d}\n" for rank in ranks))


def numbers_of(leads: int) -> Iterator[PhoneNumber]:
    """Six in ten of Korea, the others of Japan, and a few of Florida and Texas."""
    for rank in range(leads):
        if rank % 1000 == 999 and rank // 1000 < 100 * len(_FLORIDA):
            area, last = divmod(rank // 1000, 100)
            yield PhoneNumber(
                e164=f"+1{_FLORIDA[area]}55501{last:02d}",
                kind="fixed_or_mobile",
                region="US",
                zones=("America/Chicago", "America/New_York") if _FLORIDA[area] == "850" else ("America/New_York",),
                jurisdictions=("US-FL",),
            )
        elif rank % 10 < 6:
            yield PhoneNumber(
                e164=korean(rank), kind="mobile", region="KR", zones=("Asia/Seoul",), jurisdictions=("KR",)
            )
        else:
            yield PhoneNumber(
                e164=f"+81900{rank % 10_000_000:07d}",
                kind="mobile",
                region="JP",
                zones=("Asia/Tokyo",),
                jurisdictions=("JP",),
            )


def fill(store: Store, policy: CampaignPolicy, leads: int) -> None:
    """Load a list half way through its campaign, with consents of nine in ten Koreans and a month of attempts."""
    dice = random.Random(1)
    tried = _attempts(dice, leads)
    with store.importing(policy, "made", "", NOW - 30 * DAY_S) as session:
        for rank, number in enumerate(numbers_of(leads)):
            session.add(_lead(dice, rank, number, tried.get(rank, [])))
    with store.importing_consents("made", "bench", NOW) as consents:
        batch: list[Consent] = []
        for number in numbers_of(leads):
            if number.region != "JP" and dice.random() < 0.9:
                batch.append(_consent(dice, number.e164))
            if len(batch) == 10_000:
                consents.add(batch)
                batch = []
        consents.add(batch)
    call_ids = iter(range(1, 10 * leads))
    batch_: list[RecordAttempt] = []
    for rank, number in enumerate(numbers_of(leads)):
        batch_ += [_attempt(dice, next(call_ids), rank, number.e164, at) for at in tried.get(rank, [])]
        if len(batch_) >= 10_000:
            store.apply(batch_)
            batch_ = []
    store.apply(batch_)
    blocked = tuple(korean(dice.randrange(leads)) for _ in range(leads // 100))
    store.apply([BlockPerson(seller=SELLER, numbers=blocked, reason="said so", at=NOW - DAY_S)])


def _attempts(dice: random.Random, leads: int) -> dict[int, list[float]]:
    """Give the instants of the attempts of every fifth lead: one to three of the last thirty days."""
    found: dict[int, list[float]] = {}
    for rank in range(0, leads, 5):
        found[rank] = sorted(NOW - dice.random() * 30.0 * DAY_S for _ in range(dice.randrange(1, 4)))
    return found


def _lead(dice: random.Random, rank: int, number: PhoneNumber, tried: list[float]) -> Lead:
    last_at = tried[-1] if tried else None
    return Lead(
        lead_id=0,
        campaign=NAME,
        numbers=(replace(number, attempts=len(tried), last_attempt_at=last_at),),
        shuffle=rank,
        name=f"Person {rank}",
        segment=dice.choice(("gold", "new", "quiet")),
        external_id=str(rank),
        fields={"plan": "basic"},
        attempts=len(tried),
        last_attempt_at=last_at,
        due_at=NOW + dice.choice((-1.0, 1.0)) * dice.random() * DAY_S if tried else 0.0,
    )


def _consent(dice: random.Random, e164: str) -> Consent:
    """A consent of the last three years: one in three has to be confirmed again."""
    return Consent(
        number=e164,
        seller=SELLER,
        purposes=("telemarketing",),
        obtained_at=NOW - dice.random() * 3.0 * 365.0 * DAY_S,
        method="web form",
        source="order form",
        text_hash="0" * 64,
        is_written=True,
        is_night=dice.random() < 0.1,
    )


def _attempt(dice: random.Random, call_id: int, rank: int, e164: str, at: float) -> RecordAttempt:
    is_abandoned = dice.random() < 0.01
    return RecordAttempt(
        attempt=Attempt(
            call_id=call_id,
            campaign=NAME,
            lead_id=rank + 1,
            number=e164,
            mode="progressive",
            placed_at=at,
            released_at=at + 20.0,
            is_abandoned=is_abandoned,
            is_refusal=dice.random() < 0.05,
            outcome=Outcome.ABANDONED if is_abandoned else Outcome.NO_ANSWER,
            seller=SELLER,
            subject="telemarketing",
        )
    )
