"""The transmit path in the smallest engine that has it, against the golden model."""

from random import Random

import pytest

from espnic.model.interface.codes import SaDirection
from espnic.model.interface.features import Features
from espnic.sim.traffic.steps import TxFrame
from tests.support.engine_runs import hold_small, statuses
from tests.support.engine_steps import Traffic, add_commands, bypass
from tests.support.sas import all_kinds_of_sa

FEATURES = Features(128, 16, lso=False, ipv6=False, receive=False, replay_window=0)


@pytest.mark.quick
def test_frames_are_sealed_passed_and_refused_in_short():
    sas = [sa for sa in all_kinds_of_sa() if sa.outer_family == 4]
    traffic = Traffic(sas, Random(1))
    steps = add_commands(sas, SaDirection.TX)
    for index in range(len(sas)):
        request = traffic.request(index, 37 + index, bool(index))
        steps += [request, bypass(bytes(69)), TxFrame(request.descriptor | {"sa": 9}, request.data)]
    outcome = hold_small(steps, FEATURES)
    assert statuses(outcome, "tx.verdict") == {"SEALED": 2, "BYPASSED": 2, "DROP_NO_SA": 2}
