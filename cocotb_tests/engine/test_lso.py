"""Segmentation and checksum offload of the whole engine: against model, kernel, scapy, tshark."""

import shutil
import subprocess
from dataclasses import replace
from random import Random

import pytest
from scapy.layers.inet import TCP

from espnic.model.device import segment
from espnic.model.host import stack
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    SUPER_FRAME_BYTES_MAX,
    SaDirection,
    TxOperation,
    TxStatus,
)
from espnic.sim.capture import handoff
from espnic.sim.capture.pcap import write_pcap
from espnic.sim.traffic import plan as traffic
from espnic.sim.traffic.steps import SIMULATED, TxFrame
from espnic.sim.traffic.steps import SIMULATED_SAS as SAS
from espnic.sim.traffic.super_frames import SEQUENCES_A_REQUEST, SuperTraffic, to_be_sealed
from tests.support import offload_cases as cases
from tests.support.differences import check_items
from tests.support.engine_runs import hold, hold_small, statuses
from tests.support.engine_steps import Traffic, add_commands, alternate, bypass
from tests.support.paths import HANDOFFS, VXLAN
from tests.support.sas import all_kinds_of_sa, device_with, make_sa
from tests.support.scapy_views import layers, scapy_sa, sums
from tests.support.widths import NARROW_AND_WIDE

ICMP = 1


def mixed(sas, seed, count):
    """Super-frames, frames to seal or pass, and requests with something wrong."""
    chance = Random(seed)
    sas = [replace(sa, initial_seq=2**32 - 5 * SEQUENCES_A_REQUEST) if sa.esn else sa
           for sa in sas]
    plain = Traffic(sas, chance)
    supers = SuperTraffic(sas, chance, plain)
    steps = add_commands(sas, SaDirection.TX)
    for _ in range(count):
        steps += plain.mixed_transmit(1) if chance.random() < 0.4 else [supers.request()]
    return steps


@pytest.mark.parametrize(("width", "seed", "stall"), [
    (128, 1, 0.15), (128, 2, 0.0), (512, 3, 0.15), (512, 4, 0.5),
    pytest.param(256, 5, 0.1, marks=pytest.mark.night)])
def test_super_frames_of_all_headers_among_other_frames(width, seed, stall):
    outcome = hold(mixed(all_kinds_of_sa(), seed, 20 if width == 256 else 60), width,
                   seed=seed, stall=stall)
    assert len(outcome.sent) > 40


@pytest.mark.parametrize("path", [*HANDOFFS, *VXLAN], ids=lambda path: path.stem)
@pytest.mark.parametrize("width", NARROW_AND_WIDE)
def test_wire_frames_are_those_of_the_kernel(width, path):
    capture = handoff.load(path)
    requests = [request for row in capture.handed_off for request in row.requests]
    steps = traffic.plan_handoff(capture.sas, requests, SAS).steps
    outcome = hold(steps, width)
    handoff.compare_wire(capture.handed_off, outcome.sent_by_request())


def ids_inside_and_outside(fields):
    """A tunnel of IPv4 in IPv4, each with an identification that counts the segments."""
    return (to_be_sealed(fields) and fields["l3_offset"] > fields["esp_offset"]
            and not (fields["ipv6"] or fields["outer_ipv6"] or fields["outer_id_fixed"]))


@pytest.mark.parametrize("width", NARROW_AND_WIDE)
def test_long_bursts_and_small_segments(width):
    sas = all_kinds_of_sa()
    supers = SuperTraffic(sas, Random(6))
    sizes = [(45, 1460), (300, 1), (2, 8960), (64, 1), (7, 8960), (45, 1460)]
    bursts = [supers.exact(segments, mss) for segments, mss in sizes]
    # More segments than 8 bits count, and each number shows in both identifications.
    most = SEQUENCES_A_REQUEST
    numbered = supers.exact(most, 3, ids_inside_and_outside)
    whole = supers.exact(1, 1460)
    longest = TxFrame(whole.descriptor, whole.data.ljust(SUPER_FRAME_BYTES_MAX, b"\xA5"))
    # While a burst leaves, as many requests wait as there is room for.
    waiting = [bypass(bytes(60 + number)) for number in range(80)]
    outcome = hold([*add_commands(sas, SaDirection.TX), *bursts, numbered, *waiting, longest,
                    *waiting], width, stall=0)
    assert set(statuses(outcome, "tx.verdict")) <= {"SEALED", "BYPASSED"}
    assert len(outcome.sent) == (
        sum(segments for segments, _ in sizes) + most
        + segment.count(longest.descriptor, len(longest.data)) + 2 * len(waiting))


@pytest.mark.parametrize("width", NARROW_AND_WIDE)
def test_each_refused_super_frame_is_dropped_whole_and_the_next_is_right(width):
    sas = all_kinds_of_sa()
    supers = SuperTraffic(sas, Random(7))
    whole = supers.request(4, operation=int(TxOperation.ENCRYPT))
    while not whole.descriptor["l3_offset"] > whole.descriptor["esp_offset"]:
        whole = supers.request(4)
    header_bytes = whole.descriptor["header_bytes"]
    end = 2**64 if sas[whole.descriptor["sa"] - 1].esn else 2**32
    segments = -(-(len(whole.data) - header_bytes) // whole.descriptor["mss"])

    def changed(data=whole.data, **fields):
        return TxFrame(whole.descriptor | fields, data)

    bad = {
        TxStatus.DROP_LSO_OVERSIZE: [changed(bytes(SUPER_FRAME_BYTES_MAX + 1)),
                                     changed(bytes(2 * SUPER_FRAME_BYTES_MAX))],
        TxStatus.DROP_TRAILER: [changed(trailer=1)],
        TxStatus.DROP_LSO_PROTOCOL: [changed(l4_protocol=ICMP)],
        TxStatus.DROP_OFFSETS: [
            *(changed(**{name: value}) for name in (
                "outer_offset", "l3_offset", "l4_offset", "esp_offset", "header_bytes")
              for value in (0, 254, whole.descriptor[name] + 1))],
        TxStatus.DROP_LSO_HEADER: [changed(whole.data[:header_bytes - 1]), changed(b"\0")],
        TxStatus.DROP_LSO_PAYLOAD: [changed(whole.data[:header_bytes])],
        TxStatus.DROP_LSO_MSS: [changed(mss=0),
                                changed(mss=FRAME_BYTES_MAX - header_bytes + 1)],
        TxStatus.DROP_NO_SA: [changed(sa=0)],
        TxStatus.DROP_SEQUENCE: [changed(sequence=0)],
        TxStatus.DROP_LSO_SEQUENCE: [changed(sequence=end - segments + 1)],
    }
    wrong = [step for steps in bad.values() for step in steps]
    right = [supers.request(3) for _ in range(len(wrong) + 1)]
    outcome = hold([*add_commands(sas, SaDirection.TX), *alternate(right, wrong)], width)
    by_request = {record.packet: record.fields["status"]
                  for record in outcome.trace if record.point == "tx.verdict"}
    given = [by_request[number] for number in sorted(by_request)]
    check_items(given[1::2], [status.name for status, steps in bad.items() for _ in steps],
                port="status", width=width)
    assert set(given[::2]) <= {"SEALED", "BYPASSED"}


def tcp_supers(sa, seed, count, first):
    """TCP super-packets on an SA, with their first sequence numbers."""
    chance = Random(seed)
    outgoing = []
    while len(outgoing) < count:
        mss = chance.choice((536, 1460, chance.randrange(1, 2000)))
        clear = cases.random_clear(chance, sa, chance.randrange(mss, 20 * mss))
        if layers(clear).haslayer(TCP):
            outgoing.append(stack.Outgoing(sa, first, clear, mss=mss))
            first += 20
    return outgoing


def streams_of(packets):
    """The bytes of TCP streams by their ports, put in order by sequence number."""
    parts = {}
    for packet in packets:
        tcp = layers(packet)[TCP]
        parts.setdefault((tcp.sport, tcp.dport), []).append((tcp.seq, bytes(tcp.payload)))
    return parts


def check_stream(clear, segments):
    """The segments are without overlap or hole what the super-packet has."""
    whole = layers(clear)[TCP]
    place = {(seq - whole.seq) % 2**32: data for seq, data in segments}
    assert b"".join(place[at] for at in sorted(place)) == bytes(whole.payload)
    assert sorted(place) == [sum(len(place[at]) for at in sorted(place)[:index])
                             for index in range(len(place))]


@pytest.mark.parametrize("width", NARROW_AND_WIDE)
@pytest.mark.parametrize("esn", [False, True])
def test_receivers_rebuild_the_byte_stream_of_each_super_packet(width, esn):
    sa = make_sa(esn=esn, esn_high=0)
    outgoing = tcp_supers(sa, 8, 12, 1)
    requests = [stack.device_request(one, 1) for one in outgoing]
    outcome = hold([*add_commands([sa], SaDirection.TX),
                    *(TxFrame(request.descriptor, request.frame) for request in requests)], width)
    other = scapy_sa(sa, 0)
    model = device_with(sa)
    receiver = Receiver([sa])
    received = [model.receive(frame) for frame in outcome.sent]
    for opened in ([bytes(other.decrypt(layers(frame[14:]))) for frame in outcome.sent],
                   [receiver.deliver(got.frame, got.completion) for got in received]):
        assert {sums(packet) for packet in opened} == {(0, 0)}
        streams = streams_of(opened)
        for one in outgoing:
            tcp = layers(one.clear)[TCP]
            check_stream(one.clear, streams[tcp.sport, tcp.dport])


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_opens_the_segments_and_rebuilds_the_byte_stream(tmp_path):
    sa = make_sa()
    [one] = tcp_supers(sa, 9, 1, 1)
    request = stack.device_request(one, 1)
    outcome = hold([*add_commands([sa], SaDirection.TX),
                    TxFrame(request.descriptor, request.frame)], 128)
    path = tmp_path / "wire.pcap"
    write_pcap(path, enumerate(outcome.sent))
    keys = ",".join(f'"{field}"' for field in (
        "IPv4", sa.source, sa.destination, f"0x{sa.spi:08x}",
        f"AES-GCM with {sa.icv.bytes} octet ICV [RFC4106]",
        "0x" + (sa.key + sa.salt).hex(), "NULL", ""))
    shown = subprocess.run(
        ["tshark", "-r", path, "-o", "esp.enable_encryption_decode:TRUE",
         "-o", "esp.enable_authentication_check:TRUE", "-o", f"uat:esp_sa:{keys}",
         "-o", "tcp.check_checksum:TRUE", "-o", "tcp.desegment_tcp_streams:FALSE",
         "-T", "fields", "-e", "esp.icv_good", "-e", "tcp.checksum.status",
         "-e", "tcp.seq_raw", "-e", "tcp.payload"],
        capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in shown.splitlines()]
    assert len(rows) == len(outcome.sent)
    assert {(good, status) for good, status, *_ in rows} == {("1", "1")}
    check_stream(one.clear, [(int(seq), bytes.fromhex(data)) for *_, seq, data in rows])


@pytest.mark.night
def test_super_frames_on_icarus_too():
    sas = all_kinds_of_sa()[1:3]
    supers = SuperTraffic(sas, Random(10))
    steps = [*add_commands(sas, SaDirection.TX),
             *(supers.request(3, mss) for mss in (1, 100, 700))]
    refused = supers.request(2, 90)
    steps.append(TxFrame(refused.descriptor | {"mss": 0}, refused.data))
    outcome = hold_small(steps, replace(SIMULATED, sas=16))
    assert statuses(outcome, "tx.verdict")["DROP_LSO_MSS"] == 1
    assert len(outcome.sent) > 3
