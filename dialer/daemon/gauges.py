"""How the floor stands, for Prometheus: read from the engine's status whenever somebody asks.

One rule governs this module: it shows what `dialer status` shows, under the same words, and computes only ratios.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from dialer.daemon.clock import DaemonClock
from dialer.daemon.driver import Driver
from dialer.daemon.metrics import Metrics
from dialer.daemon.registries import good_until
from dialer.domain.agent import AgentState
from dialer.domain.call import CallState
from dialer.domain.law import Law
from dialer.domain.standing import RegistryCopy
from dialer.engine.campaign import CampaignState
from dialer.engine.status import CampaignStatus, EngineStatus, shown_blocked

OCCUPANCY_S = 900.0
"""The span over which occupancy is told."""
_COUNTS = {
    "dials": ("dialer_calls_placed", "Calls placed."),
    "answers": ("dialer_answers", "Calls answered, by a person or a machine."),
    "live": ("dialer_live_answers", "Calls answered by a person: the denominator of abandonment."),
    "machines": ("dialer_machines", "Calls that the detector took for answered by a machine."),
    "connects": ("dialer_connects", "Live answers joined to an agent."),
    "abandoned": ("dialer_abandonments", "Live answers not joined to an agent within the threshold."),
    "abandoned_by_callee": ("dialer_abandonments_by_callee", "People who hung up while they waited."),
    "finished": ("dialer_calls_finished", "Calls that are over."),
    "unknown": ("dialer_calls_unknown", "Calls whose fate nobody told."),
    "cut_short": ("dialer_calls_cut_short", "Rings that an emergency stop ended."),
}
_STATES = (*CampaignState, "blocked")
_DIALED = (CallState.PLACED, CallState.RINGING, CallState.ANSWERED)
_FREE = (AgentState.READY, AgentState.RESERVED)
_BUSY = (AgentState.TALKING, AgentState.WRAP_UP)


class Floor:
    """Collects gauges and the engine's counts. `law` and `copies` give what is in force of rules and registers."""

    def __init__(
        self,
        metrics: Metrics,
        driver: Driver,
        clock: DaemonClock,
        law: Callable[[], Law],
        copies: Callable[[], Iterable[RegistryCopy]],
    ) -> None:
        self._metrics = metrics
        self._driver = driver
        self._clock = clock
        self._law = law
        self._copies = copies
        self._began_at = clock.now()
        self._shown: dict[tuple[str, str], float] = {}
        self._past: dict[str, deque[tuple[float, float, float]]] = {}  # instant, busy and staffed seconds so far

    def collect(self) -> Iterable[Metric]:
        """Give the families of one answer."""
        status = shown_blocked(self._driver.status(), self._driver.blocked)
        yield GaugeMetricFamily("dialer_queue_events", "Events that wait for the engine.", value=self._driver.queued)
        yield GaugeMetricFamily("dialer_batches_ahead", "Batches on their way to the disk.", value=self._driver.ahead)
        yield GaugeMetricFamily("dialer_lines", "Calls that may be up at once.", value=status.lines)
        yield GaugeMetricFamily("dialer_lines_used", "Calls that are up.", value=status.lines_used)
        yield from self._counts(status)
        yield from self._campaigns(status)
        yield from self._abandonment(status)
        yield from self._agents(status)
        yield self._registers()

    def _counts(self, status: EngineStatus) -> Iterator[Metric]:
        for key, (name, text) in _COUNTS.items():
            family = CounterMetricFamily(name, text, labels=["campaign"])
            for campaign in status.campaigns:
                family.add_metric([campaign.name], campaign.counts[key])
            yield family

    def _campaigns(self, status: EngineStatus) -> Iterator[Metric]:
        state = GaugeMetricFamily("dialer_campaign_state", "1 for the campaign's state.", labels=["campaign", "state"])
        calls = GaugeMetricFamily("dialer_calls", "Calls in flight by state.", labels=["campaign", "state"])
        agents = GaugeMetricFamily("dialer_agents", "Agents at work by state.", labels=["campaign", "state"])
        hopper = GaugeMetricFamily("dialer_hopper_leads", "Leads in hand, ready to be dialed.", labels=["campaign"])
        leads = GaugeMetricFamily("dialer_open_leads", "Leads that are not finished.", labels=["campaign"])
        ratio = GaugeMetricFamily(
            "dialer_dial_ratio", "Calls not yet with a person, per agent free or about to be.", labels=["campaign"]
        )
        limit = GaugeMetricFamily(
            "dialer_pacing_limited_by", "1 for what bound the last pacing decision.", labels=["campaign", "limit"]
        )
        for campaign in status.campaigns:
            name = campaign.name
            for each in _STATES:
                state.add_metric([name, str(each)], float(campaign.state == each))
            for each, count in campaign.calls.items():
                calls.add_metric([name, each], count)
            for each, count in campaign.agents.items():
                agents.add_metric([name, each], count)
            hopper.add_metric([name], campaign.hopper)
            leads.add_metric([name], campaign.open_leads)
            free = sum(campaign.agents.get(each, 0) for each in _FREE)
            if free:
                ratio.add_metric([name], sum(campaign.calls.get(each, 0) for each in _DIALED) / free)
            if campaign.last_decision is not None:
                limit.add_metric([name, campaign.last_decision.limited_by], 1.0)
        yield from (state, calls, agents, hopper, leads, ratio, limit)

    def _abandonment(self, status: EngineStatus) -> Iterator[Metric]:
        read: Mapping[str, tuple[str, Callable[[CampaignStatus], float | None]]] = {
            "dialer_abandonment_ratio": (
                "Abandonments per live answer in the policy's window.",
                lambda campaign: campaign.abandonment.rate,
            ),
            "dialer_abandonment_cap_ratio": (
                "What that ratio may not exceed.",
                lambda campaign: campaign.abandonment.cap_rate,
            ),
            "dialer_abandonment_target_ratio": (
                "What the pacing aims at.",
                lambda campaign: campaign.abandonment.target_rate,
            ),
            "dialer_abandonment_window_answers": (
                "Live answers in the policy's window.",
                lambda campaign: campaign.abandonment.live,
            ),
            "dialer_abandonment_budget": (
                "Abandonments still allowed in the window; may be negative.",
                lambda campaign: campaign.abandonment.remaining,
            ),
        }
        for name, (text, value_of) in read.items():
            family = GaugeMetricFamily(name, text, labels=["campaign"])
            for campaign in status.campaigns:
                value = value_of(campaign)
                if value is not None:
                    family.add_metric([campaign.name], value)
            yield family

    def _agents(self, status: EngineStatus) -> Iterator[Metric]:
        """What agents did so far, spans that go on included; and how busy they were of late."""
        seconds = dict(self._metrics.agent_seconds)
        for agent in status.agents:
            if agent.state != AgentState.LOGGED_OUT:
                key = (agent.campaign or "", agent.state)
                since_at = max(agent.since_at, self._began_at)
                seconds[key] = seconds.get(key, 0.0) + max(0.0, status.now - since_at)
        spent = CounterMetricFamily(
            "dialer_agent_seconds", "Time that agents spent in a state.", labels=["campaign", "state"]
        )
        for key, value in seconds.items():
            self._shown[key] = max(value, self._shown.get(key, 0.0))  # a span may end under another campaign
            spent.add_metric(list(key), self._shown[key])
        yield spent
        occupancy = GaugeMetricFamily(
            "dialer_occupancy_ratio", "Talk and wrap-up per agents' time without pauses, of late.", labels=["campaign"]
        )
        for campaign in status.campaigns:
            busy = sum(self._shown.get((campaign.name, state), 0.0) for state in _BUSY)
            staffed = busy + sum(self._shown.get((campaign.name, state), 0.0) for state in _FREE)
            share = self._of_late(campaign.name, status.now, busy, staffed)
            if share is not None:
                occupancy.add_metric([campaign.name], share)
        yield occupancy

    def _of_late(self, campaign: str, now: float, busy: float, staffed: float) -> float | None:
        past = self._past.setdefault(campaign, deque([(self._began_at, 0.0, 0.0)]))
        while len(past) > 1 and past[1][0] <= now - OCCUPANCY_S:
            past.popleft()
        _, busy_then, staffed_then = past[0]
        if now > past[-1][0]:
            past.append((now, busy, staffed))
        return (busy - busy_then) / (staffed - staffed_then) if staffed > staffed_then else None

    def _registers(self) -> Metric:
        family = GaugeMetricFamily(
            "dialer_registry_valid_seconds",
            "How long the copy in use is still new enough for the strictest rule; negative: it is stale.",
            labels=["registry"],
        )
        law, now = self._law(), self._clock.now()
        for copy in self._copies():
            end = good_until(law, copy)
            if end is not None:
                family.add_metric([copy.registry], end[0] - now)
        return family
