"""A TOML file read within bounds and checked against a pydantic model.

One rule governs this module: whatever the bytes are, the answer is a model or one `ConfigFaults` with every fault that
the file has, each with its line. Nothing is clamped, guessed or left out.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from dialer.config.faults import ConfigFaults, Fault, key_text, nearest, quoted, shown, value_text
from dialer.config.locate import KeyPath, locate

BYTES_MAX = 1 << 20
LINE_CHARACTERS_MAX = 10_000

_TOML_ERROR = re.compile(
    r"(?P<what>.*) \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)", re.DOTALL
)
_OPTION = re.compile("'([^']*)'")
_TYPES = {
    "string_type": "a string",
    "string_sub_type": "a string",
    "int_type": "a whole number",
    "int_parsing_size": "a whole number of at most 64 bits",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_LENGTHS = {
    "too_short": ("at least", "min_length", "item"),
    "too_long": ("at most", "max_length", "item"),
    "string_too_short": ("at least", "min_length", "character"),
    "string_too_long": ("at most", "max_length", "character"),
}

M = TypeVar("M", bound=BaseModel)


class TomlModel(BaseModel):
    """A table of a TOML file: unknown keys are faults, types are exact, infinity and NaN are no numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def expected(what: str, *, key: KeyPath = (), hint: str = "") -> PydanticCustomError:
    """Make the error of a validator: what was expected, of which key below the one validated, what to do."""
    return PydanticCustomError("expected", "{what}", {"what": what, "key": key, "hint": hint})


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlFile:
    """A file that is TOML: its values, and the line of each. `digest` is the SHA-256 of its bytes."""

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    digest: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and parse a file; raise ConfigFaults when it cannot be read or is not TOML."""
        return cls.parse(_read_bytes(path), path)

    @classmethod
    def parse(cls, data: bytes, path: Path) -> Self:
        """Parse the bytes of a file; a UTF-8 byte order mark is skipped."""
        text = _decode(data, path)
        try:
            values = tomllib.loads(text)
            lines = locate(text)
        except RecursionError:
            raise _file_fault(path, "TOML with arrays and tables in each other a few deep", "hundreds") from None
        except ValueError as error:
            raise _syntax_fault(path, str(error)) from None
        return cls(path=path, values=values, lines=lines, digest=hashlib.sha256(data).hexdigest())

    def check(self, model: type[M]) -> M:
        """Build `model` from the values; raise ConfigFaults with every fault. Validators find the file's folder in
        `info.context["folder"]`.
        """
        try:
            return model.model_validate(self.values, context={"folder": self.path.parent})
        except ValidationError as error:
            raise ConfigFaults(self._faults(error, model)) from None

    def place(self, key: KeyPath) -> str:
        """Give file:line of a key that the file has."""
        return f"{shown(self.path)}:{self.lines[key]}"

    def fault(self, key: KeyPath, *, expected: str, found: str, hint: str = "") -> Fault:
        """Make a fault at a key, or at the nearest table above when the key is not in the file."""
        place = key
        while place not in self.lines:
            place = place[:-1]
        return Fault(
            file=shown(self.path), line=self.lines[place], key=key_text(key), expected=expected, found=found, hint=hint
        )

    def found(self, key: KeyPath) -> str:
        """Name what the file has at a key."""
        value: Any = self.values
        for part in key:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return "nothing"
        return value_text(value)

    def _faults(self, error: ValidationError, model: type[BaseModel]) -> Iterator[Fault]:
        faults = (self._fault(details, model) for details in error.errors(include_url=False))
        yield from sorted(faults, key=lambda fault: fault.line or 0)

    def _fault(self, details: ErrorDetails, model: type[BaseModel]) -> Fault:
        kind, context = details["type"], details.get("ctx", {})
        key = self._own(details["loc"])
        if kind == "extra_forbidden":
            return self._unknown_key(key, model)
        if kind == "missing":
            return self.fault(key, expected=_description(model, key), found="nothing")
        if kind == "expected":
            key = (*key, *context["key"])
            return self.fault(key, expected=context["what"], found=self.found(key), hint=context["hint"])
        if kind == "value_error":
            wanted, _, found = (
                details["msg"].removeprefix("Value error, ").removeprefix("expected ").partition(", found ")
            )
            return self.fault(key, expected=wanted, found=found or self.found(key))
        options = _OPTION.findall(context["expected"]) if kind in {"enum", "literal_error"} else []
        hint = f"nearest known value: {nearest(str(details['input']), options)}" if options else ""
        return self.fault(key, expected=_built_in(kind, context), found=self.found(key), hint=hint)

    def _own(self, location: KeyPath) -> KeyPath:
        """Leave out of an error's location what is pydantic's and not the file's: marks of keys, tags of unions."""
        value: Any = self.values
        key: KeyPath = ()
        for depth, part in enumerate(location, start=1):
            is_item = isinstance(value, list) and isinstance(part, int)
            if is_item or (isinstance(value, dict) and part in value):
                key, value = (*key, part), value[part]
            elif isinstance(value, dict) and depth == len(location) and part != "[key]":
                key = (*key, part)  # the key that is missing
        return key

    def _unknown_key(self, key: KeyPath, model: type[BaseModel]) -> Fault:
        """Say which key may have been meant: the same one in another table, else the most similar in this one."""
        name = str(key[-1])
        tables = [path[:-1] for path in _known_paths(model, ()) if path[-1] == name]
        if tables:
            where = " or ".join(f"[{key_text(table)}]" if table else "the top of the file" for table in tables)
            hint = f"this key belongs in {where}; "
        else:
            hint = ""
        meant = nearest(name, list(_known_keys(model, key[:-1])))
        return self.fault(key, expected="a known key", found=quoted(name), hint=f"{hint}nearest known key: {meant}")


def load_model(path: Path, model: type[M]) -> M:
    """Read a TOML file into `model`; raise one ConfigFaults with every fault."""
    return TomlFile.read(path).check(model)


def _read_bytes(path: Path) -> bytes:
    wanted = "a readable TOML file"
    try:
        if path.is_dir():
            raise _file_fault(path, wanted, "a directory")
        if not path.is_file():
            raise _file_fault(path, wanted, "a device" if path.exists() else "nothing", "check the path")
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        raise _file_fault(path, wanted, getattr(error, "strerror", None) or str(error)) from None
    if len(data) > BYTES_MAX:
        raise _file_fault(path, f"at most {BYTES_MAX:,} bytes of TOML", "more", "lead lists belong in list.files")
    return data


def _decode(data: bytes, path: Path) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{data[error.start]:02x}"
        raise _file_fault(path, "UTF-8 text", found, "save the file as UTF-8", line) from None
    for number, line_text in enumerate(text.split("\n"), start=1):
        if len(line_text) > LINE_CHARACTERS_MAX:
            wanted = f"lines of at most {LINE_CHARACTERS_MAX:,} characters"
            raise _file_fault(path, wanted, f"{len(line_text):,}", line=number)
    return text


def _file_fault(path: Path, wanted: str, found: str, hint: str = "", line: int | None = None) -> ConfigFaults:
    return ConfigFaults([Fault(file=shown(path), line=line, key="", expected=wanted, found=found, hint=hint)])


def _syntax_fault(path: Path, message: str) -> ConfigFaults:
    match = _TOML_ERROR.fullmatch(message)
    what, line, column = (message, None, None) if match is None else match.group("what", "line", "column")
    fault = Fault(
        file=shown(path),
        line=int(line) if line else None,
        column=int(column) if column else None,
        key="",
        expected="TOML",
        found=quoted(what) if not what.isprintable() else what[0].lower() + what[1:],
        hint="" if line else "at the end of the file",
    )
    return ConfigFaults([fault])


def _built_in(kind: str, context: Mapping[str, Any]) -> str:
    """Say what pydantic expected, in the words of these files; a test holds every key of every file to it."""
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{words} {context[bound]:g}"
    if kind in _LENGTHS:
        words, bound, what = _LENGTHS[kind]
        return f"{words} {context[bound]} {what}{'' if context[bound] == 1 else 's'}"
    if kind in {"enum", "literal_error"}:
        return "one of " + str(context["expected"]).replace("'", '"')
    return "a value that fits this key"


def _table_of(annotation: Any) -> tuple[type[BaseModel] | None, Any]:
    """Find the model that an annotation holds, and the annotation of the items of its array or free table."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _table_of(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        for option in get_args(annotation):
            found = _table_of(option)
            if found != (None, None):
                return found
    if origin in {list, dict}:
        return None, get_args(annotation)[-1]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, None
    return None, None


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """Find the model of the table at a path."""
    annotation: Any = model
    for part in path:
        table, item = _table_of(annotation)
        if table is not None:
            annotation = next((annotation_ for name, annotation_ in _fields(table) if name == part), None)
        else:
            annotation = item
    return _table_of(annotation)[0]


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, info in model.model_fields.items():
        yield info.alias or name, info.annotation


def _known_keys(model: type[BaseModel], path: KeyPath) -> Iterator[str]:
    table = _model_at(model, path)
    if table is not None:
        yield from (name for name, _ in _fields(table))


def _known_paths(model: type[BaseModel], prefix: KeyPath) -> Iterator[KeyPath]:
    """Every key path that is known by name; free tables and arrays have none inside."""
    for name, annotation in _fields(model):
        yield (*prefix, name)
        table, _ = _table_of(annotation)
        if table is not None:
            yield from _known_paths(table, (*prefix, name))


def _description(model: type[BaseModel], path: KeyPath) -> str:
    """Say what a missing key should hold."""
    table = _model_at(model, path[:-1])
    if table is not None:
        for name, info in table.model_fields.items():
            if (info.alias or name) == path[-1] and info.description:
                return info.description
    return "this key"
