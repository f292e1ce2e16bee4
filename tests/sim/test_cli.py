"""The command: its files, its exit codes, and one line for each kind of bad input.

Where a simulation would run, ``tests.support.observing`` shows the model's outcome as the
RTL would, right or with a fault put in; the real engine runs in cocotb_tests.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from espnic.model import trace
from espnic.model.interface.features import Features
from espnic.sim.capture.archive import archived_capture
from espnic.sim.capture.pcap import read_capture, write_pcap
from espnic.sim.coverage.functional import Functional
from espnic.sim.problem import MissingTool
from espnic.sim.rig import engine as rtl
from espnic.sim.rig.taps import outcome_of
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import SIMULATED_SAS, RxFrame
from tests.support.clear_packets import clear_packet
from tests.support.command_calls import caller
from tests.support.observing import observe
from tests.support.paths import CAPTURES
from tests.support.sas import ADDRESSES

CAPTURE = CAPTURES / "tun4_gcm128.pcap"
CLEAR = CAPTURES / "tun4_gcm128.plain.pcap"
SA_FILE = CAPTURES / "tun4_gcm128.json"
HANDOFF = CAPTURES / "handoff" / "ho_esn_wrap_tun4_gcm128.json"


@pytest.fixture
def espnic(monkeypatch, capsys):
    """Call the command; gives exit code, output and complaint."""

    return caller(monkeypatch, capsys)


@pytest.fixture
def refused(espnic):
    """Call the command with bad input; gives the one line that it says."""

    def call(*arguments):
        code, _, complaint = espnic(*arguments)
        assert code == 2
        assert complaint.startswith("espnic: ") and complaint.count("\n") == 1
        return complaint

    return call


@pytest.fixture
def fake_rtl(monkeypatch):
    """Put the model in the place of the RTL; gives a list of faults to put in."""
    faults = []

    def replay(_built, steps, options, progress):
        progress(1)
        seen = observe(run_model(steps, Features(sas=SIMULATED_SAS)), options.width)
        for fault in faults:
            fault(seen)
        outcome = outcome_of(steps, seen, options.width)
        return rtl.Replay(outcome, seen.clocks, 0.5, seen.problem, Path("run.log"))

    monkeypatch.setattr(rtl, "build_engine", lambda _options: None)
    monkeypatch.setattr(rtl, "replay", replay)
    return faults


RESULTS = {"rtl.trace.jsonl", "rtl.trace.pcapng", "model.trace.jsonl", "model.trace.pcapng"}


def test_run_rx_writes_what_the_host_gets(espnic, fake_rtl, tmp_path):
    code, shown, complaint = espnic("run", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert (code, complaint) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == RESULTS | {
        "out.pcap", "completions.jsonl"}
    frames = read_capture(CAPTURE).packets
    out = read_capture(tmp_path / "out.pcap").packets
    assert [len(frame) for frame in out] == [len(frame) for frame in frames]
    lines = (tmp_path / "completions.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["OK"] * len(frames)
    assert f"{len(frames)} packets, as in the plain capture" in shown


def test_run_tx_writes_what_the_wire_gets(espnic, fake_rtl, tmp_path):
    code, shown, complaint = espnic("run", "--tx", CLEAR, "--sa", SA_FILE, "-o", tmp_path)
    assert (code, complaint) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == RESULTS | {
        "wire.pcap", "verdicts.jsonl"}
    clear = read_capture(CLEAR).packets
    assert f"{len(clear)} packets, as they were in clear" in shown


def test_model_writes_the_same_as_run(espnic, fake_rtl, tmp_path):
    for command in ("run", "model"):
        espnic(command, "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path / command)
    for name in ("out.pcap", "completions.jsonl", "model.trace.jsonl"):
        same = [(tmp_path / command / name).read_bytes() for command in ("run", "model")]
        assert same[0] == same[1]


def test_replay_window_in_the_device_needs_no_changes_of_the_high_half(
        espnic, fake_rtl, tmp_path):
    capture = CAPTURES / "esn_wrap_tun4_gcm128.pcap"
    document = json.loads(capture.with_suffix(".json").read_text())
    for sa in document["sas"]:
        sa["device_window"] = True
    sa_file = tmp_path / "sas.json"
    sa_file.write_text(json.dumps(document))
    code, shown, complaint = espnic("run", "--rx", capture, "--sa", sa_file, "-o", tmp_path / "out")
    assert (code, complaint) == (0, "")
    assert "packets, as in the plain capture" in shown
    assert "changes of the high half" not in shown
    code, shown, _ = espnic(
        "run", "--rx", capture, "--sa", capture.with_suffix(".json"), "-o", tmp_path / "out")
    assert (code, "changes of the high half" in shown) == (0, True)


def test_traces_of_equal_runs_compare_equal(espnic, fake_rtl, tmp_path):
    espnic("run", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    traces = tmp_path / "rtl.trace.jsonl", tmp_path / "model.trace.jsonl"
    code, shown, _ = espnic("compare", *traces)
    assert code == 0 and shown.startswith("equal: ")


def test_mismatch_names_point_packet_field_and_files(espnic, fake_rtl, tmp_path):
    def fault(seen):
        seen.taps["rx_icv"][4] ^= 1

    fake_rtl.append(fault)
    code, _, complaint = espnic("run", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert code == 1 and complaint.count("\n") == 1
    assert "packet 5, rx.icv, tag, from byte 0: RTL " in complaint
    assert "rtl.trace.jsonl" in complaint and str(tmp_path) in complaint
    code, _, complaint = espnic(
        "compare", tmp_path / "rtl.trace.jsonl", tmp_path / "model.trace.jsonl")
    assert code == 1 and "packet 5, rx.icv, tag" in complaint


def test_simulation_that_stops_is_a_mismatch(espnic, fake_rtl, tmp_path):
    def fault(seen):
        seen.problem = "rx: 3 of 146 frames judged"
        del seen.to_host[3:]
        for name in seen.taps:
            del seen.taps[name][3:]

    fake_rtl.append(fault)
    code, _, complaint = espnic("run", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert code == 1 and "3 of 146 frames judged" in complaint and "run.log" in complaint


def test_wrong_plaintext_is_told_from_the_plain_capture(espnic, fake_rtl, tmp_path, monkeypatch):
    """A fault that RTL and model share: only the kernel's plaintext shows it."""
    packets = list(read_capture(CLEAR).packets)
    packets[6] = packets[6][:-1] + b"?"
    monkeypatch.setattr("espnic.sim.capture.archive.plain_packets", lambda _path: tuple(packets))
    code, _, complaint = espnic("run", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert code == 1
    assert complaint == (f"espnic: delivered: packet 7, from byte {len(packets[6]) - 1}: "
                         f"is {read_capture(CLEAR).packets[6][-1]:02x}, expected 3f\n")


@pytest.mark.parametrize("change, said", [
    (lambda packets: [*packets, bytes(24_000)],
     "delivered: packet 147 is missing, expected 24000 bytes, 0000000000000000...\n"),
    (lambda packets: packets[:-1], "delivered: packet 146 is "),
    (lambda packets: [packets[0] + bytes(24_000), *packets[1:]], " bytes), from byte "),
])
def test_packet_of_24_kb_that_differs_is_one_readable_line(
        espnic, tmp_path, monkeypatch, change, said):
    packets = change(list(read_capture(CLEAR).packets))
    monkeypatch.setattr("espnic.sim.capture.archive.plain_packets", lambda _path: tuple(packets))
    code, _, complaint = espnic("model", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert code == 1 and said in complaint and complaint.count("\n") == 1 and len(complaint) < 120


TRANSPORT = {
    "name": "ab", "spi": "0x101", "src": "192.0.2.1", "dst": "192.0.2.2", "mode": "transport",
    "alg": "rfc4106(gcm(aes))", "key": "00112233445566778899aabbccddeeff", "salt": "01020304",
    "icv_bits": 128, "seqiv_salt": "0000000000000000"}


@pytest.fixture
def sealed_clear(espnic, tmp_path):
    """Seal clear packets of an SA of the given fields; gives code, complaint and what is shown."""

    def call(packets, sa):
        write_pcap(tmp_path / "clear.pcap", enumerate(packets), ethernet=False)
        (tmp_path / "sas.json").write_text(json.dumps({"sas": [sa]}))
        code, shown, complaint = espnic(
            "model", "--tx", tmp_path / "clear.pcap", "--sa", tmp_path / "sas.json",
            "-o", tmp_path / "out")
        return code, complaint, " ".join(shown.split())

    return call


@pytest.mark.parametrize("family", [4, 6])
def test_packet_that_a_linux_peer_drops_is_said_and_is_no_mismatch(sealed_clear, family):
    ends = ADDRESSES[family]
    sa = TRANSPORT | {"src": str(ends[0]), "dst": str(ends[1])}
    packets = [clear_packet(family, payload, protocol, between=ends) for payload, protocol in (
        (b"first", 253), (b"", 253), (b"dummy", 59), (b"last", 253))]
    code, complaint, shown = sealed_clear(packets, sa)
    assert (code, complaint) == (0, "")
    assert "SEALED 4" in shown and "opened again 2 packets, as they were in clear" in shown
    assert "peer refuses packet 2: no payload: Linux takes the trailer" in shown
    assert "packet 3: protocol 59: in ESP that is a dummy packet" in shown


def test_tunnel_takes_packets_that_transport_mode_cannot_carry(sealed_clear):
    packets = [clear_packet(4, b"", 253), clear_packet(4, b"dummy", 59)]
    code, _, shown = sealed_clear(packets, TRANSPORT | {"mode": "tunnel"})
    assert code == 0 and "opened again 2 packets" in shown and "peer refuses" not in shown


def test_addresses_with_a_zone_are_those_on_the_wire(sealed_clear):
    sa = TRANSPORT | {"mode": "tunnel", "src": "fe80::1%eth0", "dst": "fe80::2%eth0",
                      "inner_family": 4}
    code, complaint, shown = sealed_clear([clear_packet(4)], sa)
    assert (code, complaint) == (0, "") and "opened again 1 packets" in shown


@pytest.fixture
def wide_window(tmp_path):
    """An SA file whose windows are larger than the device keeps."""
    document = json.loads(SA_FILE.read_text())
    for sa in document["sas"]:
        sa |= {"device_window": True, "replay_window": 1024}
    path = tmp_path / "wide.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("command", ["run", "model"])
@pytest.mark.parametrize("name, form", [
    ("tun4_gcm128", "xfrm"), ("esn_wrap_tun4_gcm128", "xfrm"), ("natt_esn_tun4_gcm128", "xfrm"),
    ("trn6_gcm256", "xfrm"), ("tun4_gcm128", "esp_sa"), ("natt_esn_tun4_gcm128", "esp_sa")])
def test_capture_is_received_alike_with_the_sas_in_any_form(
        espnic, fake_rtl, tmp_path, command, name, form):
    capture = CAPTURES / f"{name}.pcap"
    given = []
    for sas in (CAPTURES / f"{name}.json", CAPTURES / "field" / f"{name}.{form}"):
        code, shown, complaint = espnic(command, "--rx", capture, "--sa", sas, "-o", tmp_path)
        assert (code, complaint) == (0, "")
        assert "packets, as in the plain capture" in shown
        given.append(((tmp_path / "out.pcap").read_bytes(),
                      (tmp_path / "completions.jsonl").read_text()))
    assert given[0] == given[1]


def test_packets_are_sealed_with_the_sas_of_ip_xfrm_state(espnic, tmp_path):
    for sas in ("tun4_gcm128.xfrm", "gateway.xfrm"):
        code, shown, complaint = espnic(
            "model", "--tx", CLEAR, "--sa", CAPTURES / "field" / sas, "-o", tmp_path)
        assert (code, complaint) == (0, "")
        assert "146 packets, as they were in clear" in " ".join(shown.split())
    assert "SA refused 0x000001f1: protocol ah, the engine does esp; it is left to software" in (
        " ".join(shown.split()))


def test_table_of_wireshark_is_refused_where_it_does_not_say_enough(refused, tmp_path):
    table = CAPTURES / "field" / "tun4_gcm128.esp_sa"
    assert refused("model", "--tx", CLEAR, "--sa", table, "-o", tmp_path / "out") == (
        f"espnic: {table}: Wireshark's table says neither mode nor encapsulation, expected JSON or "
        "the output of ip xfrm state with --tx\n")
    assert "expected JSON" in refused("model", "--handoff", table, "-o", tmp_path / "out")
    assert "expected JSON" in refused(
        "model", "--handoff", CAPTURES / "field" / "gateway.xfrm", "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_of_a_table_for_no_packet_are_counted(espnic, tmp_path):
    table = tmp_path / "esp_sa"
    table.write_text((CAPTURES / "field" / "tun4_gcm128.esp_sa").read_text() + (
        '"IPv4","*","*","0x77","NULL","","NULL",""\n'))
    code, shown, _ = espnic("model", "--rx", CAPTURE, "--sa", table, "-o", tmp_path)
    assert code == 0 and "146 packets, as in the plain capture" in shown
    assert "rows unused 1, which are for no ESP packet of" in " ".join(shown.split())


ETHERNET_BYTES = 14
FCS_ANNOUNCED = 1 << 26 | 2 << 28


@pytest.mark.parametrize("link, convert", [
    (1 | FCS_ANNOUNCED, lambda frame: frame + b"\x12\x34\x56\x78"),
    (101, lambda frame: frame[ETHERNET_BYTES:]),
    (12, lambda frame: frame[ETHERNET_BYTES:]),
    (228, lambda frame: frame[ETHERNET_BYTES:]),
    (113, lambda frame: bytes.fromhex("0000 0001 0006") + frame[6:12] + bytes(2) + frame[12:]),
    (276, lambda frame: frame[12:14] + bytes.fromhex("0000 00000002 0001 00 06") + frame[6:12]
     + bytes(2) + frame[ETHERNET_BYTES:]),
])
def test_capture_of_another_link_type_is_received_like_ethernet(espnic, tmp_path, link, convert):
    path = tmp_path / "any.pcap"
    write_pcap(path, enumerate(map(convert, read_capture(CAPTURE).packets)))
    data = bytearray(path.read_bytes())
    data[20:24] = link.to_bytes(4, sys.byteorder)
    path.write_bytes(data)
    write_pcap(tmp_path / "any.plain.pcap", enumerate(read_capture(CLEAR).packets), ethernet=False)
    code, shown, complaint = espnic(
        "model", "--rx", path, "--sa", SA_FILE, "-o", tmp_path / "out")
    assert (code, complaint) == (0, "")
    assert "146 packets, as in the plain capture" in shown
    plain = read_capture(tmp_path / "out" / "out.pcap")
    assert plain.ethernet and len(plain.packets) == 146


@pytest.mark.parametrize("command", ["run", "model"])
def test_sa_whose_window_is_too_large_is_left_to_software_and_that_is_said(
        espnic, fake_rtl, tmp_path, wide_window, command):
    code, shown, complaint = espnic(
        command, "--rx", CAPTURE, "--sa", wide_window, "-o", tmp_path / "out")
    assert (code, complaint) == (0, "")
    shown = " ".join(shown.split())
    assert ("ab: device_window with a replay_window of 1,024 packets, this build keeps 128 at "
            "most; it is left to software") in shown
    assert "not compared with the plain capture: an SA was refused" in shown


def test_peer_opens_in_software_what_its_device_has_refused(espnic, tmp_path, wide_window):
    code, shown, complaint = espnic(
        "model", "--tx", CLEAR, "--sa", wide_window, "-o", tmp_path / "out")
    assert (code, complaint) == (0, "")
    assert "146 packets, as they were in clear" in " ".join(shown.split())


def test_salt_that_the_file_lacks_is_drawn_from_the_seed_and_shown(espnic, tmp_path):
    document = json.loads(SA_FILE.read_text())
    for sa in document["sas"]:
        sa.pop("seqiv_salt", None)
    file = tmp_path / "sa.json"
    file.write_text(json.dumps(document))

    def salts(seed):
        _, shown, _ = espnic(
            "model", "--tx", CLEAR, "--sa", file, "-o", tmp_path / "out", "--seed", seed)
        return [line.split()[3] for line in shown.splitlines() if line.startswith("seqiv salt")]

    assert salts(1) == salts(1) != salts(2)
    assert len(salts(1)) == 2


def test_unsupported_sas_are_refused_and_their_frames_pass(espnic, fake_rtl, tmp_path):
    capture = CAPTURES / "tun4_chacha.pcap"
    code, shown, _ = espnic(
        "run", "--rx", capture, "--sa", capture.with_suffix(".json"), "-o", tmp_path)
    assert code == 0 and "SA refused" in shown and "NO_SA" in shown
    assert "algorithm rfc7539esp(chacha20,poly1305), the engine does rfc4106(gcm(aes)); it is" in (
        " ".join(shown.split()))
    assert read_capture(tmp_path / "out.pcap").packets == read_capture(capture).packets


def test_packet_without_an_sa_is_kept_back(espnic, tmp_path):
    packets = list(read_capture(CLEAR).packets[:3])
    stranger = bytearray(packets[1])
    stranger[16:20] = bytes([8, 8, 8, 8])
    write_pcap(tmp_path / "clear.pcap", enumerate([*packets, bytes(stranger)]), ethernet=False)
    code, shown, _ = espnic(
        "model", "--tx", tmp_path / "clear.pcap", "--sa", SA_FILE, "-o", tmp_path / "out")
    assert code == 0
    assert "kept back" in shown and "8.8.8.8: no SA is for it" in shown
    assert len(read_capture(tmp_path / "out" / "wire.pcap").packets) == 3


@pytest.fixture
def p37(tmp_path):
    """The capture in which Linux 6.1 used 7 IVs twice; gives its path."""
    name = "gso_trn6_gcm256_esn"
    wire = archived_capture(CAPTURES / "gso" / "pcaps.tar.xz", f"{name}.pcap").packets
    write_pcap(tmp_path / f"{name}.pcap", enumerate(wire))
    return tmp_path / f"{name}.pcap"


def test_coverage_merges_files_and_lists_holes(espnic, tmp_path):
    functional = Functional()
    steps = [RxFrame(bytes(60))]
    functional.note(steps, run_model(steps, Features()), Features())
    file, folder = tmp_path / "a.json", tmp_path / "both"
    file.write_text(functional.to_json())
    code, shown, complaint = espnic("coverage", file, file, "-o", folder, "--holes", 1)
    assert (code, complaint) == (0, "")
    assert "hole  rx.short: bytes 1, width 128" in shown and "190 more of rx.short" in shown
    assert "2 frames, 0 commands" in shown
    merged = Functional.from_json((folder / "coverage.json").read_text())
    assert merged.count("rx.short", 60, 128) == 2
    assert len(json.loads((folder / "holes.json").read_text())) == len(functional.holes())
    assert "hole" not in espnic("coverage", file, "--holes", 0)[1]


def test_coverage_of_what_is_no_such_file(refused, tmp_path):
    assert "No such file" in refused("coverage", tmp_path / "none.json")
    assert "not JSON" in refused("coverage", CLEAR.with_name("README.md"))
    assert "not text" in refused("coverage", CAPTURE)


def test_audit_says_by_its_exit_code_whether_an_iv_stands_twice(espnic, p37):
    code, shown, complaint = espnic("audit", CAPTURE)
    assert (code, complaint) == (0, "")
    assert "146 ESP packets of 2 SAs: no IV and no sequence number twice" in shown
    code, shown, complaint = espnic("audit", p37, "--json", p37.with_suffix(".json"))
    assert code == 1
    assert complaint == f"espnic: {p37}: 7 packets of 2 SAs with the IV of an earlier packet\n"
    shown = " ".join(shown.split())
    assert "of 147 packets 3 with the IV of an earlier one: frames 120, 121; frames" in shown
    assert "2001:db8:0:1::1, SPI 0x10e3760b" in shown and "RFC 8750" in shown
    found = json.loads(p37.with_suffix(".json").read_text())["sas"]
    assert [len(sa["same_iv"]) for sa in found] == [4, 3]


@pytest.mark.parametrize("command", ["run", "model"])
def test_replay_says_that_an_iv_stands_twice_and_is_no_mismatch(
        espnic, fake_rtl, tmp_path, p37, command):
    """The sender is at fault; RTL and model agree on the frames."""
    sas = CAPTURES / "gso" / f"{p37.stem}.json"
    code, shown, complaint = espnic(command, "--rx", p37, "--sa", sas, "-o", tmp_path / "out")
    assert (code, complaint) == (0, "")
    assert "IV twice ab, 2001:db8:0:1::2, SPI 0x1048f639: of 154 packets 4 with" in (
        " ".join(shown.split()))
    for direction, file in (("--rx", CAPTURE), ("--tx", CLEAR)):
        code, shown, _ = espnic(command, direction, file, "--sa", SA_FILE, "-o", tmp_path / "out")
        assert "of 2 SAs: no IV and no sequence number twice" in " ".join(shown.split())


def test_interrupt_is_said_and_is_no_success(espnic, tmp_path, monkeypatch):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("espnic.sim.run.session.run_model", interrupt)
    code, _, complaint = espnic("model", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert (code, complaint) == (130, "espnic: interrupted\n")


def test_call_without_arguments_shows_the_commands(espnic):
    code, shown, complaint = espnic()
    assert (code, complaint) == (0, "")
    assert all(name in shown for name in ("run", "model", "compare", "verilog"))


@pytest.fixture
def handoff_copy(tmp_path):
    """A copy of the hand-off capture that may be changed."""
    (tmp_path / "pcaps.tar.xz").symlink_to(HANDOFF.with_name("pcaps.tar.xz"))
    path = tmp_path / HANDOFF.name
    path.write_text(HANDOFF.read_text())
    return path


def test_model_sends_what_linux_hands_down_as_the_kernel_does(espnic, tmp_path):
    code, shown, complaint = espnic("model", "--handoff", HANDOFF, "-o", tmp_path)
    assert (code, complaint) == (0, "")
    shown = " ".join(shown.split())
    assert "33 frames byte for byte, 5 but for the outer ID, 15 sent as the stack had" in shown
    assert "SEALED 42" in shown and "BYPASSED 15" in shown
    assert len(read_capture(tmp_path / "wire.pcap").packets) == 57


@pytest.mark.parametrize("place, said", [
    (24, "frame 3 of handoff packet 21: byte 60 is "), (0, "frame 1 of handoff packet 1: byte 60")])
def test_wire_that_is_not_the_kernel_s_is_told(espnic, handoff_copy, place, said):
    wire = list(archived_capture(
        HANDOFF.with_name("pcaps.tar.xz"), f"{HANDOFF.stem}.pcap").packets)
    wire[place] = wire[place][:60] + bytes([wire[place][60] ^ 1]) + wire[place][61:]
    write_pcap(handoff_copy.with_suffix(".pcap"), enumerate(wire))
    code, _, complaint = espnic(
        "model", "--handoff", handoff_copy, "-o", handoff_copy.parent / "out")
    assert code == 1 and said in complaint and ", expected " in complaint


FIRST_NUMBER = json.loads(HANDOFF.read_text())["handoff"][0]["first_seq"]
BUG = "what the kernel did wrong"


@pytest.mark.parametrize("row, change, said", [
    # The twin sent another frame; or another number of them; the number was given before; the
    # super-frame counts as no packet.
    (2, {"wire": [3]}, "1 not"), (20, {"wire": [20]}, "3 not"), (20, {"segs": 0}, "3 not"),
    # A guard against repeats may refuse this one.
    (3, {"first_seq": FIRST_NUMBER}, "frames byte")])
def test_handoff_row_with_a_fault_of_the_kernel_is_not_held_against_the_twin(
        espnic, handoff_copy, row, change, said):
    output = handoff_copy.parent / "out"
    with_row(handoff_copy, "handoff", row, change)
    assert espnic("model", "--handoff", handoff_copy, "-o", output)[0] in (1, 2)
    with_row(handoff_copy, "handoff", row, {"kernel_bug": BUG})
    code, shown, complaint = espnic("model", "--handoff", handoff_copy, "-o", output)
    assert (code, complaint) == (0, "")
    shown = " ".join(shown.split())
    assert said in shown and ("where the kernel was wrong" in shown or "byte" in said)
    assert f"packet {row}: {BUG}" in shown


def test_handoff_row_that_the_device_refuses_is_no_mismatch_where_the_kernel_was_wrong(
        espnic, handoff_copy):
    output = handoff_copy.parent / "out"
    with_row(handoff_copy, "handoff", 3, {"first_seq": 0})
    code, _, complaint = espnic("model", "--handoff", handoff_copy, "-o", output)
    assert code == 1 and "wire: 0 frames of handoff packet 3, expected 1" in complaint
    with_row(handoff_copy, "handoff", 3, {"kernel_bug": BUG})
    code, shown, _ = espnic("model", "--handoff", handoff_copy, "-o", output)
    assert code == 0 and "DROP_SEQUENCE" in shown and "kernel bug" in shown


def test_frame_that_the_stack_has_encrypted_wrongly_must_leave_as_it_is(espnic, handoff_copy):
    code, shown, _ = espnic("model", "--handoff", handoff_copy, "-o", handoff_copy.parent / "out")
    assert code == 0
    assert "kernel bug packet 9: authenticated with high half 1, not 0" in " ".join(shown.split())


def test_wire_frame_that_the_receiving_kernel_refused_has_no_plain_packet(espnic, handoff_copy):
    document = json.loads(handoff_copy.read_text())
    document["frames"][8] |= {"plain": None, "kernel_bug": BUG}
    handoff_copy.write_text(json.dumps(document))
    assert espnic("model", "--handoff", handoff_copy, "-o", handoff_copy.parent / "out")[0] == 0


# Bad input: exit code 2 and one line

def test_neither_or_both_directions(refused, tmp_path):
    options = ("--sa", SA_FILE, "-o", tmp_path)
    assert "one of --rx, --tx and --handoff" in refused("model", *options)
    assert "one of --rx, --tx and --handoff" in refused(
        "model", "--rx", CAPTURE, "--tx", CLEAR, *options)


def test_missing_option(refused):
    assert "--sa" in refused("run", "--rx", CAPTURE, "-o", "x")


def test_sa_file_beside_a_handoff(refused, tmp_path):
    assert "no --sa with --handoff" in refused(
        "model", "--handoff", HANDOFF, "--sa", SA_FILE, "-o", tmp_path)


def test_handoff_without_rows(refused, tmp_path):
    assert f"{SA_FILE}: no rows handoff" in refused("model", "--handoff", SA_FILE, "-o", tmp_path)


def test_handoff_without_captures(refused, tmp_path):
    path = tmp_path / HANDOFF.name
    path.write_text(HANDOFF.read_text())
    assert f"{tmp_path}/pcaps.tar.xz: No such file" in refused(
        "model", "--handoff", path, "-o", tmp_path / "out")
    (tmp_path / "pcaps.tar.xz").write_bytes(b"nothing")
    assert "expected an archive of captures" in refused(
        "model", "--handoff", path, "-o", tmp_path / "out")


SINGLE, ENCRYPTED, SUPER = 2, 4, 20
"""Rows of the hand-off capture, from 1: a packet with a checksum to finish, one that the stack has
encrypted, a super-frame of three segments."""

BAD_ROWS = [
    (SINGLE, {"n": 46}, "n: 46, expected 1 to 45"),
    (SINGLE, {"n": 0}, "n: 0, expected 1 to 45"),
    (SINGLE, {"n": -1}, "n: -1, expected 1 to 45"),
    (SINGLE, {"n": "x"}, 'n: "x", expected 1 to 45'),
    (SINGLE, {"n": True}, "n: true, expected 1 to 45"),
    (SINGLE, {"sa": "nobody"}, 'sa: "nobody", expected the name of an SA'),
    (SINGLE, {"sa": []}, "sa: [], expected the name of an SA"),
    (SINGLE, {"esp_at": 300}, "esp_at: 300, expected 0 to 255"),
    (SINGLE, {"esp_at": None}, "esp_at: null, expected 0 to 255"),
    (SINGLE, {"first_seq": 1e30}, "first_seq: 1e+30, expected 0 to 18446744073709551615"),
    (SINGLE, {"first_seq": 1 << 64}, "first_seq: 18446744073709551616, expected 0 to 1844"),
    (SINGLE, {"next_header": "tcp"}, 'next_header: "tcp", expected 0 to 255'),
    (SINGLE, {"l4_proto": []}, "l4_proto: [], expected 0 to 255"),
    (SINGLE, {"payload_at": {}}, "payload_at: {}, expected 0 to 255"),
    (SINGLE, {"payload_bytes": 16404}, "payload_bytes: 16404, expected 20 to 16403"),
    (SINGLE, {"payload_bytes": 19}, "payload_bytes: 19, expected 20 to 16403"),
    (SINGLE, {"payload_bytes": "60"}, 'payload_bytes: "60", expected 20 to 16403'),
    (SINGLE, {"gso": 1}, "gso: 1, expected true or false"),
    (SINGLE, {"encrypted": None}, "encrypted: null, expected true or false"),
    (SINGLE, {"outer_id_differs": "no"}, 'outer_id_differs: "no", expected true or false'),
    (SINGLE, {"super": 0}, "super: 0, expected 1 to 27"),
    (SINGLE, {"segs": 0}, "segs: 0, expected 1 to "),
    (ENCRYPTED, {"segs": 2}, "segs: 2, expected 1 to 1"),
    (SINGLE, {"wire": [0]}, "wire: [0], expected numbers from 1 to 53"),
    (SINGLE, {"wire": ["a"]}, 'wire: ["a"], expected numbers from 1 to 53'),
    (SINGLE, {"wire": 2}, "wire: 2, expected a list"),
    (SUPER, {"wire": [20]}, "wire: [20], expected 3 as segs says, or none"),
    (SUPER, {"wire": [20, 21, 22, 23]}, "wire: [20, 21, 22, 23], expected 3 as segs says"),
    (SUPER, {"vnet_hdr": 3}, "vnet_hdr: 3, expected an object"),
    (SUPER, {"vnet_hdr": {}}, "vnet_hdr: flags: missing, expected 0 to 255"),
]


def with_row(path, kind, number, change):
    document = json.loads(path.read_text())
    document[kind][number - 1].update(change)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("row, change, found", BAD_ROWS)
def test_handoff_with_a_bad_row(refused, handoff_copy, row, change, found):
    with_row(handoff_copy, "handoff", row, change)
    complaint = refused("model", "--handoff", handoff_copy, "-o", handoff_copy.parent / "out")
    assert complaint.startswith(f"espnic: {handoff_copy}: handoff row {row}: {found}")


@pytest.mark.parametrize("field, value, expected", [
    ("gso_size", -1, "0 to 16383"), ("gso_size", 1_000_000, "0 to 16383"),
    ("gso_size", None, "0 to 16383"), ("csum_start", "70", "0 to 255"),
    ("hdr_len", 256, "0 to 255"), ("flags", -1, "0 to 255")])
def test_handoff_with_a_bad_virtio_header(refused, handoff_copy, field, value, expected):
    meta = json.loads(HANDOFF.read_text())["handoff"][SUPER - 1]["vnet_hdr"]
    with_row(handoff_copy, "handoff", SUPER, {"vnet_hdr": meta | {field: value}})
    complaint = refused("model", "--handoff", handoff_copy, "-o", handoff_copy.parent / "out")
    assert complaint == (f"espnic: {handoff_copy}: handoff row {SUPER}: vnet_hdr: {field}: "
                         f"{json.dumps(value)}, expected {expected}\n")


@pytest.mark.parametrize("change, found", [
    ({"n": 0}, "n: 0, expected 1 to 27"), ({"wire": []}, "wire: [], expected one number or more"),
    ({"wire": [54]}, "wire: [54], expected numbers from 1 to 53"),
    ({"first_seq": "x"}, 'first_seq: "x", expected 0 to '),
])
def test_handoff_with_a_bad_superframe(refused, handoff_copy, change, found):
    with_row(handoff_copy, "superframes", 1, change)
    complaint = refused("model", "--handoff", handoff_copy, "-o", handoff_copy.parent / "out")
    assert complaint.startswith(f"espnic: {handoff_copy}: superframes row 1: {found}")


@pytest.mark.parametrize("value, found", [
    (5, "handoff: 5, expected a list"), (None, "handoff: null, expected a list"),
    (["x"], 'handoff row 1: "x", expected an object'), ([], "no rows handoff"),
])
def test_handoff_that_is_no_list_of_rows(refused, handoff_copy, value, found):
    document = json.loads(handoff_copy.read_text()) | {"handoff": value}
    handoff_copy.write_text(json.dumps(document))
    complaint = refused("model", "--handoff", handoff_copy, "-o", handoff_copy.parent / "out")
    assert complaint.startswith(f"espnic: {handoff_copy}: {found}")


@pytest.mark.parametrize("suffix, kind", [
    (".handoff.pcap", "handoff"), (".super.pcap", "superframes")])
@pytest.mark.parametrize("junk, found", [
    (lambda frame: bytes(len(frame)), "EtherType 0000, expected IPv4 or IPv6"),
    (lambda frame: frame[:10], "EtherType missing, expected IPv4 or IPv6"),
    (lambda frame: frame[:30], "IP packet of 16 bytes, expected 20 or more"),
    (lambda frame: frame[:-1], "IPv4 total length "),
])
def test_handoff_with_a_frame_that_is_no_whole_ip_packet(
    refused, handoff_copy, suffix, kind, junk, found,
):
    frames = list(archived_capture(
        HANDOFF.with_name("pcaps.tar.xz"), f"{HANDOFF.stem}{suffix}").packets)
    frames[1] = junk(frames[1])
    write_pcap(handoff_copy.with_name(handoff_copy.stem + suffix), enumerate(frames))
    complaint = refused("model", "--handoff", handoff_copy, "-o", handoff_copy.parent / "out")
    assert complaint.startswith(f"espnic: {handoff_copy}: {kind} row 2: frame: {found}")


def test_run_refuses_a_bad_row_before_it_builds(refused, handoff_copy, fake_rtl):
    with_row(handoff_copy, "handoff", SINGLE, {"esp_at": 300})
    assert "handoff row 2: esp_at: 300, expected 0 to 255" in refused(
        "run", "--handoff", handoff_copy, "-o", handoff_copy.parent / "out")


def test_handoff_that_is_missing_or_a_folder(refused, tmp_path):
    expected = "expected the JSON of a capture of what Linux hands down"
    for path, found in ((tmp_path / "none.json", "No such file or directory"),
                        (tmp_path, "Is a directory")):
        assert refused("model", "--handoff", path, "-o", tmp_path / "out") == (
            f"espnic: {path}: {found}, {expected}\n")


def test_what_breaks_in_the_thread_of_a_simulation_reaches_its_caller(monkeypatch, tmp_path):
    def broken(*_arguments):
        raise ValueError("tx_descriptor.mss: -1 does not fit")

    monkeypatch.setattr(rtl, "run_loads", broken)
    monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path))
    with pytest.raises(ValueError, match="mss: -1 does not fit"):
        rtl.replay(None, [], rtl.Options())


def test_unknown_option(refused):
    assert "--nonsense" in refused("run", "--nonsense")


def test_width_that_is_no_number(refused, tmp_path):
    options = ("--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert "'--width'" in refused("run", *options, "--width", "wide")


@pytest.mark.parametrize(("arguments", "option"), [
    (("run", "-o", ""), "-o"), (("model", "--output="), "-o"), (("verilog", "--output", ""), "-o"),
    (("run", "--rx", ""), "--rx"), (("run", "--tx", ""), "--tx"), (("run", "--sa", ""), "--sa"),
    (("model", "--handoff", ""), "--handoff"), (("bench", "--plot", ""), "--plot"),
    (("bench", "--json="), "--json"), (("bench", "--doc", ""), "--doc"),
    (("synth", "--json", ""), "--json"), (("synth", "--doc", ""), "--doc"),
    (("compare", "", "b"), "a"), (("compare", "a", ""), "b"),
])
def test_empty_path(refused, monkeypatch, tmp_path, arguments, option):
    monkeypatch.chdir(tmp_path)
    complaint = refused(*arguments)
    assert f"'{option}" in complaint and complaint.endswith(": empty, expected a path\n")
    assert not list(tmp_path.iterdir())


def test_bad_width(refused, tmp_path):
    options = ("--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert "--width 100: expected one of 128, 256, 512" in refused("run", *options, "--width", 100)
    assert "--width 64" in refused("verilog", "-o", tmp_path, "--width", 64)


def test_bad_sa_count(refused, tmp_path):
    assert "--sas 1000: expected a power of two" in refused(
        "verilog", "-o", tmp_path, "--sas", 1000)


def test_bad_stall(refused, tmp_path):
    options = ("--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert "--stall 1.0: expected 0 to 0.9" in refused("run", *options, "--stall", "1")


def test_unknown_simulator(refused, tmp_path):
    options = ("--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert "'vcs': expected one of verilator, icarus" in refused(
        "run", *options, "--simulator", "vcs")


def test_missing_simulator(refused, tmp_path, monkeypatch):
    def missing(simulator, waves):
        raise MissingTool(f"simulator {simulator}: g++ not found; run make setup")

    monkeypatch.setattr("espnic.sim.build.simulators.require_tools", missing)
    options = ("--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert "g++ not found" in refused("run", *options)


def test_missing_capture(refused, tmp_path):
    path = tmp_path / "none.pcap"
    assert f"{path}: No such file" in refused("run", "--rx", path, "--sa", SA_FILE, "-o", tmp_path)


def test_sa_file_given_as_capture(refused, tmp_path):
    assert "not a capture" in refused("run", "--rx", SA_FILE, "--sa", SA_FILE, "-o", tmp_path)


def test_missing_sa_file(refused, tmp_path):
    path = tmp_path / "none.json"
    assert f"{path}: No such file" in refused("run", "--rx", CAPTURE, "--sa", path, "-o", tmp_path)


@pytest.mark.parametrize("change, expected", [
    ({"key": "00" * 17}, "key: 17 bytes, expected hex of 16 or 24 or 32 bytes"),
    ({"key": "zz" * 16}, "key: not hex"),
    ({"salt": "0011"}, "salt: 2 bytes, expected hex of 4 bytes"),
    ({"icv_bits": 100}, "icv_bits: 100, expected 64, 96 or 128"),
    ({"device_window": 1}, "device_window: 1, expected true or false"),
    ({"device_window": True, "replay_window": 100},
     "replay_window: 100, expected one of a device's windows: 32, 64,"),
    ({"mode": "beet"}, "mode: beet, expected tunnel or transport"),
    ({"dst": "10.0.0"}, 'dst: "10.0.0", expected an IP address'),
    ({"esn": 1}, "esn: 1, expected true or false"),
    ({"spi": "0"}, "spi"),
])
def test_bad_field_of_an_sa(refused, tmp_path, change, expected):
    document = json.loads(SA_FILE.read_text())
    document["sas"][0].update(change)
    path = tmp_path / "sa.json"
    path.write_text(json.dumps(document))
    complaint = refused("run", "--rx", CAPTURE, "--sa", path, "-o", tmp_path / "out")
    assert f"{path}: SA ab: " in complaint and expected in complaint


def test_sa_file_that_is_no_json(refused, tmp_path):
    path = tmp_path / "sa.json"
    path.write_text("{")
    assert "expected JSON" in refused("run", "--rx", CAPTURE, "--sa", path, "-o", tmp_path / "out")


def test_no_sa_to_send_with(refused, tmp_path):
    assert "no SA to send with; ab: algorithm rfc7539esp" in refused(
        "run", "--tx", CLEAR, "--sa", CAPTURES / "tun4_chacha.json", "-o", tmp_path)


def test_no_packet_for_the_sas(refused, tmp_path):
    assert "no SA is for it" in refused(
        "run", "--tx", CLEAR, "--sa", CAPTURES / "trn6_gcm128.json", "-o", tmp_path)


def test_output_that_is_a_file(refused, tmp_path):
    path = tmp_path / "file"
    path.touch()
    assert f"{path}: " in refused("run", "--rx", CAPTURE, "--sa", SA_FILE, "-o", path)


def test_output_that_is_in_the_way(refused, tmp_path):
    (tmp_path / "out.pcap").mkdir()
    assert f"espnic: {tmp_path}/out.pcap: Is a directory, " in refused(
        "model", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out.pcap"]


def test_build_folder_that_is_a_file(refused, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.touch()
    monkeypatch.setenv("ESPNIC_BUILD", str(path))
    said = f"espnic: ESPNIC_BUILD {path}: a file, expected a folder\n"
    assert refused("run", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path / "out") == said
    assert refused("synth", "seqiv", "--cached") == said


def test_names_that_look_like_markup_are_shown_as_they_are(espnic, tmp_path):
    document = json.loads(SA_FILE.read_text())
    document["sas"][0]["name"] = "[red]x[/nope]"
    (tmp_path / "sas.json").write_text(json.dumps(document))
    code, shown, _ = espnic(
        "model", "--rx", CAPTURE, "--sa", tmp_path / "sas.json", "-o", tmp_path / "[o]")
    assert code == 0
    assert "[red]x[/nope]" in shown and "/[o]" in shown.replace("\n", "")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write to any folder")
def test_output_that_cannot_be_written(refused, tmp_path):
    tmp_path.chmod(0o500)
    assert "Permission denied" in refused("run", "--rx", CAPTURE, "--sa", SA_FILE, "-o", tmp_path)


def test_trace_that_is_none(refused, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("nothing\n")
    assert f"{path}:1: not JSON" in refused("compare", path, path)


def test_audit_of_what_cannot_be_audited(refused, tmp_path):
    assert "no ESP in 146 frames" in refused("audit", CLEAR)
    assert "not a capture" in refused("audit", SA_FILE)
    assert "No such file" in refused("audit", tmp_path / "none.pcap")
    assert "no folder" in refused("audit", CAPTURE, "--json", tmp_path / "none" / "x.json")


def test_missing_trace(refused, tmp_path):
    assert "No such file" in refused("compare", tmp_path / "a", tmp_path / "b")


def test_compare_finds_a_missing_record(espnic, tmp_path):
    records = [trace.TraceRecord(1, "rx.in", {"frame": "00"})]
    trace.write(tmp_path / "a", records)
    trace.write(tmp_path / "b", [])
    code, _, complaint = espnic("compare", tmp_path / "a", tmp_path / "b")
    assert code == 1 and f"packet 1, rx.in: {tmp_path}/b has no such record" in complaint


def test_two_empty_traces_are_not_equal(refused, tmp_path):
    """A run that failed before its first packet must not look like a good one."""
    paths = tmp_path / "a", tmp_path / "b"
    for path in paths:
        trace.write(path, [])
    assert refused("compare", *paths) == (
        f"espnic: {paths[0]} and {paths[1]}: both traces are empty, expected records to compare\n")
