"""Importing consents, and telling who must be asked again by when."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from dialer.daemon.consents import confirmer, due_consents, import_consents
from dialer.domain.standing import Consent
from dialer.errors import ListError
from dialer.storage.database import Database
from dialer.storage.store import Store
from tests.laws import consent_rule, law, ruleset
from tests.unit.storage.builders import VAULT, make_lead, make_number, make_policy
from tests.unit.storage.people import DAY_S, OTHER, SELLER, give, make_consent

NOW = datetime.fromisoformat("2026-03-10T12:00:00+00:00").timestamp()
LAW = law(
    ruleset(
        "KR",
        consent_rule("KR.consent", purposes=("telemarketing",), reconfirm_years=2),
        consent_rule("KR.consent.finance", purposes=("finance",), reconfirm_years=1),
        consent_rule("KR.consent.debt", purposes=("debt",)),
    ),
    ruleset("US", consent_rule("US.consent")),
)
HEAD = "number,purposes,obtained_at,method\n"


def korean(rank: int, obtained: str, **changes: object) -> Consent:
    """A consent of a Korean number that nobody has."""
    obtained_at = datetime.fromisoformat(obtained).timestamp()
    consent = make_consent(1, number=f"+8210{rank:08d}", purposes=("telemarketing",), obtained_at=obtained_at)
    return replace(consent, **changes)  # type: ignore[arg-type]


def test_a_file_is_imported_whole(any_database: Database, tmp_path: Path) -> None:
    """More rows than are handed over at once, in one transaction."""
    path = tmp_path / "c.csv"
    rows = "".join(f"+8210{rank:08d},survey,2026-01-02T00:00:00Z,paper\n" for rank in range(1200))
    path.write_text(HEAD + rows, encoding="utf-8")
    with Store(any_database, VAULT) as store:
        report = import_consents(path, SELLER, store, NOW, who="amy")
        assert (report.rows, report.tally.new) == (1200, 1200)
        assert import_consents(path, SELLER, store, NOW, who="amy").tally.unchanged == 1200
        (kept,) = store.consents(SELLER, "+821000001199")
        assert (kept.recorded_from, kept.recorded_at) == ("c.csv", NOW)
        path.write_text(HEAD + rows.replace("survey", "debt") + "+821000000001,spying,2026-01-02,x\n", encoding="utf-8")
        with pytest.raises(ListError, match=r"c\.csv:1202"):
            import_consents(path, SELLER, store, NOW, who="amy")
        assert sum(1 for _ in store.standing_consents(SELLER)) == 1200


@pytest.mark.parametrize(
    ("consent", "day"),
    [
        (korean(1, "2025-01-31T23:30:00+09:00"), "2027-01-31"),
        (korean(1, "2025-01-31T23:30:00+00:00"), "2027-02-01"),
        (korean(1, "2024-02-29T10:00:00+09:00"), "2026-02-28"),
        (korean(1, "2023-01-01T10:00:00+09:00", confirmed_at=NOW - 3600.0), "2028-03-10"),
        (korean(1, "2025-01-31T10:00:00+09:00", purposes=("finance", "telemarketing")), "2026-01-31"),
    ],
)
def test_the_person_is_asked_on_the_same_date_of_a_later_year(consent: Consent, day: str) -> None:
    """Where the person is, from the consent or its last confirmation; 29 February has the 28th."""
    again = confirmer(LAW, NOW)(consent)
    assert again is not None
    assert again.zone == "Asia/Seoul"
    assert again.by_at == datetime.fromisoformat(f"{day}T00:00:00+09:00").timestamp()


def test_where_no_rule_wants_it_nobody_is_asked_again() -> None:
    """For another purpose, or in another country."""
    confirm = confirmer(LAW, NOW)
    assert confirm(korean(1, "2024-01-01T00:00:00Z", purposes=("debt",))) is None
    assert confirm(make_consent(1)) is None


def test_the_due_are_those_of_the_seller_that_stand(any_database: Database) -> None:
    """Overdue ones too; not those that were revoked or expired, nor those that are not due yet. With their leads."""
    with Store(any_database, VAULT) as store:
        with store.importing(make_policy(), "list.csv", "", NOW) as session:
            number = replace(make_number(1), e164="+821000000001", region="KR", zones=("Asia/Seoul",))
            session.add(make_lead(1, numbers=(number,)))
        give(
            store,
            korean(1, "2024-03-20T10:00:00+09:00"),
            korean(2, "2024-03-01T10:00:00+09:00"),
            korean(3, "2024-03-20T10:00:00+09:00", seller=OTHER),
            korean(4, "2024-03-20T10:00:00+09:00", revoked_at=NOW - 1.0),
            korean(5, "2024-03-20T10:00:00+09:00", expires_at=NOW),
            korean(6, "2024-05-20T10:00:00+09:00"),
        )
        found = list(due_consents(store, SELLER, confirmer(LAW, NOW), NOW + 30 * DAY_S, NOW))
    assert sorted((each.consent.number[-1], each.again.by_at <= NOW, each.lead_ids) for each in found) == [
        ("1", False, (1,)),
        ("2", True, ()),
    ]
