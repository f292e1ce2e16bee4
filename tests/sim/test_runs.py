"""Loads of the rig: how steps become loads, and what is read from the files of a run."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from espnic.model.interface.codes import SaDirection, SaOperation
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.sim.problem import SimulationError
from espnic.sim.rig import engine, runs
from espnic.sim.rig.runs import Load
from espnic.sim.rig.taps import TAP_NAMES
from espnic.sim.traffic.steps import Command, RxFrame, TxFrame

ADD, DELETE = (Command({"operation": operation, "direction": SaDirection.TX})
               for operation in (SaOperation.ADD, SaOperation.DELETE))
A, B = RxFrame(b"a"), RxFrame(b"b")
REQUEST = TxFrame({"sa": 1}, bytes(range(20)))
COMPLETION = RX_COMPLETION.pack({"sa": 5})


def test_command_behind_a_frame_begins_another_load():
    parts = [(load.commands, load.rx, load.tx, load.gap, load.stall) for load in engine.loads_of(
        [A, ADD, DELETE, B, REQUEST, A, DELETE], stall=0.5)]
    assert parts == [
        ((), (A,), (), 128, 128),
        ((ADD.values, DELETE.values), (B, A), (REQUEST,), 128, 128),
        ((DELETE.values,), (), (), 128, 128)]


def test_beats_are_written_with_noise_where_nobody_may_look(tmp_path):
    load = Load([TxFrame({"sa": 1}, bytes(range(18)))], [])
    runs.write_load(tmp_path / "0", load, runs.EngineRig(None, 128, 16))
    first, second = (tmp_path / "0" / "tx.play").read_text().splitlines()
    user = runs.TX_DESCRIPTOR.pack({"sa": 1})
    assert first == f"0 ffff {user:x} {bytes(range(16))[::-1].hex()}"
    last, keep, other, data = second.split()
    assert (last, keep, data) == ("1", "3", 14 * "a5" + "1110")
    assert int(other, 16) != user


def test_a_bad_frame_is_told_on_its_last_beat_and_the_sideband_on_the_first(tmp_path):
    frames = [RxFrame(bytes(range(32)), bad, 0x15, null_end) for bad in (False, True)
              for null_end in (False, True)]
    frames.append(RxFrame(bytes(9), True, 0x15))
    runs.write_load(tmp_path / "0", Load([TxFrame({}, bytes(17), 0x15)], frames),
                    runs.EngineRig(None, 128, 16, sideband=6))
    beats = [line.split() for line in (tmp_path / "0" / "rx.play").read_text().splitlines()]
    users = [format(int(user, 16), "07b") for _, _, user, _ in beats]
    assert [user[:-1] for user in users] == [
        "010101", "101010", "010101", "101010", "101010",
        "010101", "101010", "010101", "101010", "101010", "010101"]
    assert [user[-1] for user in users] == [*"10", *"110", *"01", *"001", "1"]
    assert [(last, keep) for last, keep, _, _ in beats[2:5]] == [
        ("0", "ffff"), ("0", "ffff"), ("1", "0")]
    first, second = (int(line.split()[2], 16) >> runs.TX_DESCRIPTOR.bits for line in
                     (tmp_path / "0" / "tx.play").read_text().splitlines())
    assert (first, second) == (0b010101, 0b101010)


def test_a_beat_without_bytes_comes_only_behind_whole_beats(tmp_path):
    with pytest.raises(ValueError, match="null_end: behind 31 bytes"):
        runs.write_load(tmp_path / "0", Load([], [RxFrame(bytes(31), null_end=True)]),
                        runs.EngineRig(None, 128, 16))


def write_results(folder, ran=(), **files):
    """Write the rig's results of one frame each way, unless ``files`` says otherwise."""
    folder.mkdir(exist_ok=True)
    texts = {f"{name}.tap": "" for name in TAP_NAMES}
    texts |= {"tx_verdict.tap": "0\n", "rx_verdict.tap": f"{COMPLETION:x}\n"}
    texts |= {"tx.log": "10 11\n", "rx.log": "10 10\n"}
    texts |= {"tx.record": "20 0 3 z 0100\n22 1 1 z ff02\n",
              "rx.record": f"30 1 1 {COMPLETION:x} 0061\n"}
    texts |= {name.replace("_", ".", 1): text for name, text in files.items()}
    for name, text in texts.items():
        (folder / name).write_text(text)
    values = {"results": [0], "gaps": {"tx": 0, "rx": 0}, "clocks": 99, "seconds": 0.5,
              "stuck": False, "meanwhile": [], "events": [], "counters": {}} | dict(ran)
    (folder / "ran.json").write_text(json.dumps(values))


@pytest.fixture
def fake_run(monkeypatch, tmp_path):
    """Put files in the place of the simulation; gives the settings of ``write_results``."""
    settings = {}

    def run(_built, *, module, seed, environment):
        folder = runs.Path(json.loads(environment["ESPNIC_JOB"])["folder"])
        write_results(folder / "0", **settings)
        (folder / "counters.json").write_text('{"rx_packets_in": 1}')
        directory = tmp_path / "run"
        directory.mkdir(exist_ok=True)
        return SimpleNamespace(failures=(), log="run.log", directory=directory)

    monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path))
    monkeypatch.setattr(runs, "run", run)
    return settings


RIG = runs.EngineRig(None, 16, 16)
LOAD = Load([TxFrame({}, b"\0\1\2")], [RxFrame(b"a")])


def test_frames_clocks_and_taps_are_read(fake_run):
    played, = runs.play(RIG, [LOAD])
    assert played.sent == [b"\x00\x01\x02"]
    assert [(got.frame, got.completion["sa"]) for got in played.received] == [(b"a", 5)]
    assert played.passages("tx") == [runs.Passage(10, 11, 20, 22)]
    assert played.taps["rx_verdict"] == [COMPLETION]


def test_replay_counts_from_the_first_beat_in_to_the_last_out(fake_run):
    replayed = engine.replay(RIG, [ADD, *LOAD.tx, *LOAD.rx], engine.Options(width=16))
    assert (replayed.clocks, replayed.seconds, replayed.problem) == (30 - 10 + 1, 0.5, None)
    assert replayed.outcome.results == [0]
    assert replayed.outcome.counters == {"rx_packets_in": 1}


@pytest.mark.parametrize(("settings", "said"), [
    ({"ran": {"stuck": True}, "rx_record": ""},
     "nothing moves; tx: 1 of 1 frames went in, 1 were judged, 1 came out; "
     "rx: 1 of 1 frames went in, 1 were judged, 0 came out"),
    ({"rx_record": "7\n"}, "m_axis_rx: clock 7: a beat was withdrawn or changed before tready"),
    ({"tx_record": "7\n", "rx_record": "8\n"}, "m_axis_rx: clock 8: a beat was withdrawn"),
    ({"tx_record": "7 1 2 z 0000\n"}, "m_axis_tx: clock 7: tkeep 2 with tlast 1"),
    ({"tx_record": "7 0 1 z 0000\n"}, "m_axis_tx: clock 7: tkeep 1 with tlast 0"),
    ({"rx_record": "7 0 3 5 0000\n8 1 1 6 0000\n"},
     "m_axis_rx: clock 8: tuser changes within a frame"),
])
def test_what_goes_wrong_is_named(fake_run, settings, said):
    fake_run |= settings
    assert said in engine.replay(RIG, [*LOAD.tx, *LOAD.rx], engine.Options(width=16)).problem
    with pytest.raises(SimulationError, match=said):
        runs.play(RIG, [LOAD])


def test_a_frame_that_a_reset_cuts_and_what_came_meanwhile_are_told(fake_run, tmp_path):
    event = {"kind": 1, "direction": 0, "sa": 3, "sequence": 4}
    fake_run |= {"tx_record": "20 0 3 z 0100\n", "ran": {
        "meanwhile": [[3, 9, 6]], "events": [event], "counters": {"rx_ok": 2}}}
    load = replace(LOAD, reset_after=30, meanwhile=((5, {"operation": 4}),), reads=True)
    (tmp_path / "loads").mkdir()
    played, = runs.run_loads(RIG, [load], tmp_path / "loads", 1).played
    assert played.problem is None and played.sent == []
    assert played.cut == {"tx": b"\0\1"} and len(played.received) == 1
    assert played.meanwhile == [runs.Given(3, 9, 6)]
    assert played.events == [event] and played.counters == {"rx_ok": 2}
    given = json.loads((tmp_path / "loads" / "0" / "load.json").read_text())
    assert given["reset_after"] == 30 and given["reads"] and given["meanwhile"] == [
        [5, {"operation": 4}]]


def test_dropped_frame_is_no_problem_unless_all_must_come_out(fake_run):
    fake_run["tx_record"] = ""
    assert engine.replay(RIG, [*LOAD.tx, *LOAD.rx], engine.Options(width=16)).problem is None
    with pytest.raises(SimulationError, match="tx: of 1 frames 0 came out"):
        runs.play(RIG, [LOAD])


SUPER = Load([TxFrame({"lso": 1, "mss": 2, "header_bytes": 1}, b"\0\1\2\3")], LOAD.rx)


def test_super_frame_must_come_out_in_its_segments(fake_run):
    with pytest.raises(SimulationError, match="tx: of 2 frames 1 came out"):
        runs.play(RIG, [SUPER])
    fake_run["tx_record"] = "20 0 3 z 0100\n22 1 1 z ff02\n24 1 3 z 0100\n"
    played, = runs.play(RIG, [SUPER])
    assert played.passages("tx", 2) == [runs.Passage(10, 11, 20, 24)]
