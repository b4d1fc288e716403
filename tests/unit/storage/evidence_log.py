"""A small log of evidence in a database of its own, for tests."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from dialer.domain.commands import Command, RecordAttempt, RecordVerdict
from dialer.domain.events import Event
from dialer.domain.records import Attempt, VerdictRecord
from dialer.domain.verdict import Verdict
from dialer.storage import schema
from dialer.storage.evidence import EvidenceWriter, Memory
from dialer.storage.evidence_file import EvidenceExport, Wanted, Written
from dialer.storage.sqlite import open_file
from dialer.storage.vault import Keyring, Vault
from tests.unit.storage.builders import make_number

VAULT = Vault(Keyring(index=bytes(range(32)), sealing={b"test": bytes(32)}))


class Log:
    """The tables of the evidence and of what it looks up, in memory."""

    def __init__(self) -> None:
        self.connection = open_file(Path(":memory:"))
        self.memory = Memory()
        for statement in schema.sqlite_statements():
            self.connection.execute(statement)

    def take(self, at: float | None, event: Event | None, *commands: Command) -> None:
        """Keep the evidence of one journal entry."""
        self.take_batch([(at, event, commands)])

    def take_batch(self, entries: Iterable[tuple[float | None, Event | None, tuple[Command, ...]]]) -> None:
        """Keep the evidence of several journal entries, in one transaction."""
        writer = EvidenceWriter(self.connection, VAULT, self.memory)
        self.connection.execute("BEGIN")
        for at, event, commands in entries:
            writer.take(at, event, commands)
        writer.flush()
        self.connection.execute("COMMIT")

    def export(self, wanted: Wanted | None = None) -> tuple[bytes, Written]:
        """Write an export; give its bytes and what came of it."""
        out = BytesIO()
        written = EvidenceExport(self.connection, out).write(wanted or Wanted())
        return out.getvalue(), written

    def rows(self) -> list[tuple[int, float, str, bytes, bytes]]:
        """Every row of the log."""
        return self.connection.execute("SELECT seq, at, kind, body, hash FROM evidence ORDER BY seq").fetchall()


def verdict(index: int, at: float, rule: str = "allowed", **changes: object) -> RecordVerdict:
    """What the gate said of a number."""
    record: dict[str, object] = {
        "campaign": "spring",
        "seller": "Example Telecom",
        "lead_id": index,
        "number": make_number(index).e164,
        "at": at,
        "verdict": Verdict(allowed=rule == "allowed", rule=rule, inputs=(("zone", "America/New_York"),), next_at=None),
        "policy_digest": "ab" * 32,
        "law_digest": "1a" * 32,
        "registries": (("us-dnc", "2026-11"),),
        **changes,
    }
    return RecordVerdict(record=VerdictRecord(**record))  # type: ignore[arg-type]


def attempted(attempt: Attempt) -> RecordAttempt:
    """The order to keep an attempt."""
    return RecordAttempt(attempt=attempt)
