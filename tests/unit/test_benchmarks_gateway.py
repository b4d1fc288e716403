"""What the benchmark of the gateways measures and prints, for a second."""

from io import StringIO

from rich.console import Console

from benchmarks.gateway import engine


def test_the_load_on_the_engine_is_measured() -> None:
    """Calls, the age of news, the wait of answers and the cost of each part come out above zero, beside their bars."""
    found = engine.measure(10.0, 3.0, warm_up_s=1.0)
    assert found.calls > 0
    assert found.lags
    assert all(cost >= 0.0 for cost in found.cpu.values())
    assert found.cpu["engine"] > 0.0
    out = StringIO()
    engine.show([found], Console(file=out, width=160))
    assert "bar 250 ms" in out.getvalue()
    assert "bar 20 ms" in out.getvalue()
