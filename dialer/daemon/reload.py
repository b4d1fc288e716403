"""What a reload changes, key by key, so that the log says what was in force before and after."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from dialer.domain.policy import CampaignPolicy


def differences(old: CampaignPolicy | None, new: CampaignPolicy) -> Iterator[dict[str, str]]:
    """Give each key whose value differs, as {key, before, after}; a new campaign is one difference."""
    if old is None:
        yield {"key": "(file)", "before": "absent", "after": "loaded"}
        return
    before, after = dict(_flat("", old)), dict(_flat("", new))
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield {"key": key, "before": _text(before.get(key)), "after": _text(after.get(key))}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Walk policies and mappings down to plain values, with dotted keys."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _flat(f"{prefix}.{field.name}" if prefix else field.name, getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key in value:
            yield from _flat(f"{prefix}.{key}", value[key])
    else:
        yield prefix, value


def _text(value: Any) -> str:
    return "(absent)" if value is None else str(value)
