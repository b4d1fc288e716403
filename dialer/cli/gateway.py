"""Commands that run a gateway as a process of its own, behind the broker."""

from typing import TYPE_CHECKING

import typer

from dialer.cli.gateway_asterisk import CONFIG, ConfigOption, asterisk
from dialer.cli.gateway_check import check

if TYPE_CHECKING:
    from dialer.gateways.serving import Serving

gateway_app = typer.Typer(help="Run a gateway beside its switch; engines reach it over MQTT.", no_args_is_help=True)
gateway_app.command("asterisk")(asterisk)
gateway_app.command("check")(check)


@gateway_app.command("loopback")
def loopback(config: ConfigOption = CONFIG) -> None:
    """Serve a simulated telephone network over MQTT until stopped: for trying out and for load tests.

    Nobody is called. SIGTERM ends it; calls that are up are gone then.
    """
    import asyncio

    from dialer.cli.broker import address_of
    from dialer.config.campaign import load_campaigns
    from dialer.config.gateway_file import load_loopback_gateway
    from dialer.daemon.clock import SystemClock
    from dialer.daemon.logs import make_logger
    from dialer.gateways.loopback import LoopbackGateway
    from dialer.gateways.serving import Serving
    from dialer.simulator.scenario import DEFAULT_WORLD, load_world
    from dialer.simulator.world import World

    settings = load_loopback_gateway(config)
    simulated = settings.simulated
    policies = load_campaigns(simulated.campaigns)
    named = tuple(dict.fromkeys(group for policy in policies for group in policy.agents.groups))
    scenario = load_world(DEFAULT_WORLD if simulated.world is None else str(simulated.world))

    async def serve() -> None:
        clock = SystemClock()
        log = make_logger(settings.log_level, settings.log_format, clock).bind(gateway=settings.name)
        world = World(
            scenario,
            policies,
            seed=simulated.seed,
            start_at=clock.now(),
            agents=simulated.agents,
            agent_groups=simulated.agent_groups or named,
            is_open=True,
        )
        served = Serving(
            LoopbackGateway(world, clock),
            address_of(settings.broker),
            clock,
            log,
            name=settings.name,
            kind="loopback",
            lines=settings.lines,
        )
        await until_stopped(served)

    asyncio.run(serve())


async def until_stopped(served: "Serving") -> None:
    """Serve until SIGTERM or SIGINT, and tell systemd of it; whatever fails ends the process."""
    import asyncio
    import signal

    from dialer.daemon import systemd
    from dialer.daemon.heartbeat import feed_watchdog
    from dialer.daemon.supervision import routed

    serving = asyncio.ensure_future(served.run())

    def stop() -> None:
        serving.cancel()

    with routed({signal.SIGTERM: stop, signal.SIGINT: stop}):
        ready = asyncio.ensure_future(served.ready.wait())
        await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        systemd.notify("READY=1", "STATUS=connected to the broker")
        feeding = asyncio.ensure_future(feed_watchdog(lambda: served.turns))
        try:
            await serving
        except asyncio.CancelledError:
            systemd.notify("STOPPING=1")
        finally:
            feeding.cancel()
