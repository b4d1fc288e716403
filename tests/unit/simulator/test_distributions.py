"""The families of a world file, against their means and medians."""

from math import exp, gamma, log, pi, sin
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.config.faults import ConfigFaults
from dialer.config.toml_file import TomlModel, load_model
from dialer.simulator.families import DistributionTable

MEANS = [
    ({"family": "constant", "value": 4.0}, 4.0),
    ({"family": "uniform", "low": 2.0, "high": 6.0}, 4.0),
    ({"family": "exponential", "mean": 150.0}, 150.0),
    ({"family": "lognormal", "mean": 150.0, "sigma": 0.9}, 150.0),
    ({"family": "lognormal", "median": 100.0, "sigma": 0.5}, 100.0 * exp(0.125)),
    ({"family": "loglogistic", "shape": 3.0, "scale": 100.0}, 100.0 * (pi / 3) / sin(pi / 3)),
    ({"family": "gamma", "shape": 1.5, "scale": 100.0}, 150.0),
    ({"family": "weibull", "shape": 2.0, "scale": 100.0}, 100.0 * gamma(1.5)),
    (
        {
            "family": "mixture",
            "parts": [{"weight": 1.0, "of": 10.0}, {"weight": 3.0, "of": {"family": "exponential", "mean": 50.0}}],
        },
        40.0,
    ),
    ({"family": "quantiles", "table": [[0.0, 0.0], [0.5, 10.0], [1.0, 30.0]]}, 12.5),
]


@pytest.mark.parametrize(("table", "mean"), MEANS, ids=lambda each: str(each)[:40])
def test_means(table: dict[str, object], mean: float) -> None:
    """The mean over 100,000 equally spaced quantiles is the family's mean, but for the cut tail (1 %)."""
    draw = DistributionTable.model_validate(table).build().draw
    count = 100_000
    assert sum(draw((rank + 0.5) / count) for rank in range(count)) / count == pytest.approx(mean, rel=0.01)


@pytest.mark.parametrize("table", [table for table, _ in MEANS], ids=lambda each: str(each)[:40])
@given(low=st.floats(1e-12, 1 - 1e-12), high=st.floats(1e-12, 1 - 1e-12))
def test_quantiles_rise(table: dict[str, object], low: float, high: float) -> None:
    """A larger share never has a smaller quantile (of a mixture: within its parts only), and none is negative."""
    draw = DistributionTable.model_validate(table).build().draw
    low, high = sorted((low, high))
    assert draw(low) >= 0
    if table["family"] != "mixture":
        assert draw(low) <= draw(high)


def test_longest_cuts_off() -> None:
    """`longest` is the largest value; smaller ones stand."""
    table = {"family": "exponential", "mean": 100.0, "longest": 120.0}
    draw = DistributionTable.model_validate(table).build().draw
    assert draw(0.5) == pytest.approx(100.0 * log(2))
    assert draw(0.999) == 120.0


class _File(TomlModel):
    talk_s: DistributionTable


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('talk_s = { family = "gaussian", mean = 3 }', ["talk_s.family", "one of", '"weibull"']),
        ('talk_s = { family = "gamma", shape = 3 }', ["shape and scale for family gamma"]),
        ('talk_s = { family = "gamma", shape = 3, scale = 1, mean = 2 }', ["talk_s.mean", "shape, scale"]),
        ('talk_s = { family = "lognormal", mean = 3, median = 3, sigma = 1 }', ["either mean or median"]),
        ('talk_s = { family = "uniform", low = 3, high = 1 }', ["talk_s.high", "at least low"]),
        ('talk_s = { family = "quantiles", table = [[0, 1], [0.9, 2]] }', ["talk_s.table", "from 0 to 1"]),
        ('talk_s = { family = "quantiles", table = [[0, 3], [1, 2]] }', ["talk_s.table", "never fall"]),
        ('talk_s = { family = "exponential", maen = 3 }', ["maen", "nearest known key", "mean"]),
        ("talk_s = -1", ["talk_s", "at least 0"]),
        ("talk_s = true", ["talk_s", "table"]),
    ],
)
def test_faults(tmp_path: Path, text: str, words: list[str]) -> None:
    """A distribution that does not hold together is refused with its key and what was expected."""
    path = tmp_path / "world.toml"
    path.write_text(text)
    with pytest.raises(ConfigFaults) as raised:
        load_model(path, _File)
    message = str(raised.value)
    assert [word for word in words if word not in message] == [], message
