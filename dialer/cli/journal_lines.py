"""Journal entries as lines of an export: whole, or without the people in them.

One rule governs this module: of a person a masked line says no more than a masked list of leads does. A whole line is
what `dialer.storage.codec` writes, and can be read by it.
"""

import re
from functools import lru_cache
from typing import Any

import msgspec

from dialer.leads.export import mask_name
from dialer.leads.numbers import mask
from dialer.storage.codec import Entry, encode_entry

HIDDEN = "****"
_NUMBER = re.compile(r"\+\d+")
_mask = lru_cache(maxsize=10_000)(mask)


def whole_line(entry: Entry) -> bytes:
    """Give an entry as today's dialer writes it."""
    return encode_entry(entry.seq, entry.at, entry.event, entry.commands)


def masked_line(entry: Entry) -> bytes:
    """Give an entry without numbers, names, notes and what else a list says of a person."""
    return msgspec.json.encode(_masked(msgspec.json.decode(whole_line(entry))))


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _mask(value) if _NUMBER.fullmatch(value) else value
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") in ("LawLoaded", "CampaignLoaded"):
        return value  # of nobody; its notes and numbers are those of rules and of the seller
    clean = {key: _masked(each) for key, each in value.items()}
    if clean.get("note"):
        clean["note"] = HIDDEN
    if "lead_id" in value and "numbers" in value:
        clean["name"] = mask_name(value.get("name", ""))
        clean["external_id"] = HIDDEN if value.get("external_id") else ""
        clean["fields"] = {key: HIDDEN if text else "" for key, text in value.get("fields", {}).items()}
    return clean
