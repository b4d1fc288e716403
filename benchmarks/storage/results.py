"""A figure that was measured, its bar, and what the same costs when it is done by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A figure, its bar, and the yardstick. `is_most`: the bar is the most that it may be, not the least."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    is_most: bool = False
    yardstick: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Say whether it holds."""
        if self.bar is None:
            return ""
        return "holds" if (self.value <= self.bar if self.is_most else self.value >= self.bar) else "short"


def quantile(values: Sequence[float], share: float) -> float:
    """Give the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def peak_kib() -> int:
    """Give the most memory that this process ever had; `getrusage` counts that of the one that started it, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
