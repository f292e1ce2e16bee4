"""The transmit path in the smallest engines that have it, against the golden model."""

from random import Random

import pytest

from espnic.model.interface.codes import FRAME_BYTES_MAX, SaDirection
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import TX_DESCRIPTOR
from espnic.sim.traffic.steps import TxFrame
from espnic.sim.traffic.super_frames import SuperTraffic
from tests.support.differences import check_items
from tests.support.engine_runs import hold_on, hold_small, statuses
from tests.support.engine_steps import Traffic, add_commands, bypass, with_sidebands
from tests.support.sas import all_kinds_of_sa, make_sa

SIDEBAND_BITS = 9
FEATURES = Features(128, 16, lso=False, ipv6=False, receive=False, replay_window=0,
                    sideband=SIDEBAND_BITS)
CUTTING = Features(128, 16, receive=False, replay_window=0, sideband=33)


@pytest.mark.quick
def test_frames_are_sealed_passed_and_refused_in_short():
    chance = Random(1)
    sas = [sa for sa in all_kinds_of_sa() if sa.outer_family == 4]
    traffic = Traffic(sas, chance)
    steps = add_commands(sas, SaDirection.TX)
    for index in range(len(sas)):
        request = traffic.request(index, 37 + index, bool(index))
        steps += [request, bypass(bytes(69)), TxFrame(request.descriptor | {"sa": 9}, request.data)]
    outcome = hold_small(with_sidebands(steps, chance, SIDEBAND_BITS), FEATURES)
    assert statuses(outcome, "tx.verdict") == {"SEALED": 2, "BYPASSED": 2, "DROP_NO_SA": 2}


def test_a_reserved_bit_is_refused_wherever_it_is():
    sa = make_sa()
    request = Traffic([sa], Random(4)).request(0, 40, True)
    reserved = [{field.name: 1 << bit} for field in TX_DESCRIPTOR.fields if field.reserved
                for bit in range(field.bits)]
    steps = [TxFrame(request.descriptor | more, request.data) for more in reserved]
    outcome = hold_small([*add_commands([sa], SaDirection.TX), *steps, request], FEATURES)
    assert statuses(outcome, "tx.verdict") == {"DROP_RESERVED": len(reserved), "SEALED": 1}


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_every_frame_of_a_request_leaves_with_its_sideband(stall):
    """Among requests that are refused, and bursts, and more short frames than fit at once."""
    chance = Random(5)
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, chance)
    supers = SuperTraffic(sas, chance, traffic)
    steps = traffic.mixed_transmit(60)
    for _ in range(25):
        cut = supers.request(segments_max=9, mss=chance.randrange(20, 200))
        steps += [cut, TxFrame(cut.descriptor | {"mss": 0}, cut.data),
                  TxFrame(cut.descriptor | {"sa": 15}, cut.data)]
    chance.shuffle(steps)
    steps += [bypass(chance.randbytes(16)) for _ in range(200)]
    steps += [TxFrame({}, chance.randbytes(16)) for _ in range(200)]
    steps += [bypass(chance.randbytes(FRAME_BYTES_MAX + 1)), bypass(chance.randbytes(40))]
    steps = with_sidebands(steps, chance, CUTTING.sideband)
    outcome = hold_on([*add_commands(sas, SaDirection.TX), *steps], CUTTING, stall=stall)
    found = statuses(outcome, "tx.verdict")
    assert found["SEALED"] > 80 and found["DROP_NO_SA"] > 10 and found["DROP_LSO_MSS"] > 10
    sent = outcome.sent_by_request()
    assert sum(len(left) > 1 for left in sent.values()) > 10
    given = [steps[number - 1].sideband for number, left in sent.items() for _ in left]
    check_items(outcome.sidebands["tx"], given, port="sideband")
