"""Who may see whole telephone numbers and names, and the word in the evidence that they did.

One rule governs this module: a view or an export is in the evidence before anything of it is shown. Who asks is not
said but seen: the user and the groups that the operating system knows this process by.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dialer.errors import AccessRefused, UsageError

if TYPE_CHECKING:
    from dialer.config.settings import Settings


def os_user() -> str:
    """Name the user who runs this process: the login name, else `uid 1234`."""
    import os
    import pwd

    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def os_groups() -> frozenset[str]:
    """Name the groups of this process, those without a name left out."""
    import grp
    import os

    names: set[str] = set()
    for gid in {os.getgid(), *os.getgroups()}:
        try:
            names.add(grp.getgrgid(gid).gr_name)
        except KeyError:
            continue
    return frozenset(names)


def may_view(full_view: Iterable[str], user: str, groups: frozenset[str]) -> bool:
    """Whether a user of these groups is among those named: users by name, groups with an @ in front."""
    return any(name == user or (name.startswith("@") and name[1:] in groups) for name in full_view)


def checked_reason(reason: str, what: str) -> str:
    """Give a reason in clean form; raise UsageError for one that says nothing, or that holds a telephone number."""
    from dialer.leads.reasons import has_number

    reason = " ".join(reason.split())
    if not reason:
        raise UsageError(f"{what}: expected --reason TEXT that says why, found nothing; it is kept in the evidence")
    if has_number(reason):
        raise UsageError(
            f"{what}: --reason holds what looks like a telephone number, and the evidence is kept for years: name a "
            "ticket or a lead instead"
        )
    return reason


def record_deed(
    settings: "Settings",
    kind: str,
    what: str,
    reason: str,
    *,
    campaign: str | None = None,
    seller: str | None = None,
    numbers: Iterable[str] = (),
    details: Mapping[str, str | int] | None = None,
) -> str:
    """Keep in the evidence what the user does, and give the user's name; durable on return."""
    import time

    from dialer.daemon.stores import open_store
    from dialer.storage.evidence_bodies import DeedBody

    who = os_user()
    with open_store(settings) as store:
        store.note(
            DeedBody(
                at=time.time(),
                kind=kind,
                who=who,
                what=what,
                reason=checked_reason(reason, what),
                campaign=campaign,
                seller=seller,
                subjects=tuple(store.vault.index(number).hex() for number in numbers),
                details=dict(details or {}),
            )
        )
    return who


def require_right(settings: "Settings", what: str) -> str:
    """Give the user's name; raise AccessRefused unless the configuration gives the user full view."""
    user = os_user()
    if not may_view(settings.full_view, user, os_groups()):
        named = ", ".join(settings.full_view) or "nobody"
        raise AccessRefused(
            f"{what}: {user} may not see whole numbers and names; privacy.full_view in config.toml names {named}: "
            f'whoever answers for personal data can add "{user}", or "@" and one of the groups of {user}'
        )
    return user


def require_full_view(
    settings: "Settings",
    what: str,
    reason: str,
    *,
    kind: str = "view",
    campaign: str | None = None,
    seller: str | None = None,
    numbers: Iterable[str] = (),
    details: Mapping[str, str | int] | None = None,
) -> str:
    """Let a user with full view go on, recorded; give the user's name. Raises AccessRefused and UsageError.

    To be called before anything is shown or written.
    """
    require_right(settings, what)
    checked_reason(reason, what)
    return record_deed(settings, kind, what, reason, campaign=campaign, seller=seller, numbers=numbers, details=details)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside its place, for its owner alone, and move it there once it is whole; else leave nothing.

    A pipe or a device is written to as it is: nothing takes its place.
    """
    import os

    if path.is_dir():
        raise UsageError(f"--output {path}: expected a file, found a folder")
    part = path.with_name(f"{path.name}.part")
    try:
        if path.exists() and not path.is_file():
            with open(path, "wb") as out:
                yield out
            return
        part.unlink(missing_ok=True)
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise UsageError(f"--output {path}: cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
