"""The receive path in the smallest engine that has it, against the golden model."""

from random import Random

import pytest

from espnic.model.interface.codes import SaDirection
from espnic.model.interface.features import Features
from espnic.sim.traffic.steps import RxFrame
from tests.support.engine_runs import hold_small, statuses
from tests.support.engine_steps import Traffic, add_commands, flip
from tests.support.sas import all_kinds_of_sa

FEATURES = Features(128, 16, lso=False, ipv6=False, transmit=False, replay_window=0)


@pytest.mark.quick
def test_frames_are_opened_passed_and_counted_in_short():
    chance = Random(1)
    sas = [sa for sa in all_kinds_of_sa() if sa.outer_family == 4]
    traffic = Traffic(sas, chance)
    steps = add_commands(sas, SaDirection.RX)
    for index in range(len(sas)):
        steps += [RxFrame(traffic.wire_frame(index, 40 + index)),
                  RxFrame(flip(traffic.wire_frame(index, 20), 500)),
                  RxFrame(chance.randbytes(61))]
    outcome = hold_small(steps, FEATURES)
    assert statuses(outcome, "rx.verdict") == {"OK": 2, "AUTH_FAILED": 2, "NOT_IP": 2}
