"""Calls of the command under signals, crashes and other calls, on full disks, without UTF-8."""

import errno
import fcntl
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from espnic.model import trace
from espnic.sim.build import builds, simulators
from espnic.sim.build.cache import locked, work_folder
from espnic.sim.build.netlist import Netlist
from espnic.sim.files import naming, own_folder, refuse_full, replacing
from espnic.sim.problem import InputError
from espnic.sim.terminal import status
from tests.support.paths import CAPTURES, PROJECT

CAPTURE = CAPTURES / "tun4_gcm128.pcap"
SA_FILE = CAPTURES / "tun4_gcm128.json"
ARGUMENTS = ("model", "--rx", CAPTURE, "--sa", SA_FILE)
FILE_BYTES_MAX = 50_000

WORKING = """
from espnic.sim import cli
from espnic.sim.build.cache import work_folder
from espnic.sim.build.processes import SIMULATIONS

def work(*_arguments, **_settings):
    with work_folder() as folder:
        (folder / "keys").write_text("secret")
        SIMULATIONS.run(["sh", "-c", "echo $$ >pid; sleep 1000 & echo $! >grandchild; wait"],
                        cwd=folder)

cli.app = work
cli.main()
"""
"""A call of the command that works with keys and a child until it is ended."""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def working(cache):
    """Start a call that works; gives the process, its folder, and its children."""
    calls = []

    def start(ignored=()):
        def ignore():
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

        before = set(cache.glob("work/*/pid"))
        call = subprocess.Popen(
            [sys.executable, "-c", WORKING], cwd=PROJECT, text=True, stderr=subprocess.PIPE,
            preexec_fn=ignore)
        calls.append(call)
        pid = wait_for(lambda: next(iter(set(cache.glob("work/*/pid")) - before), None))
        children = [wait_for(lambda name=name: number_in(pid.with_name(name)))
                    for name in ("pid", "grandchild")]
        return call, pid.parent, children

    yield start
    for call in calls:
        call.terminate()
        call.wait(60)


def number_in(path):
    return int(path.read_text()) if path.is_file() and path.read_text().strip() else None


def wait_for(sought, seconds=60):
    end = time.monotonic() + seconds
    while (found := sought()) in (None, False):
        assert time.monotonic() < end, f"nothing in {seconds} s"
        time.sleep(0.01)
    return found


def has_ended(process):
    try:
        return " Z " in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("signals", [
    (signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP)])
def test_signal_ends_the_call_and_its_children_and_removes_its_keys(working, signals):
    call, folder, children = working()
    for number in signals:
        call.send_signal(number)
    assert call.communicate(timeout=60)[1] == "espnic: interrupted\n"
    assert call.returncode == 130
    assert not folder.exists()
    for child in children:
        wait_for(lambda child=child: has_ended(child))


def test_call_under_nohup_goes_on_when_its_terminal_is_closed(working):
    call, folder, children = working(ignored=(signal.SIGHUP,))
    call.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert call.poll() is None and folder.exists() and not any(map(has_ended, children))
    call.send_signal(signal.SIGTERM)
    assert call.wait(60) == 130


def test_call_that_is_killed_leaves_neither_keys_nor_its_child(working):
    call, folder, children = working()
    call.kill()
    wait_for(lambda: not folder.exists())
    if shutil.which("setpriv"):
        wait_for(lambda: has_ended(children[0]))
    os.killpg(os.getpgid(children[1]), signal.SIGKILL)


def test_keys_that_a_broken_machine_has_left_are_removed_by_the_next_call_and_no_others(
        cache, working):
    _, living, _ = working()
    left = cache / "work" / "left"
    left.mkdir()
    (left / "keys").touch()
    with work_folder() as own:
        assert not left.exists()
        assert (living / "keys").exists() and own.is_dir()
    assert not own.exists()


def test_without_locks_no_folder_is_taken_for_one_that_was_left(cache, tmp_path, monkeypatch):
    """Some network file systems have none."""
    def refuse(_file, operation):
        if operation & fcntl.LOCK_NB:
            raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with work_folder() as living, work_folder():
        assert living.exists()
    with own_folder(tmp_path / "out"), own_folder(tmp_path / "out"):
        pass


def test_folder_that_its_owner_has_just_removed_is_passed_over(cache, monkeypatch):
    with work_folder():
        monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "gone"]))
        with work_folder() as own:
            assert own.is_dir()


def test_work_folder_is_of_this_user_alone(cache):
    with work_folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0


def espnic(*arguments, environment=None, **settings):
    """Exit code, output and complaint of a call in a process of its own."""
    call = subprocess.run(
        [sys.executable, "-m", "espnic.sim.cli", *map(str, arguments)], cwd=PROJECT,
        env={**os.environ, **(environment or {})}, check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings})
    return call.returncode, call.stdout, call.stderr.decode()


@pytest.mark.parametrize("arguments", [ARGUMENTS, ("verilog",)])
def test_second_call_in_one_output_folder_is_refused_and_writes_nothing(tmp_path, arguments):
    with own_folder(tmp_path):
        code, _, complaint = espnic(*arguments, "-o", tmp_path)
    assert (code, complaint) == (
        2, f"espnic: {tmp_path}: another espnic writes there, expected a folder of its own\n")
    assert list(tmp_path.iterdir()) == []
    with own_folder(tmp_path):
        pass


def test_folder_is_free_again_after_a_call_that_failed(tmp_path):
    with pytest.raises(InputError, match="wrong"), own_folder(tmp_path):
        raise InputError("wrong")
    with own_folder(tmp_path):
        pass


def test_half_written_files_that_a_crash_has_left_are_removed(tmp_path):
    (tmp_path / ".out.pcap.123.partial").write_bytes(b"half")
    (tmp_path / ".mine").touch()
    with own_folder(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".mine"]


def test_two_calls_that_write_one_file_never_mix(tmp_path):
    """The last of them to end gives the file."""
    path = tmp_path / "found.json"
    with replacing(path) as ours:
        ours.write_text("ours")
        script = ("from pathlib import Path; from espnic.sim.files import replacing\n"
                  f"with replacing(Path({str(path)!r})) as theirs: theirs.write_text('theirs')")
        subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)
        assert path.read_text() == "theirs"
    assert path.read_text() == "ours"
    assert list(tmp_path.iterdir()) == [path]


def test_build_that_another_call_has_just_taken_up_is_not_removed(cache):
    old = [cache / name for name in ("adder-icarus-1", "adder-icarus-2", "adder-3.json")]
    for path in old[:2]:
        path.mkdir(parents=True)
    old[2].touch()
    for path in old:
        os.utime(path, (0, 0))
    with locked(cache / "adder-icarus-1.lock"), locked(cache / "adder-3.lock"):
        builds._remove_old(cache)
    assert [path.exists() for path in old] == [True, False, True]
    builds._remove_old(cache)
    assert [path.exists() for path in old] == [False, False, False]


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))


def test_file_that_finds_no_room_is_named_and_nothing_is_left_half_written(tmp_path):
    code, _, complaint = espnic(*ARGUMENTS, "-o", tmp_path, preexec_fn=limit_files)
    assert (code, complaint) == (
        2, f"espnic: {tmp_path}/out.pcap: File too large, expected to write there\n")
    assert list(tmp_path.iterdir()) == []


def test_output_that_finds_no_room_is_named(tmp_path):
    trace.write(tmp_path / "a", [trace.TraceRecord(1, "rx.in", {"frame": "00"})])
    with open("/dev/full", "w") as full:
        code, _, complaint = espnic("compare", tmp_path / "a", tmp_path / "a", stdout=full)
    assert (code, complaint) == (2, "espnic: standard output: No space left on device, expected "
                                    "to write there\n")


def test_error_without_a_file_gets_one(tmp_path):
    with pytest.raises(OSError) as caught, naming(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path)
    with pytest.raises(OSError) as caught, naming(tmp_path):
        (tmp_path / "none").read_bytes()
    assert caught.value.filename == str(tmp_path / "none")


@pytest.mark.parametrize("tool", ["true", "false"])
def test_cache_that_is_full_is_named_instead_of_what_its_tools_say(cache, monkeypatch, tool):
    """A tool may not notice that its file was cut."""
    def fill():
        found = list(os.statvfs("/"))
        found[3:5] = 0, 0
        return os.statvfs_result(found)

    full = fill()
    monkeypatch.setattr(simulators.Icarus, "build_commands", lambda _simulator: [[tool]])
    monkeypatch.setattr(os, "statvfs", lambda _folder: full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        builds.build(Netlist("top", "module top; endmodule\n", {}, {}), "icarus")
    assert caught.value.filename.startswith(f"{cache}/top-icarus-")
    monkeypatch.undo()
    refuse_full(cache)


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
"""A locale without UTF-8."""


@pytest.fixture
def foreign(tmp_path):
    """A folder and an SA file whose names, and the names of whose SAs, are not ASCII."""
    folder = tmp_path / "Prüfung ☃"
    folder.mkdir()
    document = json.loads(SA_FILE.read_text())
    document["sas"][0]["name"] = "Köln→Zürich"
    (folder / "schlüssel.json").write_text(
        json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("environment", [
    ASCII, ASCII | {"TERM": "xterm-256color", "FORCE_COLOR": "1"}, {"LC_ALL": "C.UTF-8"}])
def test_each_call_works_in_a_locale_without_utf_8(foreign, environment):
    sas = foreign / "schlüssel.json"
    for arguments, expected in (
            (("model", "--rx", CAPTURE, "--sa", sas, "-o", foreign / "o"), 0),
            (("compare", foreign / "o/model.trace.jsonl", foreign / "o/model.trace.jsonl"), 0),
            (("audit", CAPTURE, "--json", foreign / "ü.json"), 0),
            (("life", "--model"), 0),
            (("synth", "--list"), 0),
            (("synth", "zäh"), 2),
            (("bench", "--plot", foreign / "x.ü"), 2),
            (("verilog", "-o", foreign, "--preset", "ü"), 2),
            (("run", "--rx", foreign / "ü.pcap", "--sa", sas, "-o", foreign / "o"), 2),
            (("model", "--rx", foreign / "ü.pcap", "--sa", sas, "-o", foreign / "o"), 2),
            (("audit", foreign / "ü.pcap"), 2),
            ((), 0)):
        code, _, complaint = espnic(*arguments, environment=environment)
        assert (code, "Traceback" in complaint) == (expected, False), complaint
        assert complaint.count("\n") == (expected != 0)


def test_names_that_a_terminal_without_utf_8_cannot_show_are_shown_as_escapes(foreign):
    code, shown, complaint = espnic(
        "model", "--rx", CAPTURE, "--sa", foreign / "schlüssel.json", "-o", foreign / "o",
        environment=ASCII)
    assert (code, complaint) == (0, "") and rb"K\xf6ln\u2192Z\xfcrich" in shown


def test_terminal_without_utf_8_gets_a_spinner_that_it_can_show():
    for encoding in ("ascii", "utf-8"):
        written = io.BytesIO()
        console = Console(file=io.TextIOWrapper(written, encoding), force_terminal=True)
        with status(console, "Working"):
            pass
        console.file.flush()
        assert b"Working" in written.getvalue()


@pytest.mark.slow
def test_verilog_is_the_same_in_a_locale_without_utf_8(tmp_path, foreign):
    for environment, folder in ((ASCII, foreign), ({}, tmp_path / "there")):
        assert espnic("verilog", "-o", folder, "--sas", 16, environment=environment)[0] == 0
    for path in (tmp_path / "there").iterdir():
        assert (foreign / path.name).read_bytes() == path.read_bytes()
