"""The control socket: a Unix socket of mode 0600 that takes one JSON object per line and answers each with one.

Requests are the classes here, such as {"request": "status"} and {"request": "campaign", "name", "action", "reason"}.
The answer is {"ok": true, "status": ...} or {"ok": false, "error": "..."}. Who asks is not said but seen: the kernel
names the user at the other end. A line has a bounded length, a field nobody knows is an error, and a slow peer is
dropped.
"""

import asyncio
import os
import pwd
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from dialer.engine.campaign import ACTIONS
from dialer.errors import ControlError, DialerError
from dialer.leads.reasons import has_number

LINE_MAX = 16_384
ANSWER_MAX = 64 * 1024 * 1024
PATIENCE_S = 30.0
ACTION_NAMES = tuple(dict.fromkeys(action for _, action in ACTIONS))

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


def _check_reason(reason: str) -> None:
    """Refuse a reason that says nothing, or that the evidence must not hold."""
    if not reason.strip():
        raise ValueError("reason: expected a few words that say why, found nothing")
    if has_number(reason):
        raise ValueError("reason: expected words without a telephone number, which the evidence would keep for years")


class StatusRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="status", tag_field="request"):
    """How do things stand?"""


class CampaignRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="campaign", tag_field="request"):
    """Change a campaign's state; the reason is kept."""

    name: Name
    action: str
    reason: Reason

    def __post_init__(self) -> None:
        if self.action not in ACTION_NAMES:
            raise ValueError(f"action: expected one of {', '.join(ACTION_NAMES)}, found {self.action!r}")
        _check_reason(self.reason)


class ImportedRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="imported", tag_field="request"):
    """Another process loaded leads for a campaign: ask the store again."""

    name: Name


class RefusedRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="refused", tag_field="request"):
    """A person told a seller not to be called: nobody of it dials any number of this person again."""

    seller: Name
    number: Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{6,14}$")]
    reason: Reason

    def __post_init__(self) -> None:
        _check_reason(self.reason)


class StandingsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="standings", tag_field="request"):
    """Another process changed what is known of people, by an import of consents, say: look everybody up anew."""

    reason: Reason


class RegistryRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="registry", tag_field="request"):
    """Another process took a copy of a register into use."""


class KeysRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="keys", tag_field="request"):
    """The keyring changed: read it again, and seal with its newest key from now on."""


class EndRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="end", tag_field="request"):
    """Drain, and end; the reason is kept. A daemon that drains already goes on with it."""

    reason: Reason

    def __post_init__(self) -> None:
        _check_reason(self.reason)


Request = (
    StatusRequest
    | CampaignRequest
    | ImportedRequest
    | RefusedRequest
    | StandingsRequest
    | RegistryRequest
    | KeysRequest
    | EndRequest
)
Handler = Callable[[Request, str], Awaitable[dict[str, Any]]]
"""Carries out a request for a user and gives the fields of the answer; raises DialerError to refuse."""

_DECODER = msgspec.json.Decoder(Request)


async def serve(listener: socket.socket, handler: Handler) -> None:
    """Answer requests on the socket that `listen` made, until cancelled; then remove its file."""
    path = Path(listener.getsockname())
    conversations: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_converse(reader, writer, handler))
        conversations.add(task)
        task.add_done_callback(conversations.discard)

    server = await asyncio.start_unix_server(connected, sock=listener, limit=LINE_MAX)
    try:
        await server.serve_forever()
    finally:
        for task in tuple(conversations):
            task.cancel()
        path.unlink(missing_ok=True)


def listen(path: Path) -> socket.socket:
    """Make the socket, so that at no instant anybody else may connect. One left by a dead daemon is replaced.

    From here on clients can connect; they are answered once `serve` runs. Raises ControlError.
    """
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        listener.bind(str(path))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ControlError(f"control_socket {path}: cannot listen: {error.strerror or error}") from error
    finally:
        os.umask(mask)
    return listener


def _clear(path: Path) -> None:
    """Remove a socket on which nobody listens; refuse to remove anything else."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise ControlError(f"control_socket {path}: expected a free path or an old socket, found another file there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ControlError(f"control_socket {path}: another process is listening there; stop it or name another path")


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    """Answer one peer's lines until it leaves, is silent for too long or sends a line that is too long."""
    who = _peer(writer)
    try:
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    line = await reader.readuntil(b"\n")
            except asyncio.LimitOverrunError:
                await _say(writer, _refusal(f"a request has at most {LINE_MAX} bytes"))
                break
            await _say(writer, await _answer(line, who, handler))
    except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
        pass  # the peer left, or sleeps
    finally:
        writer.close()


async def _answer(line: bytes, who: str, handler: Handler) -> dict[str, Any]:
    try:
        request = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return _refusal(f"not a request: {error}")
    try:
        return {"ok": True, **await handler(request, who)}
    except DialerError as error:
        return _refusal(str(error))


def _refusal(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


async def _say(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
    async with asyncio.timeout(PATIENCE_S):
        await writer.drain()


def _peer(writer: asyncio.StreamWriter) -> str:
    """Name the user at the other end as the kernel knows it: the login name, else `uid 1234`."""
    connection = writer.get_extra_info("socket")
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid = struct.unpack("3i", packed)[1]
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def is_listening(path: Path) -> bool:
    """Whether a daemon listens on a socket; one that may not be connected to counts as listening."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True


def ask(path: Path, request: Request) -> dict[str, Any]:
    """Ask the running daemon and give its answer; raises ControlError when nobody answers or the daemon refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE_S)
        try:
            connection.connect(str(path))
            connection.sendall(msgspec.json.encode(request) + b"\n")
            line = _read_line(connection)
        except PermissionError as error:
            raise ControlError(f"{path}: permission denied; run this as the user who runs the daemon") from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise ControlError(
                f"no daemon listens on {path}: start it with `dialer run --config ...`, let one that starts read its "
                "lists, or check control_socket"
            ) from error
        except TimeoutError as error:
            raise ControlError(f"{path}: the daemon gave no answer within {PATIENCE_S:.0f} s") from error
        except OSError as error:
            raise ControlError(f"{path}: {error.strerror or error}") from error
    try:
        answer: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ControlError(f"{path}: expected a daemon's answer, found something else: {error}") from error
    if not answer.pop("ok", False):
        raise ControlError(str(answer.get("error", "the daemon refused without a word")))
    return answer


def _read_line(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < ANSWER_MAX:
        part = connection.recv(65_536)
        if not part:
            raise ControlError("the daemon closed the connection before it answered")
        parts.append(part)
        size += len(part)
        if part.endswith(b"\n"):
            return b"".join(parts)
    raise ControlError(f"the daemon's answer is longer than {ANSWER_MAX} bytes")
