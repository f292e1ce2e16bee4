"""The timing diagrams of the documentation against a simulation of the engine."""

import pytest

from espnic.sim.docs.timing import FOLDER, pictures

pytestmark = pytest.mark.engine


def test_diagrams_are_those_of_a_simulation():
    drawn = pictures()
    assert len(drawn) == 4
    for name, svg in drawn.items():
        assert (FOLDER / name).read_text() == svg, f"{name} is stale: run make docs"
