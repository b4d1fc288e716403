"""The two packets of MQTT 5 that all traffic consists of: PUBLISH, at most once or at least once, and PUBACK.

One rule governs this module: it knows bytes and nothing else. What a broker may not send raises `ValueError`. Source:
MQTT Version 5.0, OASIS Standard 2019, sections 1.5 (data representation), 2.2.2 (properties), 3.3 and 3.4.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

PUBLISH = 0x30
PUBACK = 0x40
_RETAIN = 0x01
_AT_LEAST_ONCE = 0x02
_IS_TEXT, _EXPIRY, _CONTENT_TYPE, _USER = 0x01, 0x02, 0x03, 0x26
_FIXED = {_IS_TEXT: 1, _EXPIRY: 4, 0x23: 2}  # a topic's alias
_WITH_LENGTH = (_CONTENT_TYPE, 0x08, 0x09)  # a topic for the answer, and what belongs to it
_SUBSCRIPTION = 0x0B
_LENGTH_BYTES_MAX = 4


class Publication(NamedTuple):
    """A message as it was received; `mid` 0 wants no acknowledgement."""

    topic: str
    payload: bytes
    is_retained: bool
    mid: int
    user: Mapping[str, str]


def publish(
    mid: int,
    topic: str,
    payload: bytes,
    *,
    content_type: str,
    is_retained: bool,
    expires_s: int | None,
    user: tuple[tuple[str, str], ...],
) -> bytes:
    """Write a PUBLISH that wants an acknowledgement; its payload is text."""
    properties = _plain(content_type, expires_s)
    for name, value in user:
        properties += b"%c%b%b" % (_USER, _text(name), _text(value))
    body = b"%b%b%b%b%b" % (_text(topic), mid.to_bytes(2), _length(len(properties)), properties, payload)
    return b"%c%b%b" % (PUBLISH | _AT_LEAST_ONCE | (_RETAIN if is_retained else 0), _length(len(body)), body)


def puback(mid: int) -> bytes:
    """Write the acknowledgement of a message."""
    return b"\x40\x02" + mid.to_bytes(2)


def cut(data: bytes | bytearray, start: int) -> tuple[int, int] | None:
    """Find where the packet at `start` has its body: from and to. None: it is not all there yet."""
    found = _read_length(data, start + 1)
    if found is None:
        return None
    size, begin = found
    return (begin, begin + size) if begin + size <= len(data) else None


def read_publish(head: int, body: bytes) -> Publication:
    """Read a PUBLISH from its first byte and its body."""
    end = 2 + int.from_bytes(body[:2])
    topic = body[2:end].decode()
    mid = 0
    if head & 0x06:
        mid, end = int.from_bytes(body[end : end + 2]), end + 2
    found = _read_length(body, end)
    if head & 0x06 == 0x06 or found is None or found[0] + found[1] > len(body):
        raise ValueError("expected a PUBLISH with its properties, found something else")
    size, begin = found
    return Publication(
        topic=topic,
        payload=body[begin + size :],
        is_retained=bool(head & _RETAIN),
        mid=mid,
        user=_user_of(body[begin : begin + size]),
    )


def read_puback(body: bytes) -> int:
    """Read which message is acknowledged."""
    if len(body) < 2:
        raise ValueError(f"expected a PUBACK with the number of a message, found {len(body)} bytes")
    return int.from_bytes(body[:2])


@lru_cache(maxsize=64)
def _plain(content_type: str, expires_s: int | None) -> bytes:
    """Give the properties that all messages have."""
    expiry = b"" if expires_s is None else b"%c%b" % (_EXPIRY, expires_s.to_bytes(4))
    return b"%c\x01%b%c%b" % (_IS_TEXT, expiry, _CONTENT_TYPE, _text(content_type))


@lru_cache(maxsize=1024)  # all that is said of a call has the same
def _user_of(properties: bytes) -> Mapping[str, str]:
    """Read the user's properties; of all others only the length is of interest."""
    user: dict[str, str] = {}
    at = 0
    while at < len(properties):
        kind, at = properties[at], at + 1
        if kind == _USER:
            name, at = _read_text(properties, at)
            user[name], at = _read_text(properties, at)
        elif kind in _WITH_LENGTH:
            at += 2 + int.from_bytes(properties[at : at + 2])
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind == _SUBSCRIPTION and (found := _read_length(properties, at)) is not None:
            at = found[1]
        else:
            raise ValueError(f"expected a property of a PUBLISH, found {kind:#04x}")
    if at != len(properties):
        raise ValueError("expected whole properties, found the last one cut off")
    return user


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2) + data


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2])
    return data[at + 2 : end].decode(), end


def _length(value: int) -> bytes:
    """Write a length: seven bits a byte, the lowest first."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def _read_length(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """Read a length and where it ends; None: it is not all there yet."""
    value = 0
    for rank in range(_LENGTH_BYTES_MAX):
        if at + rank >= len(data):
            return None
        byte = data[at + rank]
        value |= (byte & 127) << (7 * rank)
        if byte < 128:
            return value, at + rank + 1
    raise ValueError(f"expected a length of at most {_LENGTH_BYTES_MAX} bytes, found a longer one")
