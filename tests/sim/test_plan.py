"""Plans of a replay: which SA a clear packet goes to."""

from pathlib import Path

from espnic.model.host.receiver import Receiver
from espnic.model.sa.sa import ANY_FAMILY
from espnic.sim.capture.pcap import Capture
from espnic.sim.traffic.plan import plan_receive, plan_transmit
from espnic.sim.traffic.steps import TxFrame
from tests.support.clear_packets import clear_packet
from tests.support.sas import make_sa

SAS = 8
CLEAR = [clear_packet(4), clear_packet(6), clear_packet(4, b"more")]


def plan(*sas):
    return plan_transmit(Capture(Path("clear.pcap"), False, tuple(CLEAR)), sas, SAS)


def handles(made):
    return [step.descriptor["sa"] for step in made.steps if isinstance(step, TxFrame)]


def test_one_tunnel_carries_ipv4_and_ipv6_out_and_in():
    for family in (4, 6):
        sa = make_sa(family, inner_family=ANY_FAMILY)
        made = plan(sa)
        assert not made.kept_back and made.sealed == CLEAR
        opened = plan_receive(made.outcome.sent, (sa,), SAS).outcome.received
        receiver = Receiver((sa,))
        assert [receiver.deliver(item.frame, item.completion) for item in opened] == CLEAR


def test_a_tunnel_of_one_family_keeps_the_other_back():
    made = plan(make_sa(4))
    assert len(made.kept_back) == 1 and made.sealed == [CLEAR[0], CLEAR[2]]


def test_of_two_tunnels_for_both_families_each_takes_that_of_its_addresses():
    both = [make_sa(family, seed=family, inner_family=ANY_FAMILY) for family in (4, 6)]
    assert handles(plan(*both)) == [1, 2, 1] and handles(plan(*both[::-1])) == [2, 1, 2]
