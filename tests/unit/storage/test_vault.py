"""Sealing, opening and finding: what a vault promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.errors import KeysError
from dialer.storage.vault import Keyring, Vault
from tests.vaults import make_vault

PLACE = b"leads.name"
SEALED = make_vault().seal(b"somebody", PLACE)


@given(value=st.binary(max_size=200))
def test_what_is_sealed_opens_in_its_place(value: bytes) -> None:
    """A value comes back as it was; sealed twice it looks different each time, and nothing of it shows."""
    vault = make_vault()
    sealed = vault.seal(value, PLACE)
    assert vault.open(sealed, PLACE) == value
    assert vault.seal(value, PLACE) != sealed
    assert len(value) < 4 or value not in sealed


@pytest.mark.parametrize("at", range(len(SEALED)))
def test_a_changed_byte_does_not_open(at: int) -> None:
    """Whatever byte is changed, head, nonce, text or tag, the value is refused."""
    changed = SEALED[:at] + bytes([SEALED[at] ^ 1]) + SEALED[at + 1 :]
    with pytest.raises(KeysError):
        make_vault().open(changed, PLACE)


@pytest.mark.parametrize(
    "sealed",
    [b"", b"\x01", b"somebody", SEALED[:16], SEALED[:-1], b"name in plain text, long enough"],
    ids=["nothing", "format", "text", "head", "cut", "long text"],
)
def test_what_is_not_sealed_does_not_open(sealed: bytes) -> None:
    """Plain text and pieces are refused, and not quoted."""
    with pytest.raises(KeysError) as caught:
        make_vault().open(sealed, PLACE)
    assert "somebody" not in str(caught.value)
    assert "plain text" not in str(caught.value)


def test_a_value_does_not_open_in_another_place() -> None:
    """A sealed name that was put into another column is refused."""
    with pytest.raises(KeysError, match=r"leads\.external_id: the value does not open"):
        make_vault().open(SEALED, b"leads.external_id")


def test_a_key_that_is_not_there_is_named() -> None:
    """The error says which key a value asks for."""
    with pytest.raises(KeysError, match="sealed under the key 00000001, which is not in the keyring"):
        make_vault("00000002").open(SEALED, PLACE)


def test_the_last_key_seals_and_all_open() -> None:
    """A keyring with a newer key reads what the older one sealed, and seals with the newer."""
    vault = make_vault("00000001", "00000002")
    assert vault.open(SEALED, PLACE) == b"somebody"
    assert vault.key_id.hex() == "00000002"
    assert vault.seal(b"x", PLACE)[1:5].hex() == "00000002"


def test_a_keyring_can_be_read_again() -> None:
    """A key that joined the keyring is found when a value asks for it, and then seals; another index key is refused."""
    rings = {"now": ("00000001",)}

    def keyring() -> Keyring:
        keys = {bytes.fromhex(name): (name * 4).encode() for name in rings["now"]}
        return Keyring(index=rings.get("index", (b"i" * 32,))[0], sealing=keys)  # type: ignore[arg-type]

    vault = Vault(keyring(), keyring)
    rings["now"] = ("00000001", "00000002")
    newer = Vault(keyring()).seal(b"later", PLACE)
    assert vault.key_id.hex() == "00000001"
    assert vault.open(newer, PLACE) == b"later"
    assert vault.key_id.hex() == "00000002"
    rings["index"] = (b"j" * 32,)  # type: ignore[assignment]
    with pytest.raises(KeysError, match="another index key"):
        vault.renew()
    with pytest.raises(KeysError, match="cannot be read again"):
        make_vault().renew()


def test_hashes_need_the_key() -> None:
    """A number's hash and rank are the same every time, different for each number, campaign and index key."""
    vault, other = make_vault(), Vault(Keyring(index=b"j" * 32, sealing={b"abcd": b"k" * 32}))
    numbers = [f"+1202555{index:04d}" for index in range(1000)]
    assert len({vault.index(number) for number in numbers} | {other.index(number) for number in numbers}) == 2000
    assert vault.index(numbers[0]) == make_vault("00000002").index(numbers[0])
    ranks = {vault.rank(campaign, number) for campaign in ("spring", "autumn") for number in numbers}
    assert len(ranks) == 2000
    assert max(ranks) < 1 << 48
    assert vault.rank("spring", numbers[0]) != other.rank("spring", numbers[0])
