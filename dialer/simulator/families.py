"""How a world file writes a distribution: a plain number, or a table with the name of a family and its parameters."""

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from dialer.config.toml_file import TomlModel, expected
from dialer.simulator.distributions import (
    Constant,
    Distribution,
    Exponential,
    Gamma,
    Limited,
    LogLogistic,
    Lognormal,
    Mixture,
    Quantiles,
    Uniform,
    Weibull,
)

NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]

PARAMETERS: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "uniform": ("low", "high"),
    "exponential": ("mean",),
    "lognormal": ("sigma", "mean", "median"),
    "loglogistic": ("shape", "scale"),
    "gamma": ("shape", "scale"),
    "weibull": ("shape", "scale"),
    "mixture": ("parts",),
    "quantiles": ("table",),
}
"""family -> what its table holds: all of these, but of a lognormal either the mean or the median."""

_COMMON = ("family", "longest")


class Part(TomlModel):
    """One distribution of a mixture, and how often it is chosen."""

    weight: Positive = Field(description="how often this part is chosen, beside the others")
    of: "DistributionTable" = Field(description="a distribution: a number, or a table with its family")


class DistributionTable(TomlModel):
    """A distribution as the file has it; `build` makes the one that can be drawn from."""

    family: Literal[
        "constant",
        "uniform",
        "exponential",
        "lognormal",
        "loglogistic",
        "gamma",
        "weibull",
        "mixture",
        "quantiles",
    ] = Field(description='the name of a family, such as "lognormal"')
    value: NotNegative | None = None
    low: NotNegative | None = None
    high: NotNegative | None = None
    mean: Positive | None = None
    median: Positive | None = None
    sigma: Positive | None = None
    shape: Positive | None = None
    scale: Positive | None = None
    parts: Annotated[list[Part], Field(min_length=2)] | None = None
    table: (
        Annotated[list[Annotated[list[NotNegative], Field(min_length=2, max_length=2)]], Field(min_length=2)] | None
    ) = None
    longest: Positive | None = None

    @model_validator(mode="before")
    @classmethod
    def _number_is_constant(cls, value: Any) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return {"family": "constant", "value": value} if is_number else value

    @model_validator(mode="after")
    def _has_its_parameters(self) -> Self:
        wanted = PARAMETERS[self.family]
        given = [name for name in type(self).model_fields if getattr(self, name) is not None and name not in _COMMON]
        for name in given:
            if name not in wanted:
                raise expected(f"no key but {', '.join(wanted)} for family {self.family}", key=(name,))
        if self.family == "lognormal":
            if self.sigma is None or (self.mean is None) == (self.median is None):
                raise expected("sigma and either mean or median for family lognormal")
        elif len(given) < len(wanted):
            raise expected(f"{' and '.join(wanted)} for family {self.family}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise expected("a number of at least low", key=("high",))
        if self.table is not None:
            shares, values = [row[0] for row in self.table], [row[1] for row in self.table]
            if shares[0] != 0 or shares[-1] != 1 or any(a >= b for a, b in pairwise(shares)):
                raise expected("pairs [share, value] whose shares rise from 0 to 1", key=("table",))
            if values != sorted(values):
                raise expected("pairs [share, value] whose values never fall", key=("table",))
        return self

    def build(self) -> Distribution:
        """Make the distribution that this table describes."""
        plain = _BUILDERS[self.family](self)
        return plain if self.longest is None else Limited(plain, self.longest)


Part.model_rebuild()  # now that it is known what its `of` is


def _lognormal(table: Any) -> Distribution:
    if table.mean is not None:
        return Lognormal.of_mean(table.mean, table.sigma)
    return Lognormal.of_median(table.median, table.sigma)


def _quantiles(table: Any) -> Distribution:
    return Quantiles(tuple(row[0] for row in table.table), tuple(row[1] for row in table.table))


_BUILDERS: dict[str, Callable[[Any], Distribution]] = {
    "constant": lambda table: Constant(table.value),
    "uniform": lambda table: Uniform(table.low, table.high),
    "exponential": lambda table: Exponential(table.mean),
    "lognormal": _lognormal,
    "loglogistic": lambda table: LogLogistic(table.shape, table.scale),
    "gamma": lambda table: Gamma(table.shape, table.scale),
    "weibull": lambda table: Weibull(table.shape, table.scale),
    "mixture": lambda table: Mixture.of(
        [part.weight for part in table.parts], [part.of.build() for part in table.parts]
    ),
    "quantiles": _quantiles,
}


def constant(value: float) -> DistributionTable:
    """A table for always the same value."""
    return DistributionTable(family="constant", value=value)


def uniform(low: float, high: float) -> DistributionTable:
    """A table for anything between two values."""
    return DistributionTable(family="uniform", low=low, high=high)
