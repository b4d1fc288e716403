"""The published contract is the one in the code."""

import json
from typing import Any

import msgspec
import pytest

from dialer.gateways import contract
from tests.acceptance.pages import blocks
from tests.architecture.tree import ROOT
from tests.golden.asyncapi import CHANNELS, PATH, text


def test_the_published_contract_is_the_one_in_the_code() -> None:
    """docs/asyncapi.yaml says what the structures say: whoever changes them writes it anew, or raises the version."""
    assert PATH.read_text(encoding="utf-8") == text()


def test_every_message_has_its_topic() -> None:
    """Each message of the contract is sent on one topic, and no topic has another."""
    told = [message for _, _, messages, _ in CHANNELS.values() for message in messages]
    assert sorted(told) == sorted(kind.__name__ for kind in contract.MESSAGES)


def shown() -> list[dict[str, Any]]:
    """Every message that docs/mqtt.md shows."""
    found: list[dict[str, Any]] = []
    for block in blocks(ROOT / "docs" / "mqtt.md"):
        text = block.text.strip() if block.language == "json" else ""
        while text:
            message, end = json.JSONDecoder().raw_decode(text)
            found.append(message)
            text = text[end:].strip()
    return found


@pytest.mark.parametrize("message", shown(), ids=lambda message: message["type"])
def test_a_message_that_the_page_shows_is_one(message: dict[str, Any]) -> None:
    """It can be read, and has no field that the contract does not know."""
    read = msgspec.convert(message, contract.Message)
    written = json.loads(contract.encode(read))
    assert message.keys() <= written.keys()
    said = message.get("said", {})
    assert said.keys() <= written.get("said", {}).keys()
