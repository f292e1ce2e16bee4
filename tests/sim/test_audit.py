"""Audit of nonces: what stands twice is found, and nothing else is taken for it."""

import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from io import StringIO
from itertools import cycle

import pytest
from rich.console import Console

from espnic.model.esp import esp, trailer
from espnic.model.interface.codes import Encapsulation
from espnic.model.net.packet import parse
from espnic.sim.audit.audit import Known, audit
from espnic.sim.audit.command import run
from espnic.sim.audit.esp_packets import LINKS, EspPacket, SaKey, find
from espnic.sim.capture import handoff
from espnic.sim.capture.archive import archived_capture
from espnic.sim.capture.packets import Packet, packets_in
from espnic.sim.capture.pcap import read_capture, write_pcap
from espnic.sim.problem import CaptureError, Finding, InputError
from espnic.sim.run import nonces
from espnic.sim.traffic import frames
from tests.support.paths import CAPTURE_NAMES, CAPTURES, HANDOFFS
from tests.support.sas import all_kinds_of_sa, device_with, make_sa, sa_id
from tests.support.udp_checksums import in_udp
from tests.support.work import lines_run

ETHERNET = 1
P37 = "gso_trn6_gcm256_esn"
GSO = sorted(path.stem for path in (CAPTURES / "gso").glob("*.json"))
TEXT = bytes(30) + b"\0\x04"
TWO_32 = 1 << 32


def in_frame(frame, link=ETHERNET):
    return find(Packet(link, frame, len(frame)))


def repeats(found):
    """Frames with the same IV, of all SAs."""
    return sorted(repeat.frames for each in found for repeat in each.ivs)


def audited(packets):
    numbered = ((number, in_frame(frame)) for number, frame in enumerate(packets, start=1))
    return audit((number, packet) for number, packet in numbered if packet is not None)


# Where ESP is found

@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
@pytest.mark.parametrize("tags", [b"", frames.VLAN_TAG, frames.SERVICE_TAG + frames.VLAN_TAG])
def test_esp_is_found_as_the_receive_parser_finds_it(sa, tags):
    frame = frames.sealed(sa, TEXT, 7, tags)
    found = in_frame(frame + bytes(9))
    assert found.key == (sa.destination.packed, sa.encapsulation, sa.spi)
    assert found.key.address == sa.destination
    assert (found.low, found.data, found.whole) == (7, esp.seal(sa, 7, TEXT).packet, True)
    if len(tags) < 8:
        parsed = parse(frame)[1]
        assert (parsed.spi, parsed.sequence) == (found.key.spi, found.low)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("link, header", [
    (0, bytes(4)), (108, bytes(4)), (113, bytes(16)), (276, bytes(20)), (12, b""), (14, b""),
    (101, b""), (228, b""), (229, b"")])
def test_esp_is_found_behind_other_link_headers(family, link, header):
    sa = make_sa(family)
    packet = frames.sealed(sa, TEXT, 3)[14:]
    assert in_frame(header + packet, link).data == esp.seal(sa, 3, TEXT).packet


def test_esp_is_found_behind_options_and_extension_headers():
    sa4, sa6 = make_sa(), make_sa(6)
    data = esp.seal(sa4, 1, TEXT).packet
    assert in_frame(frames.ethernet(frames.ipv4(sa4, data, ihl=7))).data == data
    data = esp.seal(sa6, 1, TEXT).packet
    for chain in ((0,), (60, 0), (43, 60, 0)):
        payload, protocol = data, 50
        for extension in chain:
            payload, protocol = bytes([protocol, 1]) + bytes(14) + payload, extension
        assert in_frame(frames.ethernet(frames.ipv6(sa6, payload, protocol))).data == data


def test_only_the_first_fragment_counts():
    sa4, sa6 = make_sa(), make_sa(6)
    data = esp.seal(sa4, 1, TEXT).packet
    first = in_frame(frames.ethernet(frames.ipv4(sa4, data, fragment=0x2000)))
    assert first.data == data and not first.whole
    assert in_frame(frames.ethernet(frames.ipv4(sa4, data, fragment=0x0003))) is None
    for place, there in ((b"\0\x01", True), (b"\0\x08", False)):
        fragment = bytes([50, 0]) + place + bytes(4)
        found = in_frame(frames.ethernet(frames.ipv6(sa6, fragment + data, 44)))
        assert (found is not None) == there
        assert found is None or not found.whole


def test_behind_a_nat_only_one_end_has_the_port_of_esp():
    sa = make_sa(encapsulation=Encapsulation.UDP)
    data = esp.seal(sa, 1, TEXT).packet
    assert in_frame(frames.ethernet(frames.ip(sa, frames.udp(data, 61234), 17))) is not None
    other = b"\x11\x95" + frames.udp(data, 61234)[2:]
    assert in_frame(frames.ethernet(frames.ip(sa, other, 17))) is None


def from_port(number, frame):
    """A frame of UDP over IPv4 from another source port."""
    return frame[:34] + number.to_bytes(2, "big") + frame[36:]


def test_esp_is_found_at_the_udp_ports_that_are_given_and_at_no_other():
    sa = make_sa(encapsulation=Encapsulation.UDP)
    data = esp.seal(sa, 1, TEXT).packet
    for ends in ((40_000, 10_000), (10_000, 40_000)):
        datagram = ends[0].to_bytes(2, "big") + frames.udp(data, ends[1])[2:]
        packet = Packet(ETHERNET, frame := frames.ethernet(frames.ip(sa, datagram, 17)), len(frame))
        assert find(packet) is None and find(packet, (4500, 10_001)) is None
        assert find(packet, (4500, 10_000)).data == data


@pytest.mark.parametrize("payload", [b"\xff", b"", bytes(4) + bytes(40), bytes(7)])
def test_ike_and_keepalives_are_no_esp(payload):
    sa = make_sa(encapsulation=Encapsulation.UDP)
    assert in_frame(frames.ethernet(frames.ip(sa, frames.udp(payload), 17))) is None


@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
def test_frame_cut_short_at_any_byte_is_taken_as_far_as_it_goes(sa):
    whole = frames.sealed(sa, TEXT, 5)
    at = len(whole) - len(esp.seal(sa, 5, TEXT).packet)
    for end in range(len(whole)):
        found = find(Packet(ETHERNET, whole[:end], len(whole)))
        if end < at + 8:
            assert found is None
        else:
            assert (found.low, found.whole) == (5, False)
            assert (found.iv is None) == (end < at + 16)


def test_every_frame_that_the_parser_takes_for_esp_is_taken_here_too():
    for sa in all_kinds_of_sa():
        for kind in frames.kinds(sa):
            status, parsed = parse(kind.frame)
            if parsed is not None:
                assert in_frame(kind.frame).key.spi == parsed.spi, kind.name


# What counts as twice

def packet(number, iv=None, text=b"text", spi=256):
    iv = number if iv is None else iv
    data = spi.to_bytes(4, "big") + (number % TWO_32).to_bytes(4, "big") + iv.to_bytes(8, "big")
    return EspPacket(SaKey(bytes(4), Encapsulation.NONE, spi), data + text, True)


def judged(*packets, known=None):
    [found] = audit(enumerate(packets, start=1), known and {packets[0].key: known})
    return found


def test_iv_that_stands_twice_is_found_with_its_frames():
    found = judged(packet(1), packet(2, 99), packet(3), packet(4, 99), packet(5, 99))
    assert [repeat.frames for repeat in found.ivs] == [(2, 4, 5)]
    assert not found.numbers and found.is_bad


def test_copy_of_a_packet_is_no_second_use():
    found = judged(packet(1), packet(2), packet(1), packet(2), packet(1))
    assert found.copies == ((3, 1, True), (4, 2, True), (5, 1, True))
    assert not found.ivs and not found.numbers and not found.is_bad


def test_copy_of_a_repeat_counts_once():
    again = packet(1, text=b"other")
    found = judged(packet(1), again, again, packet(1))
    assert [repeat.frames for repeat in found.ivs] == [(1, 2)]
    assert found.copies == ((3, 2, True), (4, 1, True))


def test_each_sa_has_ivs_of_its_own():
    udp = packet(1)
    udp = replace(udp, key=udp.key._replace(encapsulation=Encapsulation.UDP))
    found = audit(enumerate([packet(1), packet(1, spi=257), udp], start=1))
    assert len(found) == 3 and not any(each.is_bad for each in found)


def test_number_alone_is_a_hint_unless_the_sa_is_known():
    """With ESN 2^32 packets may lie between the two; the capture need not have them."""
    packets = packet(7), packet(8), packet(7, 99)
    assert [repeat.frames for repeat in judged(*packets).numbers] == [(1, 3)]
    assert not judged(*packets).is_bad
    for extended in (False, True):
        assert judged(*packets, known=Known("ab", extended, 1)).is_bad


def test_low_half_that_has_come_round_is_no_repeat():
    step = (1 << 31) - 1
    numbers = [7 + step * count for count in range(5)] + [7 + TWO_32]
    packets = [packet(number) for number in numbers]
    assert Counter(each.low for each in packets)[7] == 2
    assert not judged(*packets).numbers
    found = judged(*packets, known=Known("ab", True, 7))
    assert not found.numbers
    # Without ESN a counter may not come round at all (RFC 4303, 3.3.3).
    assert judged(*packets, known=Known("ab", False, 7)).is_bad


@pytest.mark.parametrize("first", [1, 5, TWO_32 - 2, TWO_32 + 3])
def test_repeat_is_found_on_both_sides_of_a_wrap(first):
    numbers = [first, first - 1, first + 1, first + 2, first - 1]
    packets = [packet(number, iv=place) for place, number in enumerate(numbers)]
    assert [repeat.frames for repeat in judged(*packets).numbers] == [(2, 5)]
    assert [each.low for each in judged(*packets).numbers[0].packets] == [(first - 1) % TWO_32] * 2


def test_packets_that_end_before_their_iv_are_counted_apart():
    short = [replace(packet(number), data=packet(number).data[:12]) for number in (1, 2, 1)]
    found = judged(*short, packet(2))
    assert found.without_iv == 2 and found.copies == ((3, 1, True),)
    assert [repeat.frames for repeat in found.numbers] == [(2, 4)]


def test_work_is_linear_even_if_all_packets_have_the_same_iv():
    few, many = 200, 1600
    work = [lines_run(lambda count=count: audit(
        enumerate((packet(number, 1) for number in range(count)), start=1)))
        for count in (few, many)]
    assert work[1] / work[0] < 1.5 * many / few


# Captures of the kernel

def test_linux_6_1_uses_7_ivs_twice_over_ipv6():
    """Pitfall of 6.1: behind a burst that was segmented behind ESP, the next packet has the IV of
    the burst's last segment."""
    wire = archived_capture(CAPTURES / "gso" / "pcaps.tar.xz", f"{P37}.pcap").packets
    found = audited(wire)
    assert [each.packets for each in found] == [154, 147]
    assert not any(each.copies or each.numbers for each in found)
    by_iv = defaultdict(list)
    for number, frame in enumerate(wire, start=1):
        esp_at = 14 + 40
        by_iv[frame[24 + 14:40 + 14] + frame[esp_at:esp_at + 4]
              + frame[esp_at + 8:esp_at + 16]].append(number)
    expected = sorted(tuple(numbers) for numbers in by_iv.values() if len(numbers) > 1)
    assert repeats(found) == expected and len(expected) == 7
    for each in found:
        for repeat in each.ivs:
            burst_end, behind = repeat.packets
            assert behind.number == burst_end.number + 1


@pytest.mark.parametrize("name", [
    *CAPTURE_NAMES, *(f"gso/{name}" for name in GSO if name != P37),
    *(f"handoff/{path.stem}" for path in HANDOFFS)])
def test_no_other_capture_has_an_iv_or_a_number_twice(name):
    path = CAPTURES / f"{name}.pcap"
    packets = (read_capture(path) if path.is_file() else archived_capture(
        path.with_name("pcaps.tar.xz"), path.name)).packets
    found = audited(packets)
    assert found and not any(each.ivs or each.numbers or each.copies for each in found)


@pytest.mark.parametrize("name", ["ho_tun4_gcm128", "ho_trn4_gcm128", "ho_esn_tun4_gcm128"])
def test_super_frames_that_count_as_no_packet_repeat_nonces(name):
    """Linux 6.1 does that with super-frames of TUN and TAP devices, whose gso_segs is 0: the next
    packet gets the first number of the super-frame again. Who seals without a memory of the numbers
    seals them twice."""
    capture = handoff.load(CAPTURES / "handoff" / f"{name}.json")
    counts = {sa.name: 0 for sa in capture.sas}
    wire, used = [], []
    for row in capture.handed_off:
        if row.encrypted:
            continue
        sa = capture.sas[row.request.descriptor["sa"] - 1]
        sequence = sa.initial_seq + counts[sa.name]
        counts[sa.name] += not row.request.descriptor.get("lso", 0)
        sealed = device_with(sa).transmit(
            row.request.descriptor | {"sa": 1, "sequence": sequence}, row.request.frame)
        wire += sealed.frames
        used += [(sa.name, sequence + segment) for segment in range(len(sealed.frames))]
    places = defaultdict(list)
    for number, use in enumerate(used, start=1):
        places[use].append(number)
    expected = sorted(tuple(numbers) for numbers in places.values() if len(numbers) > 1)
    assert sum(len(numbers) - 1 for numbers in expected) >= 16
    found = audited(wire)
    assert repeats(found) == expected
    assert sorted(repeat.frames for each in found for repeat in each.numbers) == expected
    told = nonces.lines(wire, capture.sas)
    assert told[0][0] == "IV twice" and f"{capture.sas[0].name}, " in told[0][1]


# With keys

def test_forged_packet_is_no_second_use_to_whom_has_the_keys():
    for sa in (make_sa(), make_sa(esn=True, initial_seq=TWO_32 - 1)):
        good = [frames.sealed(sa, TEXT, sa.initial_seq + step) for step in range(4)]
        forged = good[1][:-30] + bytes(30)
        shown = nonces.lines([*good, forged, good[2]], [sa])
        assert shown == [("nonces", "6 ESP packets of 1 SA: no IV and no sequence number twice")]
        assert repeats(audited([*good, forged])) == [(2, 5)]
        again = frames.sealed(sa, bytes(10) + b"\0\x04", sa.initial_seq + 1)
        [(what, said)] = nonces.lines([*good, forged, again], [sa])
        assert what == "IV twice" and said.endswith("1 with the IV of an earlier one: frames 2, 6")


def test_sas_of_other_udp_ports_are_looked_at_where_their_ports_are_known():
    sa = make_sa(encapsulation=Encapsulation.UDP, encap_destination_port=10_000)
    wire = [from_port(40_000, in_udp(sa, 7, "none", text, port=10_000))
            for text in (TEXT, bytes(10) + b"\0\x04")]
    assert nonces.lines(wire, []) == []
    for known in (([sa],), ([], [10_000])):
        [(what, said)] = nonces.lines(wire, *known)
        assert what == "IV twice" and said.endswith("1 with the IV of an earlier one: frames 1, 2")


def test_number_with_two_ivs_is_told_to_whom_has_the_keys():
    sa = make_sa()
    other = replace(sa, seqiv_salt=bytes(8))
    wire = [frames.sealed(each, TEXT, 5) for each in (sa, other)]
    [(what, said)] = nonces.lines(wire, [sa])
    assert what == "number twice" and "frames 1, 2" in said and "ESN" not in said
    [(what, said)] = nonces.lines(wire, [])
    assert what == "number twice" and said.endswith("with ESN the high halves may differ")


@pytest.mark.parametrize("esn", [False, True])
def test_iv_under_two_sas_that_have_one_key_is_told_to_whom_has_the_keys(esn):
    """Both directions of a tunnel with one key by hand, each counting from 1."""
    there = make_sa(esn=esn)
    back = replace(there, name="ba", spi=there.spi ^ 1)
    other = replace(make_sa(seed=2), name="other", spi=7, seqiv_salt=there.seqiv_salt)
    wire = [frames.sealed(sa, TEXT, number) for number in (1, 2) for sa in (there, back, other)]
    forged = frames.sealed(replace(back, key=bytes(16)), TEXT, 3)
    wire += [frames.sealed(there, TEXT, 3), forged]
    assert nonces.lines(wire, [there, back, other]) == [
        ("IV twice", "ab and ba have one key and salt: of their IVs 2 stand under both: "
                     "frames 1, 2; frames 4, 5")]
    own_salt = replace(back, salt=bytes(4))
    assert nonces.lines(wire, [there, own_salt, other])[0][0] == "nonces"


def test_fragment_that_cannot_be_opened_is_told():
    sa = make_sa()
    packets = [esp.seal(sa, 1, bytes([fill]) * 14 + trailer.build(14, 4)).packet for fill in (1, 2)]
    wire = [frames.ethernet(frames.ipv4(sa, data[:32], fragment=0x2000)) for data in packets]
    assert "frames 1, 2" in nonces.lines(wire, [sa])[0][1]


# The command

class Shown:
    """Console that keeps what it is given."""

    def __init__(self):
        self._file = StringIO()
        self.console = Console(width=200, file=self._file)

    @property
    def text(self):
        return " ".join(self._file.getvalue().split())


def test_command_ends_with_a_finding_and_writes_all_of_it(tmp_path):
    sa = make_sa()
    texts = [bytes([place]) * 30 + b"\0\x04" for place in range(4)]
    wire = [frames.sealed(sa, text, number)
            for text, number in zip(texts, (1, 2, 1, 3), strict=True)]
    write_pcap(tmp_path / "x.pcap", enumerate([bytes(60), *wire, wire[1]]))
    shown = Shown()
    with pytest.raises(Finding) as caught:
        run(tmp_path / "x.pcap", tmp_path / "x.json", shown.console)
    assert str(caught.value) == (
        f"{tmp_path}/x.pcap: 1 packet of 1 SA with the IV of an earlier packet")
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["frames"] == 6
    [found] = document["sas"]
    iv = esp.seal(sa, 1, TEXT).iv.hex()
    assert found["same_iv"] == [
        [{"frame": frame, "sequence": 1, "iv": iv} for frame in (2, 4)]]
    assert found["same_sequence"] == found["same_iv"]
    assert found["copies"] == [{"frame": 6, "of": 3, "whole": True}]
    assert (found["destination"], found["spi"], found["encapsulation"], found["packets"]) == (
        str(sa.destination), f"0x{sa.spi:08x}", None, 5)


def test_copies_that_are_cut_short_are_told_because_they_may_be_none(tmp_path):
    """The frames are cut behind the IV, as by ``tcpdump -s``: two texts look alike."""
    sa = make_sa()
    cut = [frames.sealed(sa, bytes([fill]) * 30 + b"\0\x04", 1)[:50] for fill in (1, 2)]
    write_pcap(tmp_path / "x.pcap", enumerate([*cut, frames.sealed(sa, TEXT, 2)]))
    shown = Shown()
    run(tmp_path / "x.pcap", tmp_path / "x.json", shown.console)
    assert "of 1 packets that look like an earlier one 1 are cut short" in shown.text
    [found] = json.loads((tmp_path / "x.json").read_text())["sas"]
    assert found["copies"] == [{"frame": 2, "of": 1, "whole": False}]


def test_command_looks_at_the_ports_that_it_is_told(tmp_path):
    sa = make_sa(encapsulation=Encapsulation.UDP)
    write_pcap(tmp_path / "x.pcap", enumerate(
        from_port(40_000, in_udp(sa, 7, "none", text, port=10_000))
        for text in (TEXT, bytes(10) + b"\0\x04")))
    with pytest.raises(CaptureError, match="in UDP on port 4500 or 9$"):
        run(tmp_path / "x.pcap", None, Shown().console, (9,))
    with pytest.raises(Finding, match="1 packet of 1 SA with the IV of an earlier packet"):
        run(tmp_path / "x.pcap", None, Shown().console, (9, 10_000))
    for port in (0, -1, 65_536):
        with pytest.raises(InputError, match=f"--port {port}: expected a UDP port, 1 to 65535"):
            run(tmp_path / "x.pcap", None, Shown().console, (port,))


def cut_short(path, ends):
    """Write a capture of the kernel with as many bytes of its frames as ``ends`` say in turn."""
    whole = CAPTURES / "tun4_gcm128.pcap"
    data = bytearray(whole.read_bytes()[:24])
    for each, end in zip(packets_in(whole), cycle(ends)):
        data += bytes(8) + end.to_bytes(4, "little") + len(each.data).to_bytes(4, "little")
        data += each.data[:end]
    path.write_bytes(data)


def test_command_takes_a_capture_whose_frames_are_cut_short(tmp_path):
    cut_short(tmp_path / "cut.pcap", [64])
    shown = Shown()
    run(tmp_path / "cut.pcap", None, shown.console)
    assert "no IV and no sequence number twice" in shown.text
    assert "nothing is known" not in shown.text


def test_command_says_of_how_many_packets_it_has_not_seen_the_iv(tmp_path):
    """The IV stands in the bytes 42 to 50 of these frames."""
    cut_short(tmp_path / "cut.pcap", [49, 50, 64])
    shown = Shown()
    run(tmp_path / "cut.pcap", None, shown.console)
    said = re.findall(r"(\d+) of (\d+) packets end before their IV does", shown.text)
    unseen, packets = (sum(map(int, counts)) for counts in zip(*said, strict=True))
    assert packets == len(list(packets_in(tmp_path / "cut.pcap")))
    assert unseen == -(-packets // 3)
    cut_short(tmp_path / "cut.pcap", [49])
    with pytest.raises(CaptureError, match="frames has an IV, expected ESP captured to the end"):
        run(tmp_path / "cut.pcap", None, Shown().console)


@pytest.mark.parametrize("frame, link, said", [
    (bytes(60), 1, "no ESP in 1 frames, expected ESP by protocol 50 or in UDP on port 4500"),
    (bytes(60), 147, "link type 147 of frame 1, expected one of 0, 1, 12, ")])
def test_capture_that_cannot_be_audited_is_one_line(tmp_path, frame, link, said):
    path = tmp_path / "x.pcap"
    write_pcap(path, [(0, frame)])
    data = bytearray(path.read_bytes())
    data[20:24] = link.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(CaptureError) as caught:
        run(path, None, Shown().console)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_link_types_of_captures_that_the_other_commands_take_are_among_them():
    assert {1, 12, 14, 101, 228, 229} <= LINKS.keys()
