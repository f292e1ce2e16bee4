"""Every rule of docs/behaviour.md has a name, and bins or tests by which it is seen."""

import re
from itertools import groupby

import pytest

from espnic.sim.coverage.bins import BY_NAME
from espnic.sim.coverage.functional import Functional
from espnic.sim.coverage.functional_rules import rules, unseen_rules
from tests.support.functional_rx_samples import statuses
from tests.support.functional_samples import note
from tests.support.paths import PROJECT

PAGE = (PROJECT / "docs" / "behaviour.md").read_text()
BEHAVIOUR = PAGE[PAGE.index("## Receive statuses"):]
"""The rules, without the introduction."""
NAME = re.compile(r"`([A-Z]+)-(\d+)`")
NAMES = [(section, int(number)) for section, number in NAME.findall(BEHAVIOUR)]
NOT_OURS = ("| status | in Linux |",)
"""Tables that say nothing of the engine."""
INTRODUCTIONS = ("With *lso*:", "Without *lso*:")
"""Items that only lead to those below them."""


def items():
    """The rows of the tables, and the items of the lists."""
    for is_table, lines in groupby(BEHAVIOUR.splitlines(), lambda line: line.startswith("|")):
        lines = list(lines)
        if not is_table:
            yield from (found[1] for line in lines
                        if (found := re.match(r" *(?:-|\d+\.) (.*)", line)))
        elif lines[0] not in NOT_OURS:
            yield from lines[2:]


def test_each_row_and_item_has_the_name_of_a_rule():
    found = [item for item in items() if item not in INTRODUCTIONS]
    assert len(found) > 120
    assert [item for item in found if not NAME.match(item.removeprefix("| "))] == []


def test_rules_are_numbered_in_order_within_their_section():
    for section, names in groupby(NAMES, lambda name: name[0]):
        numbers = [number for _, number in names]
        assert numbers == list(range(1, len(numbers) + 1)), section
    sections = [section for section, _ in groupby(name[0] for name in NAMES)]
    assert len(sections) == len(set(sections))


def test_each_rule_of_the_page_is_in_the_list_and_no_other():
    assert [rule.name for rule in rules()] == [f"{name}-{number}" for name, number in NAMES]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_is_seen_by_bins_that_are_wanted_or_by_tests_that_exist(rule):
    assert rule.groups or rule.tests
    for group in rule.groups:
        assert group.where.keys() <= BY_NAME[group.cross].dimensions.keys(), group
        assert group.bins(), f"{group}: no such bin is wanted"
    for test in rule.tests:
        file, _, function = test.partition("::")
        source = (PROJECT / file).read_text()
        assert re.search(rf"^(async )?def {function}\(", source, re.MULTILINE), test


def test_rules_whose_bins_were_not_hit_are_told():
    nothing = {rule.name for rule, _ in unseen_rules(Functional())}
    assert nothing == {rule.name for rule in rules() if rule.groups}
    functional = Functional()
    note(functional, statuses(128))
    left = {rule.name: list(map(str, groups)) for rule, groups in unseen_rules(functional)}
    assert {"RX-7", "RX-16", "RX-20", "BAD-4"}.isdisjoint(left)
    assert left["RX-2"] == ["rx.oversize: any"]
    assert "rx.condition: condition number 0" not in left["RX-26"]
