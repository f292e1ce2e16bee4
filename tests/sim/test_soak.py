"""The soak without RTL: stories, their files, oracles, shrinking and the command."""

import contextlib
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    RxStatus,
    SaDirection,
    SaOperation,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.model.sa.sa import command_values
from espnic.sim.coverage.functional import Functional
from espnic.sim.problem import InputError, Mismatch
from espnic.sim.soak import command, esp, scenes
from espnic.sim.soak.builds import BUILDS, chosen
from espnic.sim.soak.oracles import Oracles
from espnic.sim.soak.requested import MARK
from espnic.sim.soak.scenes import Scene
from espnic.sim.soak.shard import Result
from espnic.sim.soak.shrink import Shrinker
from espnic.sim.soak.storyteller import Storyteller
from espnic.sim.traffic import frames
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import Received, RxFrame, TxFrame
from tests.support.sas import all_kinds_of_sa, device_with, make_sa, sa_id

FRAMES = 400


def tell(seed, build="128", frames=FRAMES, wanted=()):
    return Storyteller(seed, BUILDS[build], wanted).tell(frames)


# Stories


def test_a_story_is_the_same_from_its_seed():
    assert tell("7.0.0") == tell("7.0.0")
    assert tell("7.0.0") != tell("7.0.1")


@pytest.mark.parametrize("build", BUILDS)
def test_a_story_has_frames_of_the_directions_that_a_build_has(build):
    features = BUILDS[build]
    story = tell(1, build)
    assert bool(sum(len(scene.rx) for scene in story.scenes)) == features.receive
    assert bool(sum(len(scene.tx) for scene in story.scenes)) == features.transmit
    assert story.features == features


def test_stories_have_everything_at_once():
    told = [scene for seed in range(12) for scene in tell(seed).scenes]
    lengths = {len(frame.data) for scene in told for frame in (*scene.rx, *scene.tx)}
    assert min(lengths) == 1 and max(lengths) > FRAME_BYTES_MAX
    assert any(scene.reset_after is not None for scene in told)
    among = {values["operation"] for scene in told for _, values in scene.meanwhile}
    assert among >= set(SaOperation)
    assert any(scene.stall and scene.gap for scene in told)
    assert any(frame.bad for scene in told for frame in scene.rx)
    assert any(frame.null_end for scene in told for frame in scene.rx)
    assert any(frame.descriptor.get("lso") for scene in told for frame in scene.tx)


def test_the_model_gives_frames_of_a_story_nearly_every_status():
    seen = set()
    for seed in range(12):
        story = tell(seed)
        steps = [step for scene in story.scenes for step in scene.steps()]
        outcome = run_model(steps, story.features)
        seen |= {(record.point, record.fields["status"]) for record in outcome.trace
                 if record.point.endswith("verdict")}
    never = {("rx.verdict", status.name) for status in (RxStatus.SA_GONE, RxStatus.FAULT)}
    never |= {("tx.verdict", status.name) for status in (
        TxStatus.DROP_SA_GONE, TxStatus.DROP_FAULT, TxStatus.DROP_UNSUPPORTED)}
    wanted = {("rx.verdict", status.name) for status in RxStatus}
    wanted |= {("tx.verdict", status.name) for status in TxStatus}
    seldom = {("tx.verdict", TxStatus.DROP_LSO_OVERSIZE.name)}
    assert never <= wanted - seen <= never | seldom


def test_traffic_is_steered_to_holes():
    hole = {"cross": "rx.sa", "status": "OK", "family": 6, "mode": "transport", "key": 192,
            "icv": 12, "esn": True, "encapsulation": "udp", "width": 128}

    def share(wanted):
        added = [values for seed in range(4) for scene in tell(seed, wanted=wanted).scenes
                 for values in scene.commands
                 if values["operation"] == SaOperation.ADD and values["direction"] == 0]
        fit = [values for values in added if values.get("key_size") == 1
               and values.get("icv_size") == 1 and values.get("ipv6") and values.get("esn")]
        return len(fit) / len(added)

    assert share([hole]) > 0.4 > 0.1 > share([])


# Files


def test_a_story_is_read_back_as_it_was_written(tmp_path):
    story = tell(5)
    scenes.write(tmp_path / "story.json", story)
    assert scenes.read(tmp_path / "story.json") == story


@pytest.mark.parametrize("text, expected", [
    ("{", "no JSON"), ("[]", "not a story"), ('{"version": 9}', "version 9, expected 1"),
    ('{"version": 1}', "not a story"),
    ('{"version": 1, "features": {"width": 100}, "seed": 1, "scenes": []}', "not a story"),
    ('{"version": 1, "features": {}, "seed": 1, "scenes": [{}]}', "not a story"),
])
def test_a_file_that_is_no_story_is_refused_in_one_line(tmp_path, text, expected):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=expected) as refused:
        scenes.read(path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_an_unknown_build_is_refused():
    with pytest.raises(InputError, match="--build 64: expected one of 128, "):
        chosen(("64",))


# Oracles


@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
def test_esp_of_the_oracles_is_that_of_the_model(sa):
    added = command_values(SaOperation.ADD, SaDirection.RX, 1, sa)
    text, number = bytes(range(66)) + b"\x00\x04", (3 << 32 if sa.esn else 0) + 9
    packet = esp.seal(added, number, bytes(8), text)
    frame = frames.carried(sa, packet)
    in_place = replace(sa, esn_high=number >> 32)
    result = device_with(in_place).receive(frame)
    assert result.status == RxStatus.OK
    at = frame.index(packet) + esp.HEADER_BYTES
    assert result.frame[at:at + len(text)] == text
    assert esp.open_packet(added, packet, number >> 32) == text
    for bit in (0, 70, 8 * len(packet) - 1):
        wrong = bytearray(packet)
        wrong[bit // 8] ^= 0x80 >> bit % 8
        assert esp.open_packet(added, bytes(wrong), number >> 32) is None


class Case:
    """A frame each way under one SA, as the model treats them."""

    def __init__(self, **change):
        self.sa = make_sa(**change)
        self.oracles = Oracles()
        for direction in SaDirection:
            self.oracles.learn([command_values(SaOperation.ADD, direction, 1, self.sa)])
        device = device_with(self.sa)
        self.wire = RxFrame(frames.sealed(self.sa, MARK + bytes(22) + b"\x00\x04"))
        result = device.receive(self.wire.data)
        self.received = Received(result.completion, result.frame)
        body = self.sa.spi.to_bytes(4, "big") + bytes(12) + MARK + bytes(22)
        clear = frames.carried(self.sa, body)
        self.request = TxFrame({
            "operation": int(TxOperation.ENCRYPT), "sa": 1, "sequence": 5,
            "esp_offset": clear.index(body), "next_header": 4}, clear)
        self.sent, = device.transmit(self.request.descriptor, clear).frames

    def judge_sent(self, *sent, statuses=((TxStatus.SEALED,),)):
        return self.oracles.judge_sent([self.request] * len(sent), statuses, sent)


def test_oracles_find_nothing_wrong_with_what_the_model_does():
    case = Case(esn=True)
    assert case.oracles.judge_received([case.wire], [case.received]) is None
    assert case.judge_sent(case.sent) is None
    assert case.oracles.opened == case.oracles.authentic == 1


def test_oracles_find_a_frame_that_was_opened_wrongly():
    case = Case()
    for wrong in (case.wire.data, case.received.frame[:-1] + b"\0", case.received.frame[:-1]):
        assert "not the decryption" in case.oracles.judge_received(
            [case.wire], [replace(case.received, frame=wrong)])


def test_oracles_find_plaintext_of_a_frame_that_was_not_opened():
    case = Case()
    failed = RX_COMPLETION.zeros | {"status": int(RxStatus.AUTH_FAILED)}
    assert "not opened, but changed" in case.oracles.judge_received(
        [case.wire], [Received(failed, case.received.frame)])


def test_oracles_find_a_frame_opened_with_a_forged_icv():
    case = Case()
    forged = RxFrame(case.wire.data[:-1] + bytes([case.wire.data[-1] ^ 1]))
    opened = replace(case.received, frame=case.received.frame[:-1] + forged.data[-1:])
    assert "not the decryption" in case.oracles.judge_received([forged], [opened])


def test_oracles_find_what_is_sent_in_clear_or_not_authentic():
    case = Case()
    assert "clear bytes" in case.judge_sent(case.request.data)
    assert "not authentic" in case.judge_sent(case.sent[:-1] + bytes([case.sent[-1] ^ 1]))
    assert "status BYPASSED" in case.judge_sent(case.sent, statuses=[[TxStatus.BYPASSED]])


def test_oracles_find_a_key_and_iv_that_are_used_twice():
    case = Case()
    assert "second time" in case.judge_sent(
        case.sent, case.sent, statuses=[[TxStatus.SEALED]] * 2)
    case = Case(unguarded=True)
    assert case.judge_sent(case.sent, case.sent, statuses=[[TxStatus.SEALED]] * 2) is None


# Shrinking


def test_a_difference_is_shrunk_to_the_frame_and_the_command_that_make_it():
    story = tell(3)
    frame = story.scenes[1].tx[15]
    command = story.scenes[0].commands[7]

    def differs(smaller):
        shown = [frame.data[:4] == other.data[:4] and len(other.data) >= 9
                 for scene in smaller.scenes for other in scene.tx]
        return any(shown) and any(command in scene.commands for scene in smaller.scenes)

    small = Shrinker(differs, 60).shrink(story)
    assert small.frames == 1 and differs(small)
    assert sum(len(scene.commands) for scene in small.scenes) == 1
    assert all(scene.gap == scene.stall == 0 for scene in small.scenes)
    (left,) = [frame for scene in small.scenes for frame in scene.tx]
    assert len(left.data) < 18 or len(left.data) == len(frame.data) < 18


def test_shrinking_ends_when_its_time_is_over():
    story = tell(3)
    shrinker = Shrinker(lambda smaller: True, 0)
    assert shrinker.shrink(story) == story and shrinker.runs == 0


def test_a_scene_is_all_that_the_rig_gets():
    scene = Scene(({"operation": 4},), (4500,), meanwhile=((5, {"operation": 6}),), gap=3, stall=4)
    load = scene.load()
    assert load.reads and load.commands == scene.commands and load.meanwhile == scene.meanwhile
    assert not replace(scene, reset_after=9).load().reads


def test_json_has_no_object_of_its_own(tmp_path):
    story = tell(2)
    scenes.write(tmp_path / "story.json", story)
    assert json.loads((tmp_path / "story.json").read_text())["version"] == scenes.VERSION


# The command


class Workers:
    """Workers that run no RTL: a story with the command ``wrong`` differs, every other is right."""

    def __init__(self, monkeypatch, wrong=None):
        self.jobs = []
        self.wrong = wrong

        @contextlib.contextmanager
        def pool(_cluster, _jobs):
            yield self

        monkeypatch.setattr(command, "pool", pool)
        monkeypatch.setattr(command, "run_story", self.judged)

    @property
    def workers(self):
        return 1

    def run(self, _function, jobs, _group):
        for job in jobs:
            self.jobs.append(job)
            story = job.story()
            difference = self.judged(story).difference
            yield job, Result(
                frames=story.frames, sent=1, opened=2, authentic=3, commands=4, resets=5, clocks=6,
                simulated=1.0, seconds=2.0, coverage=Functional().to_json(),
                difference=difference, story=story if difference else None)

    def judged(self, story):
        """The judgement on a story, as far as the command needs it."""
        differs = any(values == self.wrong for scene in story.scenes
                      for values in scene.commands)
        return SimpleNamespace(difference="scene 1: other" if differs else None)


def soak(tmp_path, **values):
    console = Console(file=(tmp_path / "printed").open("w"), width=200)
    command.soak(command.Request(tmp_path / "out", **values), console)


def test_a_soak_ends_after_its_frames_and_says_what_it_did(tmp_path, monkeypatch):
    workers = Workers(monkeypatch)
    soak(tmp_path, builds=("128", "512"), frames=9_000, seed=3)
    document = json.loads((tmp_path / "out" / "soak.json").read_text())
    assert document["seed"] == 3 and 9_000 <= document["frames"] < 10_000
    assert set(document["builds"]) == {"128", "512"}
    assert document["builds"]["128"]["rounds"] == 2
    assert sum(job.build == "512" for job in workers.jobs) == 2
    Functional.from_json((tmp_path / "out" / "coverage.json").read_text())


def test_a_soak_is_the_same_whatever_its_jobs(tmp_path, monkeypatch):
    given = []
    for jobs in (1, 5):
        workers = Workers(monkeypatch)
        soak(tmp_path, builds=("128", "256-plain"), frames=13_000, seed=3, jobs=jobs)
        given.append(workers.jobs)
    assert given[0] == given[1] and len(given[0]) > 4
    assert len({(job.build, job.seed) for job in given[0]}) == len(given[0])


def test_lanes_are_rounds_of_a_build_with_seeds_of_their_own(tmp_path, monkeypatch):
    workers = Workers(monkeypatch)
    soak(tmp_path, builds=("128",), frames=2_000, seed=3, lanes=4)
    assert len({job.seed for job in workers.jobs}) == 4
    assert all(job.frames == 500 for job in workers.jobs)


def test_a_difference_ends_a_soak_and_is_kept_small(tmp_path, monkeypatch):
    first = command.Round("128", "3.0.0", command.FRAMES_A_ROUND).story()
    workers = Workers(monkeypatch, wrong=first.scenes[0].commands[3])
    # Steered to no hole, the round is the one above.
    monkeypatch.setattr(command.Functional, "holes", lambda self: [])
    with pytest.raises(Mismatch, match="shown by 0 frames and 1 commands") as found:
        soak(tmp_path, builds=("128",), frames=50_000, seed=3)
    folder = tmp_path / "out" / "difference"
    assert f"--repeat {folder / 'story.json'}" in str(found.value)
    assert scenes.read(folder / "whole-story.json") == first
    assert scenes.read(folder / "story.json").scenes == (
        Scene(commands=(first.scenes[0].commands[3],)),)
    assert len(workers.jobs) == 1
    console = Console(file=(tmp_path / "repeated").open("w"))
    with pytest.raises(Mismatch, match="scene 1: other"):
        command.repeat(folder / "story.json", console)
    workers.wrong = None
    command.repeat(folder / "story.json", console)
