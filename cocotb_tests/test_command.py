"""The command on the real engine: what a user types, from files to files."""

import json
import subprocess
import sys
from pathlib import Path

from sim.pcap import read_capture, write_pcap

PROJECT = Path(__file__).resolve().parents[1]
CAPTURES = PROJECT / "captures"
SA_FILE = CAPTURES / "tun4_gcm128.json"
FRAMES = 6


def espnic(*arguments):
    """Exit code, output and complaint of a call."""
    call = subprocess.run(
        [sys.executable, "-m", "sim.cli", *map(str, arguments)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )
    return call.returncode, call.stdout, call.stderr


def test_run_opens_a_kernel_capture(tmp_path):
    """Exit code 0 says that RTL, model and the kernel's plaintext are equal."""
    capture = CAPTURES / "esn_wrap_tun4_gcm128.pcap"
    code, shown, complaint = espnic(
        "run", "--rx", capture, "--sa", capture.with_suffix(".json"), "-o", tmp_path,
        "--stall", "0.2", "--seed", 9)
    assert (code, complaint) == (0, "")
    assert "148 packets, as in the plain capture" in shown
    traces = [tmp_path / f"{name}.trace.jsonl" for name in ("rtl", "model")]
    assert espnic("compare", *traces)[0] == 0


def test_run_seals_clear_packets(tmp_path):
    """The peer opens them again; frames with the file's salt are the kernel's, byte for byte."""
    clear = CAPTURES / "tun4_gcm128.plain.pcap"
    code, shown, complaint = espnic("run", "--tx", clear, "--sa", SA_FILE, "-o", tmp_path)
    assert (code, complaint) == (0, "")
    assert "146 packets, as they were in clear" in shown
    wire = read_capture(tmp_path / "wire.pcap").packets
    kernel = read_capture(CAPTURES / "tun4_gcm128.pcap").packets
    esp_offset = 34
    assert {frame[esp_offset:] for frame in wire} == {frame[esp_offset:] for frame in kernel}


def test_forged_frame_leaves_as_it_came(tmp_path):
    frames = list(read_capture(CAPTURES / "tun4_gcm128.pcap").packets[:FRAMES])
    frames[2] = frames[2][:-1] + bytes([frames[2][-1] ^ 1])
    write_pcap(tmp_path / "forged.pcap", enumerate(frames))
    out = tmp_path / "out"
    code, _, complaint = espnic(
        "run", "--rx", tmp_path / "forged.pcap", "--sa", SA_FILE, "-o", out)
    assert (code, complaint) == (0, "")
    lines = (out / "completions.jsonl").read_text().splitlines()
    statuses = [json.loads(line)["status"] for line in lines]
    assert statuses == ["OK", "OK", "AUTH_FAILED", "OK", "OK", "OK"]
    assert read_capture(out / "out.pcap").packets[2] == frames[2]


def test_verilog_is_the_same_each_time_and_names_no_path(tmp_path, monkeypatch):
    width = 128
    written = []
    for name in ("a", "b"):
        monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path / f"cache_{name}"))
        code, shown, _ = espnic(
            "verilog", "-o", tmp_path / name, "--width", width, "--sas", 16)
        assert code == 0 and "s_axis_rx_tdata" in shown
        written.append((tmp_path / name / "engine.v").read_text())
    assert written[0] == written[1]
    assert str(PROJECT) not in written[0] and str(tmp_path) not in written[0]
    summary = json.loads((tmp_path / "a" / "engine.json").read_text())
    bits = {port["name"]: port["bits"] for port in summary["ports"]}
    assert bits["s_axis_tx_tdata"] == bits["m_axis_rx_tdata"] == width
    assert not any(name.startswith("tap_") for name in bits)
