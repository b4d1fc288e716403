"""The Asterisk gateway, as its gateway.toml says: behind the broker, or inside the daemon of a small site."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from dialer.config.asterisk_file import AsteriskFile
    from dialer.gateways.asterisk.adapter import AsteriskGateway


ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The gateway's configuration file.")]
CONFIG = Path("gateway.toml")


def asterisk(config: ConfigOption = CONFIG) -> None:
    """Serve an Asterisk over MQTT until stopped. Calls that are up go on, and are adopted by the next start.

    docs/asterisk.md says what Asterisk needs; deploy/asterisk/ has it.
    """
    import asyncio

    from dialer.cli.broker import address_of
    from dialer.cli.gateway import until_stopped
    from dialer.config.asterisk_file import load_asterisk_gateway
    from dialer.daemon.clock import SystemClock
    from dialer.daemon.logs import make_logger
    from dialer.gateways.serving import Serving

    file = load_asterisk_gateway(config)

    async def serve() -> None:
        clock = SystemClock()
        log = make_logger(file.log_level, file.log_format, clock).bind(gateway=file.name)
        served = Serving(
            make_asterisk(file, clock.now, log, lines=file.lines, calls_per_second=float(file.lines)),
            address_of(file.broker),
            clock,
            log,
            name=file.name,
            kind="asterisk",
            lines=file.lines,
        )
        await until_stopped(served)

    asyncio.run(serve())


def make_asterisk(
    file: "AsteriskFile",
    now: Callable[[], float],
    log: "FilteringBoundLogger",
    *,
    lines: int,
    calls_per_second: float,
) -> "AsteriskGateway":
    """Make the adapter that a gateway.toml describes."""
    from dialer.gateways.asterisk.adapter import AsteriskGateway
    from dialer.gateways.asterisk.settings import (
        AgentSettings,
        AsteriskSettings,
        DeskSettings,
        DetectorSettings,
        RecordingSettings,
    )

    said, agents, recording = file.asterisk, file.agents, file.recording
    settings = AsteriskSettings(
        url=said.url,
        user=said.user,
        password=file.password,
        app=said.app,
        trunk=said.trunk,
        has_plus=said.plus,
        caller_name=said.caller_name,
        detector=None if file.detector is None else DetectorSettings(**file.detector.model_dump()),
        recording=None
        if recording is None
        else RecordingSettings(
            folder=Path(recording.folder),
            campaigns=None if recording.campaigns is None else frozenset(recording.campaigns),
            from_answer=recording.from_answer,
        ),
        agents=AgentSettings(
            endpoint=agents.endpoint,
            is_nailed_up=agents.nailed_up,
            ring_timeout_s=agents.ring_timeout_s,
            hold_class=agents.hold_class,
            desks=tuple(DeskSettings(agent_id=name, groups=tuple(groups)) for name, groups in agents.desks.items()),
            call_again_s=agents.call_again_s,
            supervisor=agents.supervisor,
        ),
        messages_dir=None if said.messages_dir is None else Path(said.messages_dir),
        lost_message=None if said.lost_message is None else Path(said.lost_message),
        comfort_class=said.comfort_class,
    )
    return AsteriskGateway(settings, now, log, lines=lines, calls_per_second=calls_per_second)
