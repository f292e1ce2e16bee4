"""The whole engine against the golden model, at its ports, trace points and counters."""

from collections import Counter
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from espnic.model.host import safile, stack
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import (
    ETHERNET_HEADER_BYTES,
    FRAME_BYTES_MAX,
    ReplayWindow,
    RxChecksum,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import SA_COMMAND, TX_DESCRIPTOR
from espnic.model.net.packet import parse
from espnic.model.sa.sa import command_values
from espnic.sim.capture.archive import plain_packets
from espnic.sim.capture.pcap import read_capture
from espnic.sim.traffic import frames
from espnic.sim.traffic.plain_frames import frames_not_looked_at, good_frame, headers, l4_bit_wrong
from espnic.sim.traffic.plan import plan_receive
from espnic.sim.traffic.steps import SIMULATED, Command, RxFrame, TxFrame
from espnic.sim.traffic.steps import SIMULATED_SAS as SAS
from tests.support.differences import check_items
from tests.support.engine_runs import hold, hold_small, statuses
from tests.support.engine_steps import BOTH, Traffic, add_commands, alternate, bypass, flip
from tests.support.paths import CAPTURE_NAMES, CAPTURES
from tests.support.rfc1071 import ones_sum
from tests.support.sas import all_kinds_of_sa, make_sa


@cache
def sa_file(name):
    return safile.load(CAPTURES / f"{name}.json")


def wire_rows(name, sas):
    """Place of the SA, whole sequence number and bytes up to the end of the ESP packet of each
    captured ESP frame."""
    tops = [sa.initial_seq for sa in sas]
    for frame in read_capture(CAPTURES / f"{name}.pcap").packets:
        status, found = parse(frame)
        if status != RxStatus.OK:
            continue
        index = next(i for i, sa in enumerate(sas)
                     if (sa.spi, sa.destination) == (found.spi, found.destination))
        low = found.sequence
        if not sas[index].esn:
            high = 0
        else:
            high = tops[index] >> 32
            # The captures hold each SA's packets nearly in order.
            high += (low < 2**31) and (tops[index] & 0xFFFFFFFF) >= 2**31
        tops[index] = max(tops[index], high << 32 | low)
        yield index, high << 32 | low, frame[:found.esp_offset + found.esp_bytes]


@pytest.mark.parametrize("name", [name for name in CAPTURE_NAMES if sa_file(name).sas])
def test_kernel_capture_is_opened_and_sealed_again(width, name):
    sas = sa_file(name).sas
    captured = read_capture(CAPTURES / f"{name}.pcap").packets
    steps = plan_receive(captured, sas, SAS).steps
    sealing = tuple(sa if sa.seqiv_salt else None for sa in sas)
    expected = []
    if all(sealing):
        random = Random(1)
        steps += add_commands(sas, SaDirection.TX)
        for index, sequence, wire in wire_rows(name, sas):
            request = stack.replay_request(wire, sas[index], index + 1, sequence, random)
            steps.append(TxFrame(request.descriptor, request.frame))
            expected.append(wire)
    outcome = hold(steps, width)
    assert set(statuses(outcome, "rx.verdict")) <= {"OK", "FRAGMENT"}
    check_items(outcome.sent, expected, port="tx", width=width)
    receiver = Receiver(sas)
    delivered = [receiver.deliver(got.frame, got.completion) for got in outcome.received]
    check_items([packet for packet in delivered if packet is not None],
                plain_packets(CAPTURES / f"{name}.pcap"), port="delivered", width=width)


@pytest.mark.parametrize("name", [name for name in CAPTURE_NAMES if not sa_file(name).sas])
def test_capture_of_another_suite_passes_unmodified(width, name):
    captured = read_capture(CAPTURES / f"{name}.pcap").packets
    outcome = hold([RxFrame(frame) for frame in captured], width)
    assert set(statuses(outcome, "rx.verdict")) <= {"NO_SA", "FRAGMENT"}
    check_items([got.frame for got in outcome.received], captured, port="rx", width=width)


def test_each_kind_of_frame_gets_its_status_and_the_next_is_right(width):
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, Random(2))
    kinds = [kind for sa in sas for kind in frames.kinds(sa) if kind.frame]
    bad = [RxFrame(kind.frame) for kind in kinds]
    good = [RxFrame(traffic.wire_frame(i % len(sas), 1 + i % 90)) for i in range(len(bad) + 1)]
    outcome = hold([*add_commands(sas, SaDirection.RX), *alternate(good, bad)], width)
    given = [record.fields["status"] for record in outcome.trace if record.point == "rx.verdict"]
    check_items(given[::2], ["OK"] * len(good), port="good status", width=width)
    check_items(given[1::2], [kind.status.name for kind in kinds], port="bad status", width=width)
    assert {kind.status for kind in kinds} == frames.OF_FRAMES


def test_frame_truncated_at_every_byte_costs_itself_only(width):
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, Random(3))
    whole = [frames.sealed(sas[0], bytes(30) + b"\0\x04", 1),
             frames.sealed(sas[3], bytes(14) + b"\0\x04", 1, frames.VLAN_TAG)]
    bad = [RxFrame(frame[:end]) for frame in whole for end in range(1, len(frame))]
    good = [RxFrame(traffic.wire_frame(i % len(sas), 20)) for i in range(len(bad) + 1)]
    outcome = hold([*add_commands(sas, SaDirection.RX), *alternate(good, bad)], width)
    assert statuses(outcome, "rx.verdict") == {"OK": len(good), "TRUNCATED": len(bad)}


def test_flipped_bit_in_any_byte_is_never_taken_for_good(width):
    sas = all_kinds_of_sa()
    random = Random(4)
    traffic = Traffic(sas, random)
    frame = frames.sealed(sas[1], random.randbytes(50) + b"\0\x04", 1, frames.VLAN_TAG)
    bad = [RxFrame(flip(frame, 8 * byte + random.randrange(8))) for byte in range(18, len(frame))]
    good = [RxFrame(traffic.wire_frame(i % len(sas), 33)) for i in range(len(bad) + 1)]
    outcome = hold([*add_commands(sas, SaDirection.RX), *alternate(good, bad)], width)
    pairs = zip(outcome.received[1::2], bad, strict=True)
    changed = [got.completion["status"] for got, step in pairs if got.frame != step.data]
    # Bits of the outer headers that no check covers leave an authentic packet.
    header_bytes = 20 + 8
    assert len(changed) < header_bytes
    assert set(changed) <= {RxStatus.OK}
    assert all(got.completion["status"] != RxStatus.OK
               for got in outcome.received[1::2][header_bytes:])


def test_every_pad_length_and_every_length_of_ip_packet_is_judged_as_by_the_model(width):
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, Random(5))
    padded = [RxFrame(traffic.wire_frame(pad % 4, 1 + pad % 5, pad)) for pad in range(256)]
    base = frames.sealed(sas[0], bytes(22) + b"\0\x04")
    lengths = [RxFrame(base[:16] + length.to_bytes(2, "big") + base[18:])
               for length in range(len(base) + 8)]
    outcome = hold([*add_commands(sas, SaDirection.RX), *padded, *lengths], width)
    found = statuses(outcome, "rx.verdict")
    assert found["OK"] == len(padded) + 1
    assert {"BAD_HEADER", "SYNTAX", "AUTH_FAILED", "TRUNCATED"} < set(found)


def test_frame_checksum_goes_to_the_end_of_every_frame_as_it_leaves(width):
    sas = all_kinds_of_sa()
    random = Random(10)
    traffic = Traffic(sas, random)
    steps = [RxFrame(traffic.wire_frame(pad % len(sas), 1 + pad % 5, pad)
                     + random.randbytes(random.choice((0, 1, 6, 17, 200)))) for pad in range(256)]
    steps += [RxFrame(traffic.wire_frame(length % len(sas), length) + random.randbytes(length % 3))
              for length in range(1, 140)]
    steps += [RxFrame(kind.frame) for sa in sas for kind in frames.kinds(sa) if kind.frame]
    random.shuffle(steps)
    outcome = hold([*add_commands(sas, SaDirection.RX), *steps], width)
    assert statuses(outcome, "rx.verdict")["OK"] > 256 + 139
    check_items([got.completion["frame_checksum"] for got in outcome.received],
                [ones_sum(got.frame[ETHERNET_HEADER_BYTES:]) for got in outcome.received],
                port="frame_checksum", width=width)


def test_checksums_of_plain_frames_are_judged_among_packets(width):
    sas = all_kinds_of_sa()
    random = Random(9)
    traffic = Traffic(sas, random)
    plain = [frame for kind in headers() for payload_bytes in (1, 2, 17, 100) for frame in (
        good_frame(random, payload_bytes, kind=kind), l4_bit_wrong(random, kind, payload_bytes))]
    plain += random.sample(frames_not_looked_at(random), 60)
    random.shuffle(plain)
    packets = [RxFrame(traffic.wire_frame(i % len(sas), 1 + i)) for i in range(len(plain) // 2)]
    steps = [step for i, frame in enumerate(plain)
             for step in (RxFrame(frame), *packets[i // 2:i // 2 + i % 2])]
    outcome = hold([*add_commands(sas, SaDirection.RX), *steps], width)
    found = Counter(got.completion["checksum_status"] for got in outcome.received)
    assert found == {RxChecksum.GOOD: 32, RxChecksum.BAD: 32,
                     RxChecksum.NONE: 60 + len(packets)}


def test_transmit_seals_any_length_with_trailer_from_software_or_engine(width):
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, Random(6))
    steps = [traffic.request(length % len(sas), length, bool(length & 1) ^ bool(length & 4))
             for length in [*range(0, 140), 1460, 8960, 9000]]
    outcome = hold([*add_commands(sas, *BOTH), *steps], width)
    assert statuses(outcome, "tx.verdict") == {"SEALED": len(steps)}


def test_frames_to_send_are_sealed_behind_any_vlan_tags(width):
    """The descriptor says where ESP lies; what stands before the IP header does not matter."""
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, Random(8))
    steps = [traffic.request(index % len(sas), 40 + index, bool(index & 1), tags)
             for tags in (b"", frames.VLAN_TAG, frames.SERVICE_TAG + frames.VLAN_TAG,
                          2 * frames.VLAN_TAG, frames.SERVICE_TAG + 2 * frames.VLAN_TAG)
             for index in range(len(sas))]
    outcome = hold([*add_commands(sas, *BOTH), *steps], width)
    assert statuses(outcome, "tx.verdict") == {"SEALED": len(steps)}


def test_each_refused_request_is_dropped_and_the_next_is_right(width):
    sas = [*all_kinds_of_sa(), make_sa(esn=True, seed=9, initial_seq=2**64 - 40)]
    traffic = Traffic(sas, Random(7))
    request = traffic.request(0, 40, True)
    offset = request.descriptor["esp_offset"]

    def changed(**fields):
        return TxFrame(request.descriptor | fields, request.data)

    bad = {
        TxStatus.DROP_NO_SA: [changed(sa=0), changed(sa=6), changed(sa=SAS), changed(sa=65535)],
        TxStatus.DROP_SEQUENCE: [changed(sequence=0), changed(sequence=2**32),
                                 changed(sequence=2**64 - 1)],
        TxStatus.DROP_SYNTAX: [
            changed(esp_offset=30), changed(esp_offset=offset + 1), changed(esp_offset=0),
            changed(esp_offset=254), TxFrame(request.descriptor, request.data[:-1]),
            TxFrame(request.descriptor, request.data[:offset + 16 + 16]),
            TxFrame(request.descriptor, request.data[:offset + 15]),
            TxFrame(request.descriptor, request.data[:1])],
        TxStatus.DROP_SPI: [changed(esp_offset=offset + 4), changed(sa=2)],
        TxStatus.DROP_OVERSIZE: [
            TxFrame(request.descriptor, request.data + bytes(FRAME_BYTES_MAX)),
            bypass(bytes(FRAME_BYTES_MAX + 1))],
    }
    expected = [status.name for status, steps in bad.items() for _ in steps]
    wrong = [step for steps in bad.values() for step in steps]
    right = [traffic.request(i % len(sas), 30 + i, bool(i & 1)) for i in range(len(wrong) + 1)]
    outcome = hold([*add_commands(sas, SaDirection.TX), *alternate(right, wrong),
                    bypass(bytes(FRAME_BYTES_MAX))], width)
    given = [record.fields["status"] for record in outcome.trace if record.point == "tx.verdict"]
    check_items(given[:-1:2], ["SEALED"] * len(right), port="good status", width=width)
    check_items(given[1:-1:2], expected, port="bad status", width=width)
    assert len(outcome.sent) == len(right) + 1


def test_every_reserved_bit_of_a_request_and_every_code_without_a_meaning_is_refused(width):
    sa = make_sa()
    traffic = Traffic([sa], Random(4))
    request = traffic.request(0, 40, True)
    reserved = [{field.name: 1 << bit} for field in TX_DESCRIPTOR.fields if field.reserved
                for bit in range(field.bits)]
    codes = [{"operation": code} for code in range(16) if code not in tuple(TxOperation)]
    steps = [TxFrame(request.descriptor | more, request.data) for more in (*reserved, *codes)]
    outcome = hold([*add_commands([sa], SaDirection.TX), *steps, request], width)
    assert statuses(outcome, "tx.verdict") == {
        "DROP_RESERVED": len(reserved), "DROP_OPERATION": len(codes), "SEALED": 1}
    assert (len(reserved), len(codes)) == (81, 14)


def test_every_reserved_bit_of_an_sa_command_and_every_code_without_a_meaning_is_refused(width):
    add = command_values(SaOperation.ADD, SaDirection.RX, 1, make_sa())
    modify = command_values(SaOperation.MODIFY, SaDirection.RX, 1)
    [bits] = [field.bits for field in SA_COMMAND.fields if field.name == "reserved"]
    wrong = [
        *(add | {"reserved": 1 << bit} for bit in range(bits)),
        *(add | {"operation": code} for code in range(16) if code not in tuple(SaOperation)),
        *(add | {"replay_window": code} for code in range(16)
          if code not in tuple(ReplayWindow)),
        add | {"key_size": 3}, add | {"icv_size": 3},
        *(modify | {"select": select} for select in (0, *range(8, 16)))]
    right = [add, modify | {"select": int(SaSelect.SOFT | SaSelect.HARD)}]
    outcome = hold([Command(values) for values in (*wrong, *right)], width)
    assert outcome.results == [SaResult.EINVAL] * len(wrong) + [SaResult.OK] * 2
    assert bits == 26


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_mixes_in_both_directions_at_once(width, seed):
    random = Random(seed)
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, random)
    steps = traffic.mixed_receive(250) + traffic.mixed_transmit(200)
    outcome = hold([*add_commands(sas, *BOTH), *steps], width, seed=seed,
                   stall=random.choice([0.0, 0.1, 0.5]))
    assert len(statuses(outcome, "rx.verdict")) > 8
    assert len(statuses(outcome, "tx.verdict")) > 4


def test_extended_sequence_numbers_go_on_past_every_half_of_the_scope(width):
    first = 5 * 2**32 - 20
    sa = make_sa(esn=True, initial_seq=first, esn_high=4, esn_overlap=True)
    numbers = [*range(first, first + 40), 5 * 2**32 + 2**31 - 3, 5 * 2**32 + 2**31 + 40,
               6 * 2**32 - 2, 6 * 2**32 + 1, 6 * 2**32 + 7]
    wire = [frames.sealed(sa, bytes(18) + b"\0\x04", number) for number in numbers]
    outcome = hold(plan_receive(wire, (sa,), SAS).steps, width)
    assert statuses(outcome, "rx.verdict") == {"OK": len(numbers)}
    assert outcome.results.count(SaResult.OK) > 2


def test_deleted_sa_is_forgotten_and_its_handle_takes_another_key(width):
    old, new = make_sa(seed=11), make_sa(key_bytes=32, seed=12)
    new = replace(new, spi=old.spi)
    frame = {sa: frames.sealed(sa, bytes(30) + b"\0\x04") for sa in (old, new)}
    both = [RxFrame(frame[old]), RxFrame(frame[new])]
    outcome = hold([
        *add_commands([old], SaDirection.RX), *both,
        *add_commands([new], SaDirection.RX),
        Command(command_values(SaOperation.DELETE, SaDirection.RX, 1)), *both,
        *add_commands([new], SaDirection.RX),
        Command(command_values(SaOperation.FREE, SaDirection.RX, 1)),
        *add_commands([new], SaDirection.RX), *both,
    ], width)
    assert outcome.results == [
        SaResult.OK, SaResult.EEXIST, SaResult.OK, SaResult.EEXIST, SaResult.OK, SaResult.OK]
    given = [got.completion["status"] for got in outcome.received]
    assert given == [RxStatus.OK, RxStatus.AUTH_FAILED, RxStatus.NO_SA, RxStatus.NO_SA,
                     RxStatus.AUTH_FAILED, RxStatus.OK]


@pytest.mark.quick
def test_both_directions_in_short():
    sas = all_kinds_of_sa()[1:2]
    traffic = Traffic(sas, Random(8))
    steps = [*add_commands(sas, *BOTH), RxFrame(traffic.wire_frame(0, 40)),
             traffic.request(0, 37, False), RxFrame(flip(traffic.wire_frame(0, 20), 500)),
             bypass(bytes(70))]
    outcome = hold_small(steps, Features(128, 16, lso=False, ipv6=False, replay_window=0))
    assert statuses(outcome, "rx.verdict") == {"OK": 1, "AUTH_FAILED": 1}
    assert statuses(outcome, "tx.verdict") == {"SEALED": 1, "BYPASSED": 1}


def test_engine_runs_on_icarus_too():
    sas = all_kinds_of_sa()[1:3]
    traffic = Traffic(sas, Random(8))
    steps = [*add_commands(sas, *BOTH)]
    for index in (0, 1):
        steps += [RxFrame(traffic.wire_frame(index, 40)),
                  RxFrame(flip(traffic.wire_frame(index, 20), 700)),
                  traffic.request(index, 37, bool(index)), bypass(bytes(70))]
    outcome = hold_small(steps, replace(SIMULATED, sas=16))
    assert statuses(outcome, "rx.verdict") == {"OK": 2, "AUTH_FAILED": 2}
    assert statuses(outcome, "tx.verdict") == {"SEALED": 2, "BYPASSED": 2}
