"""Commands that run the daemon, and commands that talk to the one that runs."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dialer.config.settings import Settings
    from dialer.daemon.campaigns import Adopt
    from dialer.daemon.service import GatewayFactory

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; every key is in config.example.toml.")
]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept with the change.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The campaign's name.")]

CONFIG = Path("config.toml")


def run(config: ConfigOption = CONFIG) -> None:
    """Run the daemon until stopped: load campaigns, import their lists, dial while hours are open.

    SIGTERM drains: no new calls, live ones finish; a second one hangs up. SIGHUP reloads the campaign files.
    """
    import asyncio

    from dialer.config.settings import load_settings
    from dialer.daemon import pauses
    from dialer.daemon.service import Service

    settings = load_settings(config)

    async def serve() -> None:
        await Service(settings, gateway_factory(settings)).run()

    pauses.avoid()
    asyncio.run(serve())


def gateway_factory(settings: "Settings") -> "GatewayFactory":
    """Say how to make the gateway that the settings ask for."""
    if settings.trunks:
        return remote_factory(settings)
    return loopback_factory(settings) if settings.asterisk is None else asterisk_factory(settings, settings.asterisk)


def asterisk_factory(settings: "Settings", path: Path) -> "GatewayFactory":
    """Say how to make the adapter to an Asterisk on this machine, inside the daemon."""
    from dialer.cli.gateway_asterisk import make_asterisk
    from dialer.config.asterisk_file import load_asterisk_gateway
    from dialer.daemon.service import Run
    from dialer.domain.policy import CampaignPolicy
    from dialer.ports import Gateway

    file = load_asterisk_gateway(path)

    def make(run: Run, policies: list[CampaignPolicy]) -> "tuple[Gateway, Adopt]":
        log = run.log.bind(gateway=file.name)
        gateway = make_asterisk(
            file, run.clock.now, log, lines=settings.lines, calls_per_second=settings.calls_per_second
        )
        run.health.gateways = lambda: [gateway.standing(file.name)]
        return gateway, lambda policy: None

    return make


def remote_factory(settings: "Settings") -> "GatewayFactory":
    """Say how to reach the gateways behind the broker."""
    from dialer.cli.broker import address_of
    from dialer.daemon.service import Run
    from dialer.domain.policy import CampaignPolicy
    from dialer.gateways.mqtt import MqttGateway, Trunk
    from dialer.ports import Gateway

    broker = settings.broker
    assert broker is not None
    trunks = [
        Trunk(name=each.name, lines=each.lines, calls_per_second=each.calls_per_second) for each in settings.trunks
    ]

    def make(run: Run, policies: list[CampaignPolicy]) -> "tuple[Gateway, Adopt]":
        gateway = MqttGateway(
            trunks,
            address_of(broker),
            run.clock,
            run.log,
            engine=settings.engine,
            token=run.token,
            owns=run.owns,
            on_trip=run.metrics.answered,
        )
        run.audiences.append(gateway)
        run.health.gateways = gateway.standings
        return gateway, lambda policy: None

    return make


def loopback_factory(settings: "Settings") -> "GatewayFactory":
    """Say how to make the loopback gateway: a simulated network, with agents where the settings ask for some."""
    from dialer.daemon.service import Run
    from dialer.domain.policy import CampaignPolicy
    from dialer.gateways.loopback import LoopbackGateway
    from dialer.ports import Gateway, GatewayStanding
    from dialer.simulator.scenario import DEFAULT_WORLD, load_world
    from dialer.simulator.world import World

    loopback = settings.loopback
    scenario = load_world(DEFAULT_WORLD if loopback.world is None else str(loopback.world))

    def make(run: Run, policies: list[CampaignPolicy]) -> "tuple[Gateway, Adopt]":
        named = tuple(dict.fromkeys(group for policy in policies for group in policy.agents.groups))
        world = World(
            scenario,
            policies,
            seed=loopback.seed,
            start_at=run.clock.now(),
            agents=loopback.agents,
            agent_groups=loopback.agent_groups or named,
        )
        since_at = run.clock.now()
        run.health.gateways = lambda: [
            GatewayStanding(
                name="loopback", lost=None, since_at=since_at, lines=settings.lines, calls=len(world.living({}).calls)
            )
        ]
        return LoopbackGateway(world, run.clock), world.set_policy

    return make


def status(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Show what the running daemon does: campaigns, agents, lines."""
    from dialer.daemon.control import StatusRequest

    answer = _ask(config, StatusRequest())
    if as_json:
        _print_json(answer)
        return
    print_campaigns(answer)


class Action(StrEnum):
    """What an operator can do to a campaign."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    STOP = "stop"
    CALLBACKS_ONLY = "callbacks-only"
    EMERGENCY_STOP = "emergency-stop"


campaign_app = typer.Typer(
    help="List campaigns and change their state; every change needs a reason.", no_args_is_help=True
)


@campaign_app.command("list")
def list_campaigns(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """List the campaigns of the running daemon."""
    from dialer.daemon.control import StatusRequest

    answer = _ask_who_dials(config, StatusRequest())
    if as_json:
        _print_json(answer["status"]["campaigns"])
    else:
        print_campaigns(answer)


@campaign_app.command("show")
def show_campaign(name: NameArgument, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Show one campaign of the running daemon in full, instants in UTC."""
    from dialer.daemon.control import StatusRequest
    from dialer.errors import UsageError

    answer = _ask_who_dials(config, StatusRequest())
    campaigns = {each["name"]: each for each in answer["status"]["campaigns"]}
    if name not in campaigns:
        raise UsageError(f"no campaign {name!r}: expected one of {', '.join(campaigns) or 'none loaded'}")
    if as_json:
        _print_json(campaigns[name])
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(f"{_instant(answer['now'])} UTC, as are all instants")
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for heading, text in campaign_lines(campaigns[name]):
        table.add_row(heading, Text(text))
    console.print(table)


def _add_action(action: Action, text: str) -> None:
    def change(
        name: NameArgument, reason: ReasonOption, config: ConfigOption = CONFIG, as_json: JsonOption = False
    ) -> None:
        from dialer.cli.access import checked_reason
        from dialer.daemon.control import CampaignRequest

        reason = checked_reason(reason, f"campaign {action.value}")
        answer = _ask(config, CampaignRequest(name=name, action=action.value, reason=reason))
        if as_json:
            _print_json(answer)
        else:
            print(change_line(name, action, answer["before"], answer["after"]))

    campaign_app.command(action.value, help=text)(change)


def change_line(name: str, action: Action, before: str, after: str) -> str:
    """Say what a change did, where the state alone would not: callbacks-only is a mode of a running campaign."""
    mode = ""
    if before == "running":
        mode = {Action.CALLBACKS_ONLY: ", callbacks only", Action.RESUME: ", all leads"}.get(action, "")
    return f"{name}: {action.value}, {before} -> {after}{mode}"


for _action, _text in (
    (Action.START, "Start a campaign that is ready, paused, stopped or completed."),
    (Action.PAUSE, "Start no new calls; agents stay, live calls go on."),
    (Action.RESUME, "Go on after a pause, a drain or a stop; ends callbacks-only."),
    (Action.DRAIN, "Start no new calls and stop when the last one is over."),
    (Action.STOP, "Stop: no new calls, leads in hand go back."),
    (Action.CALLBACKS_ONLY, "Dial nothing but promised callbacks."),
    (Action.EMERGENCY_STOP, "Stop at once; calls that still ring are cut."),
):
    _add_action(_action, _text)


def _ask(config: Path, request: Any) -> dict[str, Any]:
    from dialer.config.settings import load_settings
    from dialer.daemon.control import ask

    return ask(load_settings(config).control_socket, request)


def _ask_who_dials(config: Path, request: Any) -> dict[str, Any]:
    """Ask for the status; raise ControlError where the daemon stands by: it has no campaigns."""
    from dialer.errors import ControlError

    answer = _ask(config, request)
    if "standby" in answer:
        raise ControlError(standby_line(answer["standby"]))
    return answer


def standby_line(standby: dict[str, Any]) -> str:
    """Say for whom a daemon stands by, and what is wrong with its files."""
    said = (
        f"standby for engine {standby['engine']!r}, for {standby['for_s']:.0f} s: {standby['holder']} dials; "
        "this daemon takes over when that one ends"
    )
    if standby["fault"] is None:
        return said
    return f"{said}, with the campaigns as they are dialed now, for its own files have faults:\n{standby['fault']}"


def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_campaigns(answer: dict[str, Any]) -> None:
    """Print the table of campaigns, or that the daemon stands by."""
    import sys

    from dialer.cli.tables import console_for, table_of, without

    if "standby" in answer:
        print(standby_line(answer["standby"]))
        return
    console = console_for(sys.stdout)
    current = answer["status"]
    console.print(f"{_instant(answer['now'])} UTC, {current['lines_used']} of {current['lines']} lines in use")
    if answer["blocked"] is not None:
        console.print(f"blocked: {answer['blocked']}", highlight=False, markup=False, soft_wrap=True)
    if current["store_lag"] in STORE_LAGS:
        console.print(STORE_LAGS[current["store_lag"]])
    for line in map(gateway_line, answer.get("gateways", ())):  # none of a daemon older than this command
        console.print(line, soft_wrap=True)
    rows = [campaign_cells(campaign) for campaign in current["campaigns"]]
    if not rows:
        console.print("no campaign is loaded")
        return
    columns = {heading: [row[heading] for row in rows] for heading in rows[0]}
    kept, left_out = without(columns, STATUS_EXPENDABLE, console.width)
    console.print(table_of(kept, left=("campaign", "state", "mode")))
    if left_out:
        console.print(f"left out for want of width: {', '.join(left_out)}; `dialer campaign show NAME` has them")


STORE_LAGS = {
    "slow": "the store is slow: one call per reserved agent, until it catches up",
    "stalled": "the store keeps orders waiting too long: no new calls, until it catches up",
}
STATUS_EXPENDABLE = ("mode", "open leads", "dials", "calls", "connects", "live answers", "agents")


def gateway_line(gateway: dict[str, Any]) -> str:
    """Say how one gateway stands; of the calls of one that is lost nobody knows what became."""
    is_lost, since_at = gateway["lost"] is not None, gateway["since_at"]
    since = "" if since_at is None else f" since {_instant(since_at)}"
    if not is_lost:
        return f"gateway {gateway['name']}: up{since}, {gateway['calls']} of {gateway['lines']} lines in use"
    calls = f", {gateway['calls']} calls of unknown fate" if gateway["calls"] else ""
    return (
        f"gateway {gateway['name']}: {'never there' if since_at is None else 'lost'}{since}, {gateway['lost']}{calls}"
    )


def campaign_cells(campaign: dict[str, Any]) -> dict[str, str]:
    """Give the cells of one campaign's row in the table of campaigns, by heading."""
    counts, agents = campaign["counts"], campaign["agents"]
    at_work = sum(count for state, count in agents.items() if state != "paused")
    rate = f" ({counts['abandoned'] / counts['live']:.1%})" if counts["live"] else ""
    return {
        "campaign": campaign["name"],
        "state": campaign["state"] + (",\ncallbacks only" if campaign["is_callbacks_only"] else ""),
        "mode": campaign["mode"],
        "agents": str(at_work),
        "calls": str(sum(campaign["calls"].values())),
        "dials": str(counts["dials"]),
        "live answers": str(counts["live"]),
        "connects": str(counts["connects"]),
        "abandoned": f"{counts['abandoned']}{rate}",
        "open leads": str(campaign["open_leads"]),
    }


def campaign_lines(campaign: dict[str, Any]) -> list[tuple[str, str]]:
    """Describe one campaign in full, as pairs of a heading and a text."""
    from dialer.cli.shadow import shadow_lines

    counts, budget, decision = campaign["counts"], campaign["abandonment"], campaign["last_decision"]
    due_at = campaign["next_due_at"]
    share = "" if budget["rate"] is None else f" ({budget['rate']:.2%})"
    lines = [
        ("campaign", campaign["name"]),
        ("state", campaign["state"] + (", callbacks only" if campaign["is_callbacks_only"] else "")),
        ("pacing", campaign["mode"]),
        ("file's digest", campaign["digest"][:16]),
        ("agents now", _listed(campaign["agents"])),
        ("calls now", _listed(campaign["calls"])),
        ("leads", f"{campaign['hopper']} in the hopper, {campaign['open_leads']} not finished"),
        ("next lead due", "none" if due_at is None else _instant(due_at)),
        ("since the start", _listed({_SAID.get(name, name): count for name, count in counts.items()})),
        (
            "abandonment",
            f"{budget['abandoned']} of {budget['live']} live answers{share}, {budget['remaining']} still allowed",
        ),
        *_people_lines(budget),
        ("", f"cap {budget['cap_rate']:.2%}, target {budget['target_rate']:.2%}"),
        ("", f"no agent within {budget['threshold_s']:g} s of {budget['starts_at']}"),
        ("window", f"{budget['window']}: {_instant(budget['window_from_at'])} to {_instant(budget['window_to_at'])}"),
        ("forecast", _forecast_text(campaign["forecast"])),
    ]
    lines += shadow_lines(campaign["shadow"])
    if decision is None:
        return [*lines, ("last decision", "none yet")]
    return [*lines, ("last decision", f"{_instant(decision['at'])}: {campaign['reason']}")]


def _people_lines(budget: dict[str, Any]) -> list[tuple[str, str]]:
    """Say what is known of people taken for machines, and what follows."""
    if not budget["machines"]:
        return []
    if budget["people"] is None:
        return [("", f"people among {budget['machines']} machines: not measured, see abandonment.amd_checked")]
    low, high = budget["people_low"], budget["people_high"]
    said = f"{budget['people']:.1f} people ({low:.1f} to {high:.1f}) estimated among {budget['machines']} machines"
    lines = [("", f"{said}, counted in the rate")]
    if budget["is_infeasible"]:
        lines.append(("", "the cap cannot be kept: these people alone reach it, and no call is made"))
    return lines


_SAID = {
    "cut_short": "rings cut short",
    "unknown": "of unknown fate",
    "refused": "refused by a rule",
}
"""What a count is called for people, where its name does not say it."""


def _forecast_text(forecast: dict[str, Any] | None) -> str:
    """Say what becomes of the window at this pace, or that there is none."""
    if forecast is None:
        return "none: the last hour holds too few live answers"
    from datetime import UTC

    import msgspec

    from dialer.cli.pacing import forecast_text
    from dialer.pacing.forecast import Forecast

    return forecast_text(msgspec.convert(forecast, Forecast), UTC)


def _listed(counts: dict[str, int]) -> str:
    """List what there is some of."""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "none"


def _instant(at: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
