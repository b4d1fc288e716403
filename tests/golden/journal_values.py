"""One value of every event and command, with every field filled; and the fields of all classes, in words.

`python -m tests.golden.journal_values` writes the files of the version that `dialer.storage.upcasters` names, where
there are none yet. Files of a version that a release wrote are never made anew: whoever changes a class that travels
raises VERSION, adds the step that leads to it, and runs this.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from dialer.domain.commands import Command
from dialer.domain.events import Event

FOLDER = Path(__file__).with_name("journals")
EVENTS: tuple[type, ...] = get_args(Event)
COMMANDS: tuple[type, ...] = get_args(Command)
AT = 1_773_133_200.25
"""The instant of the first entry."""
FIXED: dict[tuple[str, str], Any] = {
    # What a policy refuses to be otherwise.
    ("AbandonmentPolicy", "target_rate"): 0.0125,
    ("AbandonmentPolicy", "cap_rate"): 0.02,
    ("AbandonmentPolicy", "amd_checked"): 400,
    ("AbandonmentPolicy", "amd_people"): 3,
    # What JSON has no number for.
    ("PacingDecision", "terms"): (("ratio", 1.5), ("gap", float("inf"))),
}
NUMBERS = {"e164", "number", "caller_id"}


class Filler:
    """Fills classes, by the types of their fields."""

    def __init__(self) -> None:
        self._counter = count(1)

    def fill(self, kind: Any, owner: str = "", name: str = "") -> Any:
        """Give a value of a type, which is that of the field `name` of the class `owner`."""
        if (owner, name) in FIXED:
            return FIXED[owner, name]
        if is_dataclass(kind):
            hints = get_type_hints(kind)
            return kind(**{each.name: self.fill(hints[each.name], kind.__name__, each.name) for each in fields(kind)})
        origin, parts = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return self.fill(parts[0], owner, name)
        if origin is tuple:
            kinds = parts[:1] if parts[-1] is Ellipsis else parts
            return tuple(self.fill(part, owner, name.removesuffix("s")) for part in kinds)
        if origin is Mapping:
            return {self.fill(parts[0], owner, name): self.fill(parts[1], owner, name)}
        return self._plain(kind, name)

    def _plain(self, kind: Any, name: str) -> Any:
        if issubclass(kind, Enum):
            return list(kind)[-1]
        if kind is bool:
            return True
        number = next(self._counter)
        if kind is int:
            return number
        if kind is float:
            return number + 0.25
        if name in NUMBERS:
            return f"+120255501{number % 100:02d}"  # reserved for fiction
        return f"{name} {number}"


def values() -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Give an event (None: a deadline passed) and commands for each entry of a golden journal."""
    filler = Filler()
    for kind in EVENTS:
        yield filler.fill(kind), ()
    yield None, tuple(filler.fill(kind) for kind in COMMANDS)


def journal(encode_entry: Any) -> bytes:
    """Give a journal with one of everything, as `encode_entry` writes it."""
    lines = [encode_entry(seq, AT + seq, event, commands) for seq, (event, commands) in enumerate(values(), start=1)]
    return b"".join(line + b"\n" for line in lines)


def described() -> str:
    """Name every class that travels in an entry, with its fields, their types and defaults; and every enumeration."""
    found: dict[str, list[str]] = {}

    def look_at(kind: Any) -> None:
        for part in get_args(kind):
            look_at(part)
        if not isinstance(kind, type) or kind.__name__ in found:
            return
        if issubclass(kind, Enum):
            found[kind.__name__] = [f"{member.value!r}" for member in kind]
        elif is_dataclass(kind):
            hints = get_type_hints(kind)
            found[kind.__name__] = [f"{each.name}: {_named(hints[each.name])}{_default(each)}" for each in fields(kind)]
            for each in fields(kind):
                look_at(hints[each.name])

    for kind in EVENTS + COMMANDS:
        look_at(kind)
    return "".join(f"{name}\n" + "".join(f"    {line}\n" for line in found[name]) for name in sorted(found))


def _named(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("dialer.domain.", "")


def _default(each: "Field[Any]") -> str:
    if each.default is not MISSING:
        return f" = {each.default!r}"
    return "" if each.default_factory is MISSING else f" = {each.default_factory.__name__}()"


def main() -> None:
    """Write the files of today's version."""
    from dialer.storage.codec import encode_entry
    from dialer.storage.upcasters import VERSION

    for name, data in (("jsonl", journal(encode_entry)), ("fields", described().encode())):
        path = FOLDER / f"version_{VERSION}.{name}"
        if path.exists():
            print(f"{path}: is there already, and stays as it is")
        else:
            path.write_bytes(data)
            print(f"{path}: written")


if __name__ == "__main__":
    main()
