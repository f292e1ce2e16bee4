"""A short soak of the engine, and proof that its judge sees what differs."""

import copy

import pytest

from espnic.model.interface.codes import (
    RxStatus,
    SaDirection,
    SaOperation,
    SaSelect,
    TxStatus,
)
from espnic.model.interface.layouts import TX_VERDICT
from espnic.model.sa.sa import command_values
from espnic.sim.build.orders import seed_for
from espnic.sim.soak.builds import BUILDS
from espnic.sim.soak.judge import Judge
from espnic.sim.soak.scenes import Scene, Story
from espnic.sim.soak.shard import run_scenes, run_story
from espnic.sim.soak.storyteller import Storyteller
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import RxFrame
from tests.support.sas import make_sa

FRAMES = 700
FRAMES_EACH = 6
TEXT = bytes(6) + b"\x00\x04"
SEED = 10
"""Seed of a story with scenes of all kinds, which a test below needs."""


def story_of(build, seed=SEED):
    return Storyteller(f"{seed} {build}", BUILDS[build]).tell(FRAMES)


def test_a_story_of_everything_at_once_is_the_model(width):
    seed = seed_for(SEED)
    print(f"W={width}, seed {seed}")
    judged = run_story(story_of(str(width), seed))
    assert judged.difference is None, f"seed {seed}: {judged.difference}"
    assert judged.judge.oracles.opened > 100 and judged.judge.oracles.authentic > 100


class Altered:
    """A story as the RTL played it, and what a judge finds when something of it was otherwise."""

    def __init__(self):
        self.story = story_of("128")
        session = run_scenes(self.story)
        assert not session.run.failures, f"seed {SEED}: {session.run.failures}"
        self.played = session.played

    def scene(self, suits):
        """Index of the first scene that suits."""
        return next(number for number, scene in enumerate(self.story.scenes)
                    if suits(scene, self.played[number]))

    def found(self, number, alter):
        """The first scene and difference found when ``alter`` has changed a scene as played."""
        judge, played = Judge(self.story.features), copy.deepcopy(self.played)
        alter(played[number])
        for at, (scene, seen) in enumerate(zip(self.story.scenes, played, strict=True)):
            difference = judge.judge(scene, seen)
            if difference is not None:
                return at, difference
        return None, None


def _flip_received(played):
    got = played.received[-1]
    played.received[-1] = type(got)(got.completion, got.frame[:-1] + bytes([got.frame[-1] ^ 1]))


def _other_status(played):
    got = played.received[0]
    status = (got.completion["status"] + 1) % len(RxStatus)
    played.received[0] = type(got)(got.completion | {"status": status}, got.frame)


def _flip_sent(played):
    played.sent[-1] = played.sent[-1][:-1] + bytes([played.sent[-1][-1] ^ 1])


def _swap_sent(played):
    played.sent[0], played.sent[1] = played.sent[1], played.sent[0]


def _lose_sent(played):
    played.sent.pop()
    played.left["tx"].pop()
    played.sidebands["tx"].pop()


def _other_sideband(played):
    played.sidebands["rx"][3] ^= 1


def _other_verdict(played):
    word = TX_VERDICT.unpack(played.taps["tx_verdict"][0])
    word["status"] = (word["status"] + 1) % len(TxStatus)
    played.taps["tx_verdict"][0] = TX_VERDICT.pack(word)


def _other_counter(played):
    played.counters["rx_bytes_in"] += 1


def _lose_event(played):
    played.events.pop()


def _other_event(played):
    played.events[0] = played.events[0] | {"sequence": played.events[0]["sequence"] ^ 1}


def _other_result(played):
    played.results[0] ^= 2


ALTERATIONS = (_flip_received, _other_status, _flip_sent, _swap_sent, _lose_sent, _other_sideband,
               _other_verdict, _other_counter, _other_result)


@pytest.mark.fixed_seed
def test_whatever_the_rtl_does_otherwise_is_found():
    """In quiet scenes and in those with commands among the frames, and before a reset."""
    altered = Altered()
    assert altered.found(0, lambda played: None) == (None, None)
    kinds = {
        "quiet": lambda scene, _: not scene.meanwhile and scene.reset_after is None,
        "disturbed": lambda scene, _: len(scene.meanwhile) > 1,
        "flushed": lambda scene, _: len(scene.meanwhile) == 1}
    for kind, suits in kinds.items():
        number = altered.scene(suits)
        for alter in ALTERATIONS:
            at, difference = altered.found(number, alter)
            assert at == number, f"{kind}, {alter.__name__}: {difference}"
    number = altered.scene(lambda scene, _: scene.reset_after is not None)
    for alter in (_flip_received, _flip_sent, _swap_sent, _other_result):
        assert altered.found(number, alter)[0] == number, alter.__name__


@pytest.mark.fixed_seed
def test_events_that_are_lost_or_others_are_found():
    altered = Altered()
    number = altered.scene(lambda _, played: len(played.events) > 1)
    for alter in (_lose_event, _other_event):
        assert altered.found(number, alter)[0] == number, alter.__name__


@pytest.mark.fixed_seed
def test_a_frame_under_an_sa_that_was_gone_before_it_came_is_found():
    """A frame of a disturbed scene is right under each SA that it may have met, and no other."""
    altered = Altered()
    number = altered.scene(lambda scene, _: len(scene.meanwhile) > 1)

    def later(played):
        for passage in played.entered["rx"], played.entered["tx"]:
            passage[:] = [(1 << 30, 1 << 30)] * len(passage)

    at, difference = altered.found(number, later)
    assert at == number and "among commands" in difference




@pytest.mark.fixed_seed
def test_frames_in_flight_count_for_their_own_sa_alone():
    """The SA that had the handle before was far ahead: its frames say nothing of the next."""
    before, after = (
        make_sa(seed=seed, esn=True, replay_window=64, device_window=True, initial_seq=first)
        for seed, first in ((1, 7 << 32), (2, 100)))

    def command(operation, sa=None, select=SaSelect.NOTHING):
        return command_values(operation, SaDirection.RX, 1, sa, select)

    def sealed(sa):
        return tuple(RxFrame(frames.sealed(sa, TEXT, sa.initial_seq + number))
                     for number in range(FRAMES_EACH))

    scenes = (
        Scene((command(SaOperation.ADD, before),), rx=sealed(before)),
        Scene((command(SaOperation.DELETE), command(SaOperation.FREE),
               command(SaOperation.ADD, after)), rx=(*[RxFrame(bytes(60))] * 4, *sealed(after)),
              meanwhile=((0, command(SaOperation.MODIFY, after, SaSelect.SOFT)),)))
    judged = run_story(Story(BUILDS["128"], SEED, scenes))
    assert judged.difference is None
    assert judged.judge.oracles.opened == 2 * FRAMES_EACH
