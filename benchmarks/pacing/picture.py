"""The picture: occupancy against abandonment, one small chart per scenario, as SVG written by hand.

One rule governs this module: every chart has the same scale across, from 0 to 12 % abandonment; what lies beyond is
drawn at the edge with its number. Up the chart runs from just below the lowest occupancy to just above the highest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, ACROSS = 250, 190, 5
LEFT, RIGHT, TOP, BOTTOM = 38, 12, 26, 30
RATE_MAX = 0.12
_COLOURS = {"ours": "#0b6e4f", "known": "#0b6e4f", "progressive": "#555555", "peer": "#c1440e"}
_LABELS = {
    "ours": "predictive, and its curve over targets",
    "known": "predictive, parameters known",
    "progressive": "progressive",
    "peer": "other dialers, by number",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One controller in one chart. `kind` is ours, known, progressive or peer; `label` is written beside it."""

    abandonment: float
    occupancy: float
    kind: str
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One scenario. `curve` are our points over targets, sorted by abandonment; `cap` a vertical line."""

    title: str
    points: Sequence[Point]
    curve: Sequence[tuple[float, float]]
    cap: float


def draw(charts: Sequence[Chart], legend: Sequence[str]) -> str:
    """Give the whole picture; `legend` are the numbered names of the peers."""
    rows = -(-len(charts) // ACROSS)
    legend_rows = -(-len(legend) // 4)
    width, height = WIDTH * ACROSS, HEIGHT * rows + 60 + 16 * legend_rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="10">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        '<text x="10" y="18" font-size="13">Occupancy (up) against abandonment (across, 0 to 12 %), per scenario; '
        "dashed: the cap; an arrow: beyond 12 %</text>",
    ]
    for rank, (kind, words) in enumerate(_LABELS.items()):
        x = 10 + rank * 260
        parts += [_mark(x + 5, 32, kind), f'<text x="{x + 14}" y="36">{escape(words)}</text>']
    for rank, words in enumerate(legend):
        x, y = 10 + (rank % 4) * 260, 52 + 16 * (rank // 4)
        parts.append(f'<text x="{x}" y="{y}" fill="{_COLOURS["peer"]}">{escape(words)}</text>')
    for rank, chart in enumerate(charts):
        x, y = (rank % ACROSS) * WIDTH, 60 + 16 * legend_rows + (rank // ACROSS) * HEIGHT
        parts.append(f'<g transform="translate({x},{y})">{"".join(_chart(chart))}</g>')
    return "\n".join([*parts, "</svg>", ""])


def _chart(chart: Chart) -> list[str]:
    heights = [point.occupancy for point in chart.points] + [height for _, height in chart.curve]
    low, high = min(heights), max(heights)
    margin = max(0.02, 0.1 * (high - low))
    low, high = max(0.0, low - margin), min(1.0, high + margin)
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(rate: float) -> float:
        return LEFT + wide * min(rate, RATE_MAX) / RATE_MAX

    def y(occupancy: float) -> float:
        return TOP + tall * (high - occupancy) / (high - low)

    parts = [
        f'<text x="{LEFT}" y="16" font-size="11" font-weight="bold">{escape(chart.title)}</text>',
        f'<rect x="{LEFT}" y="{TOP}" width="{wide}" height="{tall}" fill="none" stroke="#bbbbbb"/>',
        f'<line x1="{x(chart.cap):.1f}" x2="{x(chart.cap):.1f}" y1="{TOP}" y2="{TOP + tall}" stroke="#999999" '
        'stroke-dasharray="3,3"/>',
    ]
    for rate in (0.0, 0.03, 0.06, 0.09, 0.12):
        parts.append(f'<text x="{x(rate):.1f}" y="{TOP + tall + 13}" text-anchor="middle">{100 * rate:g} %</text>')
    for share in (0.0, 0.5, 1.0):
        height = low + (high - low) * share
        parts.append(f'<text x="{LEFT - 4}" y="{y(height) + 3:.1f}" text-anchor="end">{100 * height:.0f}</text>')
    if chart.curve:
        line = " ".join(f"{x(rate):.1f},{y(height):.1f}" for rate, height in chart.curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{_COLOURS["ours"]}" stroke-width="1.2"/>')
    for point in chart.points:
        at_x, at_y = x(point.abandonment), y(point.occupancy)
        label = point.label
        if point.abandonment > RATE_MAX:
            label += f" → {100 * point.abandonment:.0f} %"
        parts.append(_mark(at_x, at_y, point.kind))
        if label:
            anchor, shift = ("end", -5) if at_x > WIDTH - 70 else ("start", 5)
            parts.append(
                f'<text x="{at_x + shift:.1f}" y="{at_y + 3:.1f}" text-anchor="{anchor}" '
                f'fill="{_COLOURS[point.kind]}">{escape(label)}</text>'
            )
    return parts


def _mark(x: float, y: float, kind: str) -> str:
    fill = "white" if kind == "known" else _COLOURS[kind]
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{fill}" stroke="{_COLOURS[kind]}"/>'
