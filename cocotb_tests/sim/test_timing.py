"""The timing diagrams of the documentation against a simulation of the engine."""

import pytest

from espnic.sim.docs.timing import documents

pytestmark = [pytest.mark.engine, pytest.mark.fixed_seed]


def test_diagrams_are_those_of_a_simulation():
    drawn = documents()
    assert len(drawn) == 4
    for path, svg in drawn.items():
        assert path.read_text() == svg, f"{path.name} is stale: run make docs"
