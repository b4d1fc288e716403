"""What `dialer campaign show` says of a campaign's shadow."""

from datetime import UTC, datetime
from typing import Any


def shadow_lines(shadow: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Put the figures of both floors below each other, as pairs of a heading and a text; nothing without a shadow."""
    if shadow is None:
        return []
    if shadow["since_at"] is None:
        return [("shadow", f"{shadow['shadow']}, warming up: {shadow['resolved']} dials have come to an end")]
    since = f"{datetime.fromtimestamp(shadow['since_at'], UTC):%Y-%m-%d %H:%M:%S}"
    lines = [("shadow", f"{shadow['shadow']}, what it would have done since {since}")]
    for span, real, twin in (("", "real", "twin"), (", last hour", "real_hour", "twin_hour")):
        lines += [("", f"{_figures(shadow[real])} ({shadow['mode']}, real{span})")]
        lines += [("", f"{_figures(shadow[twin])} ({shadow['shadow']}, as if{span})")]
    return lines


def _figures(floor: dict[str, Any]) -> str:
    occupancy, rate, wait_s = floor["occupancy"], floor["abandonment_rate"], floor["wait_s"]
    return (
        f"occupancy {'-' if occupancy is None else f'{occupancy:.1%}'}, "
        f"abandonment {'-' if rate is None else f'{rate:.2%}'}, wait {'-' if wait_s is None else f'{wait_s:.1f} s'}, "
        f"{floor['dials']} dials, {floor['connects']} connects"
    )
