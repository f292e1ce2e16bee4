"""Frames on Ethernet: what a line carries, and the clock that it needs."""

import random
import re

import pytest

from espnic.model.interface.codes import FRAME_BYTES_MAX
from espnic.model.interface.features import WIDTHS
from espnic.sim import ethernet
from espnic.sim.rate.measure import beat_count
from tests.support.gcm_packets import GcmPacket, GcmPort
from tests.support.paths import PROJECT


def test_shortest_frames_on_a_line_are_14_88_million_a_second():
    assert ethernet.line_mpps(10, ethernet.FRAME_BYTES_MIN) == pytest.approx(14.88, abs=0.005)
    assert ethernet.line_mpps(100, ethernet.FRAME_BYTES_MIN) == pytest.approx(148.81, abs=0.005)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_hardest_frame_needs_the_fastest_clock_of_all(width):
    clocks = {size: ethernet.line_mpps(40, size) * beat_count(bytes(size), width)
              for size in range(60, FRAME_BYTES_MAX + 1)}
    hardest = ethernet.hardest(width)
    assert clocks[hardest] == max(clocks.values())
    assert ethernet.needed_mhz(40, hardest, width) == pytest.approx(clocks[hardest])
    for clock in (100.0, 150.0, 250.0):
        lost = ethernet.lost_sizes(40, width, clock)
        assert lost == [size for size, needed in clocks.items() if needed > clock]


@pytest.mark.parametrize("width", WIDTHS)
def test_slots_of_a_packet_are_those_that_the_bench_of_the_core_proves(width):
    chance = random.Random(1)
    port = GcmPort(width, chance)
    for text_bytes in range(4, 200, 4):
        # Of the nonces the odd ones let the AAD join wherever the core can; the feed does so only
        # where the text's last beat has less than a block.
        joins = 0 < text_bytes % (width // 8) < 16
        packet = GcmPacket.make(bytes(16), bytes([joins]) + bytes(11), bytes(8),
                                bytes(text_bytes), False)
        assert ethernet.slots(text_bytes, width) == port.slots(packet)


def test_a_folded_core_needs_the_faster_clock_for_packets_that_are_sealed():
    for width in WIDTHS:
        one, two, four = (ethernet.sealed_mhz(10, width, fold) for fold in (1, 2, 4))
        assert one <= ethernet.needed_mhz(10, ethernet.hardest(width), width)
        assert (two, four) == (2 * one, 4 * one)
    # 9,598 bytes with a text of 9,540, of 597 beats: 599 slots of two clocks.
    assert ethernet.sealed_mhz(10, 128, 2) == pytest.approx(
        1198 * ethernet.line_mpps(10, 9598), rel=1e-3)


def test_the_guide_says_which_frames_250_mhz_do_not_carry():
    lost = ethernet.lost_sizes(100, 512, 250)
    assert lost == list(range(lost[0], lost[-1] + 1))
    text = " ".join((PROJECT / "docs" / "integration.md").read_text().split())
    said = re.search(r"does not carry frames of (\d+) to (\d+) bytes back to back without end, "
                     r"(\d+) to (\d+) with FCS: of those of \1 bytes it takes ([\d.]+) million a "
                     r"second, of ([\d.]+) million on the line", text)
    assert said is not None
    first, last, *with_fcs = map(int, said.groups()[:4])
    assert ([first, last], with_fcs) == ([lost[0], lost[-1]], [lost[0] + 4, lost[-1] + 4])
    taken, line = map(float, said.groups()[4:])
    assert taken == 250 / beat_count(bytes(first), 512)
    assert line == pytest.approx(ethernet.line_mpps(100, first), abs=0.05)
    assert f"frames of {first} to {last} bytes back to back without end ([presets]" in text
