"""Claims of due leads while calls are updated, through the thread that writes for the daemon."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.storage import filling
from benchmarks.storage.grounds import Ground
from benchmarks.storage.results import Result, quantile
from benchmarks.storage.setting import BRITISH, NAME, SELLER, open_store, policy_of
from dialer.daemon import pauses
from dialer.daemon.writer import Claimed, Failed, Report, Stuck, Writer
from dialer.domain.commands import ClaimLeads, PlaceCall, RecordAttempt, SaveLead
from dialer.domain.events import CallFailed, LeadsClaimed
from dialer.domain.lead import Lead, LeadState
from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.engine.hopper import order_key
from dialer.storage.codec import Entry
from dialer.storage.store import Store

COUNT = 100  # leads of a claim
CALLS = 200  # placed in a second, and as many that end in it
_TICK_S = 0.05
_CLAIM_S = 0.15  # from one claim's answer to the next claim


def filled(ground: Ground, folder: Path, leads: int) -> Path:
    """Give a configuration whose database has so many leads and a day's attempts; it is filled once."""
    config = folder / f"filled-{leads}" / "config.toml"
    if not config.exists():
        config = ground.new(config.parent, BRITISH, filling.NOW)
        with open_store(config) as store:
            store.register(policy_of(config))
            filling.fill(store, leads)
    return config


def measure_claims(ground: Ground, folder: Path, leads: int, claims: int) -> list[Result]:
    """Claim due leads, one claim after another, while 200 calls a second are placed and as many end."""
    config = filled(ground, folder, leads)
    with open_store(config) as store:
        store.register(policy_of(config))
        floor = _Floor(store, policy_of(config).list.order)
        pauses.avoid()
        asyncio.run(floor.work(claims))
    by_hand = ground.claim(config, claims, COUNT)
    name = f"claim of {COUNT} at {leads:,} leads"
    updated = floor.updated / floor.took_s
    return [
        Result(name=f"{name}, p50", value=quantile(floor.waits, 0.5), unit="ms"),
        Result(
            name=f"{name}, p99",
            value=quantile(floor.waits, 0.99),
            unit="ms",
            bar=20,
            is_most=True,
            yardstick=by_hand,
            note=f"{updated:,.0f} calls/s updated meanwhile",
        ),
    ]


class _Floor:
    """Places calls to claimed leads and ends them, and notes how long each claim takes to be answered."""

    def __init__(self, store: Store, order: tuple[str, ...]) -> None:
        self.waits: list[float] = []
        self.updated = 0
        self.took_s = 0.0
        self._order = order
        self._seq, self._call_id = store.next_seq(), store.next_call_id()
        self._writer = Writer(store, self._hear)
        self._hand: deque[Lead] = deque()
        self._up: deque[tuple[Attempt, Lead]] = deque()
        self._answered = asyncio.Event()
        self._error: BaseException | None = None

    async def work(self, claims: int) -> None:
        """Work until so many claims were answered."""
        self._writer.start()
        began = time.perf_counter()
        calling = asyncio.create_task(self._call())
        for rank in range(claims + 1):  # the first one is for something to call
            self._answered.clear()
            asked = time.perf_counter()
            self._writer.claim(ClaimLeads(campaign=NAME, count=COUNT), filling.NOW + rank)
            await self._answered.wait()
            if self._error is not None:
                raise self._error
            if rank:
                self.waits.append((time.perf_counter() - asked) * 1000)
            await asyncio.sleep(_CLAIM_S)
        calling.cancel()
        self.took_s = time.perf_counter() - began
        await self._writer.finish()

    def _hear(self, report: Report) -> None:
        match report:
            case Claimed(answer=LeadsClaimed(leads=leads)):
                self._hand.extend(leads)
                self._answered.set()
            case Failed(error=error) | Stuck(error=error):
                self._error = error
                self._answered.set()

    async def _call(self) -> None:
        """Hand over a batch each tick, as many calls as have come due by then."""
        began, due = time.perf_counter(), 0
        while True:
            await asyncio.sleep(_TICK_S)
            wanted = int((time.perf_counter() - began) * CALLS)
            entries = [*self._ended(wanted - due), *self._placed(wanted - due)]
            due = wanted
            if entries:
                self._writer.commit(entries)

    def _entry(self, event: CallFailed | None, *commands: RecordAttempt | SaveLead | PlaceCall) -> Entry:
        self._seq += 1
        return Entry(seq=self._seq - 1, at=filling.NOW + self._seq / 1000, event=event, commands=commands)

    def _placed(self, count: int) -> Iterator[Entry]:
        for _ in range(min(count, len(self._hand))):
            lead = self._hand.popleft()
            number, call_id = lead.numbers[0].e164, self._call_id
            self._call_id += 1
            attempt = Attempt(
                call_id=call_id,
                campaign=NAME,
                lead_id=lead.lead_id,
                number=number,
                mode="predictive",
                placed_at=filling.NOW,
                seller=SELLER,
            )
            order = PlaceCall(
                call_id=call_id,
                campaign=NAME,
                lead_id=lead.lead_id,
                number=number,
                ring_timeout_s=22.0,
                caller_id=None,
                agent_id=None,
            )
            lead = replace(lead, attempts=lead.attempts + 1, standing=None)
            self._up.append((attempt, lead))
            yield self._entry(None, RecordAttempt(attempt=attempt), self._saved(lead), order)

    def _ended(self, count: int) -> Iterator[Entry]:
        for _ in range(min(count, len(self._up))):
            attempt, lead = self._up.popleft()
            self.updated += 1
            over = replace(attempt, released_at=filling.NOW + 20.0, outcome=Outcome.NO_ANSWER)
            later = replace(lead, state=LeadState.PENDING, due_at=filling.NOW + 3600.0)
            event = CallFailed(call_id=attempt.call_id, outcome=Outcome.NO_ANSWER)
            yield self._entry(event, RecordAttempt(attempt=over), self._saved(later))

    def _saved(self, lead: Lead) -> SaveLead:
        return SaveLead(lead=lead, order_key=order_key(lead, self._order))
