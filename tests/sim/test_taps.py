"""Items at the taps become the model's trace, and every change in them is found."""

import copy
import random
from dataclasses import replace

import pytest

from espnic.model.host import safile
from espnic.model.interface.codes import SaDirection, SaOperation, TxOperation
from espnic.model.interface.features import WIDTHS, Features
from espnic.model.sa.sa import command_values
from espnic.sim.capture.pcap import read_capture
from espnic.sim.rig.taps import outcome_of
from espnic.sim.run.compare import compare_outcomes
from espnic.sim.traffic import plan as traffic
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import Command, RxFrame, TxFrame
from tests.support.observing import observe
from tests.support.paths import CAPTURES

CAPTURE = CAPTURES / "sizes_tun4_gcm128"
SAS = 1024


def damaged(frame, chance):
    """A frame with one of the kinds of damage that end in each receive status."""
    choice = chance.randrange(5)
    if choice == 0:
        return frame[:chance.randrange(1, len(frame))]
    if choice == 1:
        return frame[:12] + b"\x12\x34" + frame[14:]
    position = chance.choice([14, 16, 17, 20, 23, 36, len(frame) - 1])
    return frame[:position] + bytes([frame[position] ^ 1 << chance.randrange(8)]) + (
        frame[position + 1:])


@pytest.fixture(scope="module")
def steps():
    """Good and bad frames, both ways, of a kernel capture."""
    seed = 4
    chance = random.Random(seed)
    sas = traffic.with_seqiv_salts(safile.load(CAPTURE.with_suffix(".json")).sas, seed)
    frames = read_capture(CAPTURE.with_suffix(".pcap")).packets
    plan = traffic.plan_receive(frames, sas, SAS).steps
    plan += [RxFrame(damaged(frame, chance)) for frame in frames]
    for handle, sa in enumerate(sas, start=1):
        plan.append(Command(command_values(SaOperation.ADD, SaDirection.TX, handle, sa)))
    for number, frame in enumerate(frames[:20], start=1):
        descriptor = {
            "operation": int(chance.choice(tuple(TxOperation))), "sa": chance.randrange(3),
            "sequence": number, "esp_offset": 34, "next_header": 4,
        }
        plan.append(TxFrame(descriptor, frame))
    return plan


@pytest.fixture(scope="module")
def outcome(steps):
    return run_model(steps, Features(sas=SAS))


@pytest.mark.parametrize("width", WIDTHS)
def test_taps_of_all_statuses_give_the_trace_of_the_model(steps, outcome, width):
    statuses = {
        record.fields["status"] for record in outcome.trace if record.point.endswith("verdict")
    }
    assert {"OK", "AUTH_FAILED", "TRUNCATED", "NOT_IP", "NO_SA", "SEALED", "BYPASSED",
            "DROP_NO_SA", "DROP_SPI"} <= statuses
    again = outcome_of(steps, observe(outcome, width), width)
    assert compare_outcomes(again, outcome) is None


@pytest.mark.parametrize("tap, point", [
    ("rx_parse", "rx.parse"), ("rx_lookup", "rx.lookup"), ("rx_open", "rx.open"),
    ("rx_icv", "rx.icv"), ("rx_verdict", "rx.verdict"), ("tx_verdict", "tx.verdict"),
    ("tx_trailer", "tx.trailer"), ("tx_seqiv", "tx.seqiv"), ("tx_seal", "tx.seal"),
    ("tx_icv", "tx.icv"),
])
def test_a_changed_bit_at_a_tap_is_found_there(steps, outcome, tap, point):
    seen = observe(outcome)
    seen.taps[tap][0] ^= 1 << 8
    found = compare_outcomes(outcome_of(steps, seen, 128), outcome)
    assert found is not None and point in found


@pytest.mark.parametrize("tap", ["rx_parse", "rx_open", "rx_verdict", "tx_seal", "tx_icv"])
def test_a_payload_too_many_is_found(steps, outcome, tap):
    seen = observe(outcome)
    seen.taps[tap].append(seen.taps[tap][-1])
    found = compare_outcomes(outcome_of(steps, seen, 128), outcome)
    assert found is not None and tap.replace("_", ".") in found


def test_a_lost_frame_is_found(steps, outcome):
    seen = observe(outcome)
    del seen.to_host[-1]
    found = compare_outcomes(outcome_of(steps, seen, 128), outcome)
    assert found is not None and "rx.out: RTL has no such record" in found


def test_a_frame_too_many_is_found(steps, outcome):
    seen = observe(outcome)
    seen.to_wire.append("00")
    found = compare_outcomes(outcome_of(steps, seen, 128), outcome)
    assert found is not None and "tx.out: model has no such record" in found


def test_a_wrong_byte_of_a_frame_is_shown_with_its_place(steps, outcome):
    seen = observe(outcome)
    completion, frame = seen.to_host[2]
    seen.to_host[2] = completion, frame[:80] + "%02x" % (int(frame[80:82], 16) ^ 255) + frame[82:]
    found = compare_outcomes(outcome_of(steps, seen, 128), outcome)
    assert found is not None and found.startswith("packet 3, rx.out, frame, from byte 40: RTL ")


def test_a_completion_that_is_not_the_verdict_is_found(steps, outcome):
    seen = observe(outcome)
    completion, frame = seen.to_host[0]
    seen.to_host[0] = completion ^ 1, frame
    found = compare_outcomes(outcome_of(steps, seen, 128), outcome)
    assert found is not None and found == "frame to the host 1, status: RTL 1, model 0"


@pytest.mark.parametrize("change, said", [
    (lambda frame: frame[:-2] + "%02x" % (int(frame[-2:], 16) ^ 255), ", from byte "),
    (lambda frame: frame[:-2], " bytes), from byte "),
    (lambda frame: frame + "00" * 12_000, " bytes), from byte "),
])
def test_frame_at_a_port_that_is_not_the_traced_one_is_one_short_line(outcome, change, said):
    """The trace takes the same frames, so that only a fault of the tools comes here."""
    for ports in ("received", "sent"):
        other = copy.deepcopy(outcome)
        frames = getattr(other, ports)
        if ports == "received":
            frames[0] = replace(
                frames[0], frame=bytes.fromhex(change(frames[0].frame.hex())))
        else:
            frames[0] = bytes.fromhex(change(frames[0].hex()))
        found = compare_outcomes(other, outcome)
        assert said in found and found.startswith("frame to the ") and len(found) < 120
        frames.pop()
        frames[0] = getattr(outcome, ports)[0]
        found = compare_outcomes(other, outcome)
        assert "RTL none, model " in found and "bytes, " in found and len(found) < 120


def test_field_of_24_kb_that_the_other_lacks_is_one_short_line(outcome):
    outcome, other = copy.deepcopy(outcome), copy.deepcopy(outcome)
    other.trace[0].fields["frame"] = "00" * 24_000
    del outcome.trace[0].fields["frame"]
    found = compare_outcomes(other, outcome)
    assert found.startswith("packet 1, rx.in, frame: RTL 0000") and len(found) < 150
    outcome.trace[0].fields["frame"] = "no hex" * 4_000
    assert len(compare_outcomes(other, outcome)) < 250


def test_a_wrong_counter_is_found(steps, outcome):
    seen = observe(outcome)
    seen.counters["rx_ok"] += 1
    found = compare_outcomes(outcome_of(steps, seen, 128), outcome)
    right = outcome.counters["rx_ok"]
    assert found == f"counter rx_ok: RTL {right + 1}, model {right}"


def test_a_wrong_command_result_is_found(steps, outcome):
    seen = observe(outcome)
    seen.results[-1] = 1
    found = compare_outcomes(outcome_of(steps, seen, 128), outcome)
    assert found == f"command {len(seen.results)}: RTL EINVAL, model OK"
