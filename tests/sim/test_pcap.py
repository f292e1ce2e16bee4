"""Captures that are read, and each kind that is refused in one line."""

import gzip
import struct
import subprocess
import sys

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, CookedLinux, CookedLinuxV2, Dot1Q, Dot3, Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from espnic.sim.capture.pcap import Note, read_capture, write_pcap, write_pcapng
from espnic.sim.problem import CaptureError

FRAMES = [bytes(range(60)), bytes(1514), b"\x01" * 61]


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "frames.pcap"
    write_pcap(path, enumerate(FRAMES))
    return path


def refusal(path):
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


def test_pcap_is_read_as_written(capture):
    assert read_capture(capture).packets == tuple(FRAMES)
    assert read_capture(capture).ethernet


def test_raw_ip_is_told_from_ethernet(tmp_path):
    write_pcap(tmp_path / "ip.pcap", [(0, bytes(20))], ethernet=False)
    assert not read_capture(tmp_path / "ip.pcap").ethernet


def test_gzipped_capture_is_read(capture):
    packed = capture.with_suffix(".pcap.gz")
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    assert read_capture(packed).packets == tuple(FRAMES)


def test_pcapng_is_read_as_written(tmp_path):
    path = tmp_path / "frames.pcapng"
    write_pcapng(path, [Note(frame, f"packet {n}", n) for n, frame in enumerate(FRAMES)])
    assert read_capture(path).packets == tuple(FRAMES)
    assert b"packet 2" in path.read_bytes()


def test_no_partial_file_remains_when_writing_fails(tmp_path):
    def broken():
        yield 0, bytes(60)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_pcap(tmp_path / "frames.pcap", broken())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_every_cut_of_a_pcap_is_noticed(capture):
    whole = capture.read_bytes()
    ends = {24}
    for frame in FRAMES:
        ends.add(max(ends) + 16 + len(frame))
    for length in range(1, len(whole)):
        capture.write_bytes(whole[:length])
        if length in ends - {24}:
            assert read_capture(capture).packets
        else:
            refusal(capture)


def test_every_cut_of_a_pcapng_is_noticed(tmp_path):
    path = tmp_path / "frames.pcapng"
    write_pcapng(path, [Note(bytes(60), "one")])
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        refusal(path)


def test_missing_file_is_named(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.pcap")


def test_directory_is_refused(tmp_path):
    assert "directory" in refusal(tmp_path)


def test_text_is_no_capture(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not packets")
    assert "not a capture" in refusal(path)


def test_damaged_gzip_is_refused(capture):
    packed = capture.with_suffix(".pcap.gz")
    packed.write_bytes(gzip.compress(capture.read_bytes())[:-9])
    assert "gzip" in refusal(packed)


def test_capture_without_packets_is_refused(tmp_path):
    write_pcap(tmp_path / "empty.pcap", [])
    assert "no packets" in refusal(tmp_path / "empty.pcap")


def test_other_link_type_is_named(capture):
    data = bytearray(capture.read_bytes())
    data[20:24] = struct.pack("<I", 127)
    capture.write_bytes(data)
    assert "link type 127, expected 1 (Ethernet), 101 (raw IP) or 113 or 276 (Linux cooked)" in (
        refusal(capture))


def test_word_on_the_fcs_is_no_part_of_the_link_type(capture):
    """Bits 31:26 of the word say whether and how long a frame check sequence is there."""
    data = bytearray(capture.read_bytes())
    data[20:24] = struct.pack("<I", 1 | 1 << 26 | 2 << 28)
    capture.write_bytes(data)
    assert read_capture(capture).ethernet


def test_snapped_packet_is_refused(capture):
    data = bytearray(capture.read_bytes())
    data[24 + 12 : 24 + 16] = struct.pack("<I", 99)
    capture.write_bytes(data)
    assert "packet 1 has 60 of its 99 bytes" in refusal(capture)


def test_empty_packet_is_refused(tmp_path):
    write_pcap(tmp_path / "x.pcap", [(0, bytes(60)), (1, b"")])
    assert "packet 2 is empty" in refusal(tmp_path / "x.pcap")


@pytest.mark.parametrize(("where", "value"), [(4, 13), (8, 7), (-4, 0)])
def test_malformed_block_of_a_pcapng_is_not_taken_for_its_end(tmp_path, caplog, where, value):
    path = tmp_path / "x.pcapng"
    write_pcapng(path, [Note(bytes(60), "one"), Note(bytes(60), "two")])
    data = bytearray(path.read_bytes())
    block = int.from_bytes(data[-4:], sys.byteorder)
    # The last block's length, the interface that it names, or the length at its end.
    start = len(data) - block if where >= 0 else len(data)
    data[start + where:start + where + 4] = value.to_bytes(4, sys.byteorder)
    path.write_bytes(data)
    assert "malformed" in refusal(path)
    assert not caplog.records


def block(order, kind, body):
    """A pcapng block in a byte order of ``struct``."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order, link, snapshot_bytes, *blocks):
    """A pcapng section with one interface and packet blocks, each a kind and a body."""
    start = struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)
    interface = struct.pack(f"{order}HHI", link, 0, snapshot_bytes)
    return b"".join(block(order, kind, body) for kind, body in (
        (0x0A0D0D0A, start), (1, interface), *blocks))


def simple(order, frame, whole=None):
    return 3, struct.pack(f"{order}I", whole or len(frame)) + frame


def enhanced(order, frame, interface=0):
    return 6, struct.pack(f"{order}IIIII", interface, 0, 0, len(frame), len(frame)) + frame


def obsolete(order, frame):
    return 2, struct.pack(f"{order}HHIIII", 0, 0, 0, 0, len(frame), len(frame)) + frame


@pytest.fixture
def written(tmp_path):
    """Write a file of bytes; gives its path."""
    def write(*parts):
        path = tmp_path / "x.pcapng"
        path.write_bytes(b"".join(parts))
        return path
    return write


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("snapshot_bytes", [0, 1514, 262144])
def test_snapshot_length_of_0_is_no_limit_to_simple_packet_blocks(written, order, snapshot_bytes):
    path = written(section(order, 1, snapshot_bytes, *(simple(order, f) for f in FRAMES)))
    assert read_capture(path).packets == tuple(FRAMES)


def test_simple_packet_block_that_its_interface_has_snapped_is_refused(written):
    path = written(section("<", 1, 60, simple("<", bytes(60)), simple("<", bytes(60), whole=99)))
    assert "packet 2 has 60 of its 99 bytes" in refusal(path)


def test_each_section_has_its_own_byte_order_and_interfaces(written):
    """Files of several captures, put behind each other as the format allows."""
    path = written(section("<", 12, 0, enhanced("<", FRAMES[0])),
                   section(">", 101, 0, simple(">", FRAMES[1]), obsolete(">", FRAMES[2])))
    capture = read_capture(path)
    assert not capture.ethernet and capture.packets == tuple(FRAMES)
    path = written(section("<", 101, 0), section(">", 1, 0, enhanced(">", FRAMES[1])))
    assert read_capture(path).ethernet
    path = written(section("<", 1, 0, enhanced("<", FRAMES[1])), block("<", 0x0A0D0D0A, bytes(8)))
    assert "malformed" in refusal(path)


def test_interface_of_an_earlier_section_is_not_known(written):
    path = written(section("<", 1, 0, enhanced("<", FRAMES[0])),
                   block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
                   block("<", *enhanced("<", FRAMES[1])))
    assert "malformed pcapng after packet 1" in refusal(path)


@pytest.mark.parametrize("kind, size", [(1, 4), (2, 8), (3, 0), (6, 16)])
def test_block_that_is_too_small_for_its_fields_is_malformed(written, kind, size):
    assert "malformed pcapng after packet 1" in refusal(
        written(section("<", 1, 0, simple("<", FRAMES[0])), block("<", kind, bytes(size))))


def test_packets_of_more_than_64_kb_are_read_whole(tmp_path, written):
    """A super-packet of 65,535 bytes has an Ethernet header before it."""
    frame = bytes(range(256)) * 257
    write_pcap(tmp_path / "x.pcap", [(0, frame), (1, FRAMES[0])])
    assert read_capture(tmp_path / "x.pcap").packets == (frame, FRAMES[0])
    assert read_capture(written(section("<", 1, 0, enhanced("<", frame)))).packets == (frame,)


FCS = b"\xFC\x5C\xFC\x5C"
FCS_KNOWN = 1 << 26


def option(order, code, value):
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def section_with_options(order, options, *blocks):
    """A pcapng section whose interface has options."""
    interface = struct.pack(f"{order}HHI", 1, 0, 0) + options
    start = struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)
    return b"".join(block(order, kind, body) for kind, body in (
        (0x0A0D0D0A, start), (1, interface), *blocks))


def pcap_of(order, network, *frames):
    """A pcap file, its packets cut by as many bytes as are given with each."""
    header = struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, network)
    return header + b"".join(
        struct.pack(f"{order}IIII", 0, 0, len(frame) - cut, len(frame)) + frame[:len(frame) - cut]
        for frame, cut in frames)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("network, fcs", [
    (FCS_KNOWN | 2 << 28 | 1, FCS), (FCS_KNOWN | 4 << 28 | 1, FCS), (FCS_KNOWN | 1, b""),
    # Without the flag the length means nothing; the other bits are reserved.
    (2 << 28 | 1, b""), (FCS_KNOWN | 2 << 28 | 0x0BFF0001, FCS)])
def test_fcs_that_the_link_type_of_a_pcap_announces_is_cut_off(written, order, network, fcs):
    path = written(pcap_of(order, network, *((frame + fcs, 0) for frame in FRAMES)))
    assert read_capture(path).packets == tuple(FRAMES)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("length, fcs", [(0, b""), (4, FCS), (32, FCS)])
def test_fcs_that_an_interface_of_a_pcapng_announces_is_cut_off(written, order, length, fcs):
    """In bits, as the format says, or in bytes, as Wireshark has it."""
    name = option(order, 2, b"eth0")
    for options in (name + option(order, 13, bytes([length])) + option(order, 0, b""),
                    option(order, 13, bytes([length])) + name):
        path = written(section_with_options(
            order, options, simple(order, FRAMES[0] + fcs), enhanced(order, FRAMES[1] + fcs),
            obsolete(order, FRAMES[2] + fcs)))
        assert read_capture(path).packets == tuple(FRAMES)


def test_fcs_in_the_flags_of_a_packet_is_that_of_this_packet(written):
    flagged = enhanced("<", FRAMES[0] + FCS)
    flags = option("<", 2, struct.pack("<I", 1 | 4 << 5)) + option("<", 0, b"")
    path = written(section_with_options(
        "<", b"", (flagged[0], flagged[1] + flags), enhanced("<", FRAMES[1])))
    assert read_capture(path).packets == tuple(FRAMES[:2])


def test_packet_of_which_only_its_fcs_is_missing_is_whole(written):
    network = FCS_KNOWN | 2 << 28 | 1
    path = written(pcap_of("<", network, (FRAMES[0] + FCS, 4), (FRAMES[1] + FCS, 1)))
    assert read_capture(path).packets == tuple(FRAMES[:2])
    path = written(pcap_of("<", network, (FRAMES[0] + FCS, 5)))
    assert "packet 1 has 59 of its 60 bytes" in refusal(path)
    assert "packet 1 is empty" in refusal(written(pcap_of("<", network, (FCS[:3], 0))))


@pytest.mark.parametrize("network", [FCS_KNOWN | 1 << 28 | 1, FCS_KNOWN | 8 << 28 | 1,
                                     FCS_KNOWN | 2 << 28 | 101])
def test_fcs_that_no_frame_of_the_link_type_has_is_refused(written, network):
    said = refusal(written(pcap_of("<", network, (FRAMES[0], 0))))
    assert f"FCS length {network >> 28} with link type {network & 0xFF}, expected none" in said


def test_option_that_reaches_beyond_its_block_is_malformed(written):
    path = written(section_with_options("<", struct.pack("<HH", 2, 40), enhanced("<", FRAMES[0])))
    assert "malformed" in refusal(path)


PACKET = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(dport=9) / b"payload"
TAG = Dot1Q(vlan=7)


@pytest.mark.parametrize("link, made", [(113, CookedLinux), (276, CookedLinuxV2)])
@pytest.mark.parametrize("fields, payload, expected", [
    ({"proto": 0x0800}, PACKET, Ether(src="02:aa:bb:cc:dd:ee") / PACKET),
    ({"proto": 0x8100}, TAG / PACKET, Ether(src="02:aa:bb:cc:dd:ee") / TAG / PACKET),
    ({"proto": 0x0806}, ARP(), Ether(src="02:aa:bb:cc:dd:ee") / ARP()),
    # Loopback and tunnels have no address, Infiniband one of other length.
    ({"proto": 0x86DD, "lladdrlen": 0}, IPv6(), Ether(src="02:00:00:00:00:01") / IPv6()),
    ({"proto": 0x86DD, "lladdrlen": 8}, IPv6(), Ether(src="02:00:00:00:00:01") / IPv6()),
    ({"proto": 4}, Raw(b"\x42\x42\x03"), Dot3(src="02:aa:bb:cc:dd:ee", len=3) / b"\x42\x42\x03"),
])
def test_packet_of_a_cooked_capture_becomes_an_ethernet_frame(
        tmp_path, link, made, fields, payload, expected):
    """Scapy makes the one and the other."""
    path = tmp_path / "any.pcap"
    source = bytes.fromhex("02aabbccddee0000")
    cooked = made(**{"src": source, "lladdrtype": 1, "lladdrlen": 6} | fields) / payload
    wrpcap(str(path), [cooked], linktype=link)
    expected.dst = "02:00:00:00:00:02"
    capture = read_capture(path)
    assert capture.ethernet and capture.packets == capture.frames() == (bytes(expected),)


@pytest.mark.parametrize("link, header_bytes, hardware", [(113, 16, 2), (276, 20, 8)])
def test_cooked_packet_without_an_ethertype_is_refused(written, link, header_bytes, hardware):
    netlink = bytearray(40)
    netlink[hardware:hardware + 2] = (824).to_bytes(2, "big")
    path = written(pcap_of("<", link, (bytes(netlink), 0)))
    assert "packet 1: hardware type 824, expected one whose packets have" in refusal(path)
    path = written(pcap_of("<", link, (bytes(header_bytes - 1), 0)))
    assert f"{header_bytes - 1} bytes, expected a header of {header_bytes}" in refusal(path)


@pytest.mark.parametrize("link, before", [
    (12, b""), (14, b""), (101, b""), (228, b""), (229, b""), (0, b"\2\0\0\0"), (108, b"\0\0\0\2")])
def test_raw_ip_gets_an_ethernet_header_where_frames_are_wanted(written, link, before):
    packets = [bytes(PACKET), bytes(IPv6())]
    capture = read_capture(
        written(pcap_of("<", link, *((before + packet, 0) for packet in packets))))
    assert not capture.ethernet and capture.packets == tuple(packets)
    header = {"dst": "02:00:00:00:00:02", "src": "02:00:00:00:00:01"}
    assert capture.frames() == (bytes(Ether(**header) / PACKET), bytes(Ether(**header) / IPv6()))


def test_raw_packet_of_another_ip_version_is_refused_where_frames_are_wanted(written):
    path = written(pcap_of("<", 101, (bytes(PACKET), 0), (bytes(40), 0)))
    with pytest.raises(CaptureError) as caught:
        read_capture(path).frames()
    assert str(caught.value) == f"{path}: packet 2: IP version 0, expected 4 or 6"


def test_ethernet_and_cooked_interfaces_may_be_mixed_and_raw_ip_may_not(written):
    sections = [section("<", link, 0, enhanced("<", bytes(header_bytes) + bytes(PACKET)))
                for link, header_bytes in ((1, 14), (113, 16), (101, 0))]
    assert len(read_capture(written(*sections[:2])).packets) == 2
    assert "Ethernet frames and raw IP mixed" in refusal(written(*sections))


@pytest.mark.parametrize("length", [61, 1 << 31])
def test_record_longer_than_the_file_is_refused(capture, length):
    data = bytearray(capture.read_bytes()[:24 + 16 + 60])
    data[24 + 8 : 24 + 12] = struct.pack("<I", length)
    capture.write_bytes(data)
    assert "cut short after packet 0" in refusal(capture)


@pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v tshark"], capture_output=True).returncode != 0,
    reason="tshark is not installed: the second opinion on our pcapng is not to be had",
)
def test_wireshark_shows_the_comment(tmp_path):
    path = tmp_path / "frames.pcapng"
    write_pcapng(path, [Note(bytes(60), "rx.out OK")])
    shown = subprocess.run(
        ["tshark", "-r", str(path), "-T", "fields", "-e", "frame.comment", "-e", "frame.len"],
        capture_output=True, text=True, check=True,
    )
    assert shown.stdout.split("\t") == ["rx.out OK", "60\n"]
