"""The rules of docs/behaviour.md, and by what each of them is seen."""

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnic.sim.coverage.bins import BY_NAME, Bin, Value
from espnic.sim.coverage.functional import Functional
from espnic.sim.coverage.functional_exclusions import wanted

_FILE = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True)
class Group:
    """The bins of a cross with some values."""

    cross: str
    where: Mapping[str, Value]
    """Value by dimension; the others may be any."""

    def bins(self) -> list[Bin]:
        """Its bins that are wanted."""
        cross = BY_NAME[self.cross]
        return [values for values in wanted()[self.cross]
                if self.where.items() <= cross.named(values).items()]

    def __str__(self) -> str:
        return " ".join((f"{self.cross}:", ", ".join(
            f"{name} {value}" for name, value in self.where.items()) or "any"))


@dataclass(frozen=True)
class Rule:
    """A rule of docs/behaviour.md."""

    name: str
    groups: tuple[Group, ...]
    """Groups of bins; the rule is seen in traces when each has a hit."""
    tests: tuple[str, ...]
    """Tests that prove what no trace shows: file and function."""

    def unseen(self, functional: Functional) -> list[Group]:
        """The groups without a hit."""
        return [group for group in self.groups
                if not any(functional.count(group.cross, *values) for values in group.bins())]


@functools.cache
def rules() -> tuple[Rule, ...]:
    """All rules, in the order of the page."""
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(Rule(name, tuple(map(_group, row.get("bins", ()))), tuple(row.get("tests", ())))
                 for name, row in rows.items())


def unseen_rules(functional: Functional) -> Sequence[tuple[Rule, list[Group]]]:
    """The rules that a trace can show and that were not seen, with the groups without a hit."""
    missing = ((rule, rule.unseen(functional)) for rule in rules())
    return [(rule, groups) for rule, groups in missing if groups]


def _group(row: Mapping[str, Any]) -> Group:
    return Group(row["cross"], {name: value for name, value in row.items() if name != "cross"})
