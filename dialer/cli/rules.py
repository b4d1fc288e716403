"""`dialer rules`: which rulesets there are, what each says and on what it rests, and how two differ.

One rule governs this module: no rule is shown without its force, grade and source, and none of it is called advice.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialer.domain.law import Law, Override, Rule, Ruleset

NOT_ADVICE = (
    "None of this is legal advice: the product's reading of public sources, each with its grade. Have counsel confirm "
    "what you rely on."
)
CONFIG = Path("config.toml")
DIGEST_LENGTH = 12
_DATED_WIDTH = 40  # what the dates of the texts keep before another column is left out for them
_HEAD_FIELDS = ("code", "name", "version", "dated", "parents", "regions", "unconfirmed")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The configuration that names rulesets of your own. Absent: config.toml, if it is there."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

rules_app = typer.Typer(help="Rulesets: the law as the dialer applies it.", no_args_is_help=True)


@rules_app.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the rulesets in force: how many rules of which force, and how many points nobody confirmed.

    A rule that nobody verified counts as the house's own.
    """
    import sys

    from dialer.cli.tables import console_for, table_of, without
    from dialer.config.rulesets import rules_of
    from dialer.domain.law import Force

    law = _law(config)
    forces = {each: [rule.applied_force for _, rule in rules_of(each)] for each in law.rulesets}
    if as_json:
        _print_json(
            {
                "digest": law.digest,
                "holiday_years": law.holiday_years,
                "rulesets": [_summary(each) | {"rules": _counts(forces[each])} for each in law.rulesets],
                "overrides": [_override(each) for each in law.overrides],
            }
        )
        return
    columns = {
        "ruleset": [each.code for each in law.rulesets],
        "name": [each.name for each in law.rulesets],
        "version": [each.version for each in law.rulesets],
        **{str(force): [str(found.count(force) or "") for found in forces.values()] for force in Force},
        "unconfirmed": [str(len(each.unconfirmed) or "") for each in law.rulesets],
        "digest": [each.digest[:DIGEST_LENGTH] for each in law.rulesets],
        "origin": [each.origin for each in law.rulesets],
    }
    console = console_for(sys.stdout)
    shown, left_out = without(columns, ("origin", "version"), console.width - _DATED_WIDTH)
    if without(shown, ("name",), console.width - _DATED_WIDTH)[1]:
        shown, left_out = without(columns, ("origin", "version", "digest", "unconfirmed"), console.width)
        left_out.append("dated")
    else:
        shown["dated"] = [each.dated for each in law.rulesets]
    left = ("ruleset", "name", "version", "digest", "origin", "dated")
    console.print(table_of(shown, left=left, folded=("dated",)))
    console.print(f"law {law.digest[:DIGEST_LENGTH]}, holidays of {law.holiday_years[0]} to {law.holiday_years[1]}")
    for each in law.overrides:
        console.print(f"left out: {each.rule_id}: {each.reason} (approved by {each.approved_by}; {each.origin})")
    if left_out:
        console.print(f"left out for want of width: {', '.join(left_out)}")
    console.print(NOT_ADVICE)


@rules_app.command("show")
def show(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A jurisdiction, such as KR or US-FL, or HOUSE.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show every rule of a jurisdiction: what it says, its force, its grade, its source and for which calls it holds.

    The rules of the jurisdictions that it inherits from apply, too; they are named, not repeated. Where none has a rule
    of a kind, the house's (HOUSE) stand in.
    """
    law = _law(config)
    found = _with_code(law, code)
    if as_json:
        _print_json({"rulesets": [_object(each, law) for each in found], "notice": NOT_ADVICE})
        return
    for ruleset in found:
        _print_ruleset(ruleset, law)
    print(NOT_ADVICE)


@rules_app.command("diff")
def diff(
    left: Annotated[str, typer.Argument(metavar="A", help="A jurisdiction's code, or a ruleset file.")],
    right: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Compare two rulesets: rules added, removed, and changed, field by field.

    Of a code it is the built-in ruleset. Rules are paired by their ids, the jurisdiction aside.
    """
    law = _law(config)
    before, after = (_ruleset(law, which) for which in (left, right))
    changes = _changes(before, after)
    if as_json:
        _print_json({"a": _summary(before), "b": _summary(after), "changes": changes})
        return
    print(f"--- {_title(before)}\n+++ {_title(after)}")
    for change in changes:
        _print_change(change)
    if not changes:
        print("no rule differs")


def _law(config: Path | None) -> "Law":
    """Load the law as it is now: the built-in rulesets, and those of the configuration if there is one."""
    import time

    from dialer.config.rulesets import load_law
    from dialer.config.settings import load_settings

    path = config or (CONFIG if CONFIG.is_file() else None)
    return load_law(() if path is None else load_settings(path).rules, around=time.time())


def _with_code(law: "Law", code: str) -> "list[Ruleset]":
    """Find the rulesets of a code, or those that cover it as a region."""
    from dialer.config.faults import nearest
    from dialer.errors import UsageError

    wanted = code.upper()
    found = [each for each in law.rulesets if wanted == each.code or wanted in each.regions]
    if not found:
        known = [each.code for each in law.rulesets]
        raise UsageError(
            f"{code}: there is no ruleset of this code, so nobody is called there; nearest: {nearest(wanted, known)}. "
            "`dialer rules list` has all"
        )
    return found


def _ruleset(law: "Law", which: str) -> "Ruleset":
    """Read a file, or find the ruleset of a code."""
    from dialer.config.rulesets import load_ruleset

    path = Path(which)
    return load_ruleset(path) if path.suffix == ".toml" or path.exists() else _with_code(law, which)[0]


def _title(ruleset: "Ruleset") -> str:
    origin = "" if ruleset.origin == "built in" else f", {ruleset.origin}"
    return f"{ruleset.code} {ruleset.name}, version {ruleset.version}, {ruleset.digest[:DIGEST_LENGTH]}{origin}"


def _print_ruleset(ruleset: "Ruleset", law: "Law") -> None:
    from dialer.config.rulesets import rules_of

    print(_title(ruleset))
    _print_field("dated", ruleset.dated)
    _print_field("also", f"the rules of {', '.join(ruleset.parents)}" if ruleset.parents else "")
    _print_field("covers", ", ".join(ruleset.regions))
    kind = ""
    for next_kind, rule in rules_of(ruleset):
        if next_kind != kind:
            kind = next_kind
            print(f"\n{kind.replace('_', ' ')}")
        _print_rule(rule, ruleset, _overriding(rule, law))
    if ruleset.unconfirmed:
        print("\nnot confirmed")
        for point in ruleset.unconfirmed:
            _print_field("-", point, width=1)
    print()


def _print_rule(rule: "Rule", ruleset: "Ruleset", override: "Override | None") -> None:
    from dialer.cli.rules_words import applied, holds_for, says

    print(f"  {rule.rule_id}")
    _print_field("says", says(rule))
    _print_field("for", holds_for(rule))
    _print_field("force", applied(rule))
    _print_field("grade", rule.grade + (f", confidence {rule.confidence}" if rule.confidence else ""))
    _print_field("source", rule.source)
    _print_field("dated", rule.dated if rule.dated != ruleset.dated else "")
    _print_field("note", rule.note)
    if override is not None:
        _print_field("left out", f"{override.reason} (approved by {override.approved_by}; {override.origin})")


def _print_field(name: str, text: str, width: int = 8) -> None:
    """Print one field, folded under itself; nothing when there is nothing to say."""
    import shutil
    from textwrap import fill

    if text:
        columns = min(shutil.get_terminal_size((120, 24)).columns, 120)
        head = f"    {name:<{width}} "
        print(fill(text, max(columns, 40), initial_indent=head, subsequent_indent=" " * len(head)))


def _overriding(rule: "Rule", law: "Law") -> "Override | None":
    return next((each for each in law.overrides if each.rule_id == rule.rule_id), None)


def _summary(ruleset: "Ruleset") -> dict[str, Any]:
    return {name: getattr(ruleset, name) for name in (*_HEAD_FIELDS, "digest", "origin")}


def _counts(forces: "Sequence[str]") -> dict[str, int]:
    return {str(force): forces.count(force) for force in dict.fromkeys(forces)}


def _override(override: "Override") -> dict[str, str]:
    from dataclasses import asdict

    return asdict(override)


def _object(ruleset: "Ruleset", law: "Law") -> dict[str, Any]:
    from dialer.cli.rules_words import says, values_of
    from dialer.config.rulesets import rules_of

    rules = []
    for kind, rule in rules_of(ruleset):
        override = _overriding(rule, law)
        rules.append(
            {
                "kind": kind,
                **values_of(rule),
                "applied_force": rule.applied_force,
                "says": says(rule),
                "override": None if override is None else _override(override),
            }
        )
    return _summary(ruleset) | {"rules": rules}


def _changes(before: "Ruleset", after: "Ruleset") -> list[dict[str, Any]]:
    """Give what differs: first of the rulesets themselves, then rule by rule."""
    from dialer.cli.rules_words import says, values_of

    old, new = _by_key(before), _by_key(after)
    heads = _fields(_head(before), _head(after))
    changes: list[dict[str, Any]] = [{"change": "ruleset", "rule": "", "fields": heads}] if heads else []
    for key in dict.fromkeys([*old, *new]):
        if key not in new:
            changes.append({"change": "removed", "rule": key, "says": says(old[key])})
        elif key not in old:
            changes.append({"change": "added", "rule": key, "says": says(new[key])})
        elif differing := _fields(_said(values_of(old[key])), _said(values_of(new[key]))):
            changes.append({"change": "changed", "rule": key, "fields": differing})
    return changes


def _by_key(ruleset: "Ruleset") -> "dict[str, Rule]":
    """Give each rule by its id without the jurisdiction's code, so that two jurisdictions can be compared."""
    from dialer.config.rulesets import OWN, rules_of

    return {
        rule.rule_id.removeprefix(f"{OWN}.").removeprefix(f"{ruleset.code}."): rule for _, rule in rules_of(ruleset)
    }


def _head(ruleset: "Ruleset") -> dict[str, Any]:
    return {name: getattr(ruleset, name) for name in _HEAD_FIELDS}


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "rule_id"}


def _fields(old: dict[str, Any], new: dict[str, Any]) -> dict[str, list[Any]]:
    return {
        name: [old.get(name), new.get(name)] for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)
    }


def _print_change(change: dict[str, Any]) -> None:
    match change["change"]:
        case "added":
            print(f"+ {change['rule']}: {change['says']}")
        case "removed":
            print(f"- {change['rule']}: {change['says']}")
        case _:
            print(f"! {change['rule'] or 'the ruleset'}")
            for name, (old, new) in change["fields"].items():
                print(f"    {name}\n      - {_plain(old)}\n      + {_plain(new)}")


def _plain(value: object) -> str:
    import msgspec

    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text or "nothing"


def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())
