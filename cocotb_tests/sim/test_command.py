"""The command on the real engine: what a user types, from files to files."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espnic.sim.capture.pcap import read_capture, write_pcap
from tests.support.field_inputs import INPUTS
from tests.support.paths import CAPTURES, PROJECT

pytestmark = [pytest.mark.engine, pytest.mark.fixed_seed]

SA_FILE = CAPTURES / "tun4_gcm128.json"
FRAMES = 6


def espnic(*arguments):
    """Exit code, output and complaint of a call."""
    call = subprocess.run(
        [sys.executable, "-m", "espnic.sim.cli", *map(str, arguments)],
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


@pytest.mark.parametrize("name", INPUTS)
def test_run_replays_what_was_reported_from_outside(tmp_path, name):
    """RTL and model agree, and the summary says what it must."""
    code, shown, complaint = espnic(*INPUTS[name].arguments("run", tmp_path / "out"))
    assert (code, complaint) == (0, "")
    shown = " ".join(shown.split())
    assert all(words in shown for words in (*INPUTS[name].says, "RTL = model")), shown


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


def simulation_of(command):
    """The running simulation that a command has started, None before it has one."""
    for children in Path(f"/proc/{command}/task").glob("*/children"):
        # A thread, or a tool of the build, may end while it is looked at.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in children.read_text().split():
                if b"engine_rig\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return Path(f"/proc/{child}")
    return None


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ended_run_ends_its_simulation(tmp_path, stop):
    run = subprocess.Popen(
        [sys.executable, "-m", "espnic.sim.cli", "run", "--rx", CAPTURES / "tun4_gcm128.pcap",
         "--sa", SA_FILE, "-o", tmp_path / "out", "--stall", "0.9"],
        cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        # A shell lets what it starts in the background ignore SIGINT, and that is inherited.
        preexec_fn=lambda: signal.signal(stop, signal.SIG_DFL))
    simulation = None
    while simulation is None:
        assert run.poll() is None, "ended before its simulation was seen"
        simulation = simulation_of(run.pid)
        time.sleep(0.02)
    run.send_signal(stop)
    assert run.communicate() == (None, "espnic: interrupted\n")
    assert run.returncode == 130
    assert not simulation.exists()


def test_verilog_is_the_same_each_time_and_names_no_path(tmp_path, monkeypatch):
    width = 128
    written = []
    for name in ("a", "b"):
        monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path / f"cache_{name}"))
        code, shown, _ = espnic(
            "verilog", "-o", tmp_path / name, "--width", width, "--sas", 16)
        assert code == 0 and "engine.v" in shown
        written.append({path.name: path.read_text() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1] and len(written[0]) > 7
    for text in written[0].values():
        assert str(PROJECT) not in text and str(tmp_path) not in text
    summary = json.loads((tmp_path / "a" / "engine.json").read_text())
    bits = {port["name"]: port["bits"] for port in summary["ports"]}
    assert bits["s_axis_tx_tdata"] == bits["m_axis_rx_tdata"] == width
    assert not any(name.startswith("tap_") for name in bits)
