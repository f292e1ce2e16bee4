"""The life of an SA pair on the whole engine, through its registers and streams, as the model's."""

import pytest

from espnic.sim.life.command import difference, on_model, on_rtl
from espnic.sim.life.story import RECEIVED_AMONG_DELETE, SENT_AMONG_DELETE
from espnic.sim.rig.engine import Options
from tests.support.widths import ENGINE_WIDTHS

pytestmark = [pytest.mark.engine, pytest.mark.fixed_seed]


@pytest.mark.parametrize("width", ENGINE_WIDTHS)
def test_the_rtl_lives_the_life_of_an_sa_pair_as_the_model_does(width):
    rtl = on_rtl(Options(width=width, seed=1))
    print(f"deletes among frames behind {rtl.turns} of them")
    model = on_model(width, 1, rtl.turns)
    assert difference(rtl.entries, model.entries) is None
    assert not any(entry.problems for entry in rtl.entries)
    left_sealed, found = rtl.turns
    assert 0 < left_sealed < SENT_AMONG_DELETE, "the delete has not come among the requests"
    assert 0 < found < RECEIVED_AMONG_DELETE, "the delete has not come among the frames"
