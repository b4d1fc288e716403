"""The command line: which commands there are, and what becomes of an error.

Nothing but typer is imported until a command runs, so that `dialer --help` answers at once.
"""

import os
import signal
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import dialer
from dialer.cli.check import check
from dialer.cli.consent import consent_app
from dialer.cli.daemon import campaign_app, run, status
from dialer.cli.db import db_app
from dialer.cli.demo import demo
from dialer.cli.doctor import doctor
from dialer.cli.evidence import evidence_app
from dialer.cli.gateway import gateway_app
from dialer.cli.journal import journal_app
from dialer.cli.keys import keys_app
from dialer.cli.leads import leads_app
from dialer.cli.pacing import pacing_app
from dialer.cli.person import person_app
from dialer.cli.registry import registry_app
from dialer.cli.report import report_app
from dialer.cli.rules import rules_app
from dialer.cli.simulate import simulate
from dialer.cli.upgrade import upgrade
from dialer.cli.why import why
from dialer.cli.why_not import why_not
from dialer.errors import DialerError

INTERRUPTED = 130
TERMINATED = 143
CRASHED = 70

EPILOG = """Exit codes: 0 done; 1 failed; 2 wrong usage; 3 a configuration, campaign or world file is not valid;
4 a lead list cannot be read; 5 the database failed; 6 no daemon answers, or it refused; 7 the
keys are missing or wrong; 8 evidence or the journal is not whole; 9 no right to see whole numbers; 10 another daemon
took over; 11 the database is of another version or program; 70 a fault in dialer itself; 71 a part of the daemon
crashed; 130 interrupted; 143 terminated."""


class Commands(TyperGroup):
    """The group of all commands; turns errors into one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        # Before numpy is loaded: with small matrices a second thread only waits, at twenty times the CPU time.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        _open_standard_streams()
        signal.signal(signal.SIGTERM, _end)
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except DialerError as error:
            print(f"dialer: error: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            print("dialer: interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            # Whoever read our output has seen enough. Python must find nothing left to flush when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from error
        except Exception as error:
            if _is_the_parsers(error):
                raise
            from dialer.leads.numbers import mask_in

            if os.environ.get("DIALER_DEBUG") == "1":
                print(mask_in(traceback.format_exc()), file=sys.stderr, end="")
            print(
                f"dialer: fault: {type(error).__name__}: {mask_in(str(error))}. This is a fault in dialer "
                f"{dialer.__version__}: please report it with the output of the same command under DIALER_DEBUG=1",
                file=sys.stderr,
            )
            raise typer.Exit(CRASHED) from error
        return result


def _open_standard_streams() -> None:
    """Put the null device where the caller closed a stream, so that no file of ours takes its place and gets output."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _end(*_: object) -> None:
    """End on SIGTERM, but leave no half-written file behind. The daemon has its own way while it runs."""
    sys.exit(TERMINATED)


def _is_the_parsers(error: Exception) -> bool:
    """Whether typer itself knows what to do with an error: wrong usage, or a wanted exit."""
    return type(error).__module__.startswith(("typer.", "click."))


app = typer.Typer(
    name="dialer",
    cls=Commands,
    help="An outbound predictive dialer: campaigns as TOML files, pacing under a legal abandonment cap.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_asked: bool) -> None:
    if is_asked:
        print(f"dialer {dialer.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """An outbound predictive dialer: campaigns as TOML files, pacing under a legal abandonment cap."""


app.command(rich_help_panel="Try")(demo)
app.command(rich_help_panel="Try")(simulate)
app.command(rich_help_panel="Prepare")(check)
app.add_typer(leads_app, name="leads", rich_help_panel="Prepare")
app.add_typer(consent_app, name="consent", rich_help_panel="Prepare")
app.add_typer(registry_app, name="registry", rich_help_panel="Prepare")
app.add_typer(rules_app, name="rules", rich_help_panel="Prepare")
app.command(rich_help_panel="Run")(run)
app.add_typer(gateway_app, name="gateway", rich_help_panel="Run")
app.command(rich_help_panel="Run")(status)
app.add_typer(campaign_app, name="campaign", rich_help_panel="Run")
app.add_typer(keys_app, name="keys", rich_help_panel="Run")
app.add_typer(db_app, name="db", rich_help_panel="Run")
app.command(rich_help_panel="Run")(upgrade)
app.command(rich_help_panel="Run")(doctor)
app.command(rich_help_panel="Look back")(why)
app.command("why-not", rich_help_panel="Look back")(why_not)
app.add_typer(report_app, name="report", rich_help_panel="Look back")
app.add_typer(evidence_app, name="evidence", rich_help_panel="Look back")
app.add_typer(journal_app, name="journal", rich_help_panel="Look back")
app.add_typer(person_app, name="person", rich_help_panel="Look back")
app.add_typer(pacing_app, name="pacing", rich_help_panel="Look back")
