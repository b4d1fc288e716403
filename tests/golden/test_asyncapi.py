"""The published contract is the one in the code."""

from dialer.gateways import contract
from tests.golden.asyncapi import CHANNELS, PATH, text


def test_the_published_contract_is_the_one_in_the_code() -> None:
    """docs/asyncapi.yaml says what the structures say: whoever changes them writes it anew, or raises the version."""
    assert PATH.read_text(encoding="utf-8") == text()


def test_every_message_has_its_topic() -> None:
    """Each message of the contract is sent on one topic, and no topic has another."""
    told = [message for _, _, messages, _ in CHANNELS.values() for message in messages]
    assert sorted(told) == sorted(kind.__name__ for kind in contract.MESSAGES)
