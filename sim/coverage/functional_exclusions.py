"""The bins that are left out of the functional coverage, each with its reason."""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from espnic.sim.coverage.bins import BY_NAME, CROSSES, Bin, Value

_FILE = Path(__file__).with_name("exclusions.toml")


@dataclass(frozen=True)
class Exclusion:
    """A group of bins that no replay can hit."""

    crosses: tuple[str, ...]
    where: Mapping[str, tuple[Value, ...]]
    """Values by dimension; a bin is left out if it has one of them in each of these."""
    reason: str

    def holds(self, cross: str, named: Mapping[str, Value]) -> bool:
        """Whether a bin of a cross, with its values by dimension, is left out."""
        return cross in self.crosses and all(
            named[dimension] in values for dimension, values in self.where.items())


@functools.cache
def exclusions() -> tuple[Exclusion, ...]:
    """All exclusions of ``exclusions.toml``. Raises ``ValueError`` for what is not declared."""
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))["exclusion"]
    return tuple(_exclusion(row) for row in rows)


def _exclusion(row: Mapping[str, object]) -> Exclusion:
    crosses, where, reason = row["cross"], row["where"], row["reason"]
    assert isinstance(crosses, list) and isinstance(where, dict) and isinstance(reason, str)
    for name in crosses:
        dimensions = BY_NAME[name].dimensions
        for dimension, values in where.items():
            if unknown := [value for value in values if value not in dimensions[dimension]]:
                raise ValueError(f"{_FILE.name}: {name}: {dimension} {unknown[0]!r}, expected one "
                                 f"of {', '.join(map(str, dimensions[dimension]))}")
    return Exclusion(tuple(crosses), {name: tuple(values) for name, values in where.items()},
                     reason)


@functools.cache
def excluded() -> Mapping[str, Mapping[Bin, str]]:
    """The bins that are left out, by cross, each with its first reason."""
    found: dict[str, dict[Bin, str]] = {}
    for cross in CROSSES:
        ours = [each for each in exclusions() if cross.name in each.crosses]
        bins = found[cross.name] = {}
        for values in cross.bins():
            named = cross.named(values)
            reason = next((each.reason for each in ours if each.holds(cross.name, named)), None)
            if reason is not None:
                bins[values] = reason
    return found


@functools.cache
def wanted() -> Mapping[str, tuple[Bin, ...]]:
    """The bins that are to be hit, by cross."""
    return {cross.name: tuple(values for values in cross.bins()
                              if values not in excluded()[cross.name]) for cross in CROSSES}
