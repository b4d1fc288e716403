"""Commands that run the daemon, and commands that talk to the one that runs."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dialer.config.settings import Settings
    from dialer.daemon.service import Adopt, GatewayFactory

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
    from dialer.daemon.service import Service

    settings = load_settings(config)

    async def serve() -> None:
        await Service(settings, loopback_factory(settings)).run()

    asyncio.run(serve())


def loopback_factory(settings: "Settings") -> "GatewayFactory":
    """Say how to make the loopback gateway: a simulated network, with agents where the settings ask for some."""
    from dialer.daemon.clock import DaemonClock
    from dialer.domain.policy import CampaignPolicy
    from dialer.gateways.loopback import LoopbackGateway
    from dialer.ports import Gateway
    from dialer.simulator.scenario import DEFAULT_WORLD, load_world
    from dialer.simulator.world import World

    loopback = settings.loopback
    scenario = load_world(DEFAULT_WORLD if loopback.world is None else str(loopback.world))

    def make(clock: DaemonClock, policies: list[CampaignPolicy]) -> "tuple[Gateway, Adopt]":
        named = tuple(dict.fromkeys(group for policy in policies for group in policy.agents.groups))
        world = World(
            scenario,
            policies,
            seed=loopback.seed,
            start_at=clock.now(),
            agents=loopback.agents,
            agent_groups=loopback.agent_groups or named,
        )
        return LoopbackGateway(world, clock), world.set_policy

    return make


def status(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Show what the running daemon does: campaigns, agents, lines."""
    from dialer.daemon.control import StatusRequest

    answer = _ask(config, StatusRequest())
    if as_json:
        _print_json(answer)
        return
    _print_campaigns(answer)


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

    answer = _ask(config, StatusRequest())
    if as_json:
        _print_json(answer["status"]["campaigns"])
    else:
        _print_campaigns(answer)


@campaign_app.command("show")
def show_campaign(name: NameArgument, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Show one campaign of the running daemon in full."""
    from dialer.daemon.control import StatusRequest
    from dialer.errors import UsageError

    campaigns = {each["name"]: each for each in _ask(config, StatusRequest())["status"]["campaigns"]}
    if name not in campaigns:
        raise UsageError(f"no campaign {name!r}: expected one of {', '.join(campaigns) or 'none loaded'}")
    if as_json:
        _print_json(campaigns[name])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for key, value in _flat("", campaigns[name]):
        table.add_row(key, _cell(value))
    Console().print(table)


def _add_action(action: Action, text: str) -> None:
    def change(
        name: NameArgument, reason: ReasonOption, config: ConfigOption = CONFIG, as_json: JsonOption = False
    ) -> None:
        from dialer.daemon.control import CampaignRequest
        from dialer.errors import UsageError

        if not reason.strip():
            raise UsageError("--reason: expected a few words that say why, found nothing")
        answer = _ask(config, CampaignRequest(name=name, action=action.value, reason=reason))
        if as_json:
            _print_json(answer)
        else:
            print(f"{name}: {action.value}, {answer['before']} -> {answer['after']}")

    campaign_app.command(action.value, help=text)(change)


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


def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _print_campaigns(answer: dict[str, Any]) -> None:
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Table

    console = Console()
    at = datetime.fromtimestamp(answer["now"], UTC)
    current = answer["status"]
    console.print(f"{at:%Y-%m-%d %H:%M:%S} UTC")
    table = Table("campaign", "state", "mode", box=None)
    for heading in ("agents", "calls", "dials", "live", "connects", "abandoned", "open leads"):
        table.add_column(heading, justify="right")
    for campaign in current["campaigns"]:
        table.add_row(*campaign_cells(campaign))
    console.print(table)


def campaign_cells(campaign: dict[str, Any]) -> tuple[str, ...]:
    """Give the cells of one campaign's row in the table of campaigns."""
    counts, agents = campaign["counts"], campaign["agents"]
    at_work = sum(count for state, count in agents.items() if state != "paused")
    mode = campaign["mode"] + (", callbacks only" if campaign["is_callbacks_only"] else "")
    rate = f" ({counts['abandoned'] / counts['live']:.1%})" if counts["live"] else ""
    return (
        campaign["name"],
        campaign["state"],
        mode,
        str(at_work),
        str(sum(campaign["calls"].values())),
        str(counts["dials"]),
        str(counts["live"]),
        str(counts["connects"]),
        f"{counts['abandoned']}{rate}",
        str(campaign["open_leads"]),
    )


def _flat(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for key in value for pair in _flat(f"{prefix}.{key}" if prefix else str(key), value[key])]
    return [(prefix, value)]


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
