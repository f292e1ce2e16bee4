"""Runs of the rig on the real engine: what one load leaves does not reach into the next."""

import pytest

from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    SUPER_FRAME_BYTES_MAX,
    SaDirection,
    SaOperation,
    TxOperation,
)
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import Command, RxFrame, TxFrame
from tests.support.engine_runs import hold, statuses
from tests.support.engine_steps import add_commands, bypass
from tests.support.sas import make_sa

pytestmark = pytest.mark.engine

TEXT = bytes(29) + b"\x01\x01\x04"
READ = Command({"operation": SaOperation.READ, "direction": SaDirection.RX, "sa": 1})
FAR_TOO_LONG = 40_000
"""Bytes of a frame whose end comes thousands of clocks after the verdict."""


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("length", [FRAME_BYTES_MAX + 1, FAR_TOO_LONG])
def test_received_frame_that_is_too_long_is_played_to_its_end(length, stall):
    """A command behind it begins another load."""
    sa = make_sa()
    steps = add_commands([sa], SaDirection.RX)
    for number in (1, 3):
        long = frames.sealed(sa, TEXT, number).ljust(length, b"\0")
        steps += [RxFrame(long), READ, RxFrame(frames.sealed(sa, TEXT, number + 1))]
    outcome = hold(steps, 128, stall=stall)
    assert statuses(outcome, "rx.verdict") == {"OVERSIZE": 2, "OK": 2}


@pytest.mark.parametrize("descriptor, status", [
    ({"operation": int(TxOperation.BYPASS)}, "DROP_OVERSIZE"),
    ({"operation": int(TxOperation.BYPASS), "lso": 1, "mss": 1000, "header_bytes": 54,
      "l3_offset": 14, "outer_offset": 14, "l4_offset": 34, "l4_protocol": 6},
     "DROP_LSO_OVERSIZE")])
def test_sent_frame_that_is_too_long_is_played_to_its_end(descriptor, status):
    long = TxFrame(descriptor, bytes(SUPER_FRAME_BYTES_MAX + FAR_TOO_LONG))
    outcome = hold([long, READ, bypass(bytes(100)), long, READ, bypass(bytes(60))], 128, stall=0.0)
    assert statuses(outcome, "tx.verdict") == {status: 2, "BYPASSED": 2}
