"""How one gateway uses its Asterisk: what gateway.toml says, checked and with absolute paths.

One rule governs this module: it holds values only. The password is read by whoever makes it, and never printed.
"""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """The timings of AMD, Asterisk's detector of answering machines, in its own terms and order."""

    initial_silence_ms: int = 2500
    greeting_ms: int = 1500
    after_greeting_silence_ms: int = 800
    total_analysis_ms: int = 5000
    min_word_ms: int = 100
    between_words_silence_ms: int = 50
    max_words: int = 3
    silence_threshold: int = 256
    max_word_ms: int = 5000

    @property
    def arguments(self) -> str:
        """The timings as AMD's application takes them."""
        return ",".join(
            str(value)
            for value in (
                self.initial_silence_ms,
                self.greeting_ms,
                self.after_greeting_silence_ms,
                self.total_analysis_ms,
                self.min_word_ms,
                self.between_words_silence_ms,
                self.max_words,
                self.silence_threshold,
                self.max_word_ms,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSettings:
    """What is recorded: `campaigns` None is all; `from_answer` adds what was before the agent came."""

    folder: Path
    campaigns: frozenset[str] | None = None
    from_answer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSettings:
    """An agent who logs in with the telephone: the leg's coming is the login, its end the log-out."""

    agent_id: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """Agents' legs. `endpoint` holds `{agent}`; `is_nailed_up`: a leg stays up between calls.

    `desks` log in by telephone; `call_again_s`: how long after a failed or ended leg their telephone is rung to come
    back, None: they dial in themselves.
    """

    endpoint: str = "PJSIP/{agent}"
    is_nailed_up: bool = True
    ring_timeout_s: float = 15.0
    hold_class: str = "dialer-hold"
    desks: tuple[DeskSettings, ...] = ()
    call_again_s: float | None = None
    supervisor: str | None = None  # the endpoint to which an agent hands a call over


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskSettings:
    """One Asterisk and what to do with it."""

    url: str  # of the HTTP server, such as http://127.0.0.1:8088
    user: str
    password: str = field(repr=False)
    app: str = "dialer"
    trunk: str = "carrier"
    has_plus: bool = True  # numbers leave with their +
    caller_name: str | None = None
    detector: DetectorSettings | None = None
    recording: RecordingSettings | None = None
    agents: AgentSettings = field(default_factory=AgentSettings)
    messages_dir: Path | None = None  # where the messages are that campaigns name; None: at their own paths
    lost_message: Path | None = None  # played to who picks up while the gateway is away
    comfort_class: str | None = None  # music for a person who waits for an agent
