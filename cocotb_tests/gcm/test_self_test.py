"""The known-answer test of a core that the bench plays: right, or wrong in one way."""

import random
from dataclasses import dataclass, replace
from itertools import product

import cocotb
import pytest
from cocotb.triggers import ClockCycles, FallingEdge

from espnic.hdl.gcm.self_test import ANSWER_CLOCKS, KnownOrder, SelfTest
from espnic.hdl.layouts import beat
from espnic.model.crypto import gcm
from espnic.model.interface.features import WIDTHS
from espnic.model.interface.known_answers import KNOWN_ANSWERS
from espnic.sim.agents.beats import to_beats, to_packets
from espnic.sim.agents.side_by_side import Ports, SideBySide, bench_widths
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.gcm_packets import joins
from tests.support.quick import simulate_quick

CORE_CLOCKS = 25
"""Latency of the core that the bench plays."""
COMPARE_CLOCKS = 1
"""Clocks before the end of a test by which the answer must have come."""
SIDES = [False, True]


def name_of(width, decrypt):
    return f"{'open' if decrypt else 'seal'}{width}"


@dataclass
class Answer:
    """Beats and tags that the core gives, after so many clocks."""

    texts: list[int]
    tags: list[int]
    clocks: int = CORE_CLOCKS
    gap: int = 4
    """Clocks from the last beat to the tag."""
    spacing: int = 1
    """Clocks from one beat to the next."""


class Bench:
    """A path and a core around the block, and the frames that pass it."""

    @classmethod
    async def start(cls, dut, width, decrypt):
        await start_clock_and_reset(dut)
        return cls(dut, width, decrypt)

    def __init__(self, dut, width, decrypt):
        self.dut, self.width, self.decrypt = dut, width, decrypt
        self.chance = random.Random(cocotb.RANDOM_SEED)
        self.ports = Ports(dut, name_of(width, decrypt))
        self.orders = self.ports.sink("order")
        self.texts = self.ports.sink("text_o")
        self.results, self.tags = self.ports.sink("result_o"), self.ports.sink("tag_o")

    def get(self, name):
        return int(self.ports.handle(name).value)

    def set(self, name, value):
        self.ports.handle(name).value = value

    def asked(self, number):
        """The text that the core must get, by the model."""
        known = KNOWN_ANSWERS[number]
        sealed, _ = gcm.seal(known.key, known.salt + known.iv, known.aad, known.text)
        return sealed if self.decrypt else known.text

    def right(self, number):
        """The answer of a right core, by the model."""
        known = KNOWN_ANSWERS[number]
        text, tag = (gcm.open if self.decrypt else gcm.seal)(
            known.key, known.salt + known.iv, known.aad, self.asked(number))
        return Answer(to_beats(self.width, text), [int.from_bytes(tag, "little")])

    async def play(self, answer):
        """Give the answer of a core."""
        await ClockCycles(self.dut.clk, answer.clocks)
        for port, words, spacing in (("result_i", answer.texts, answer.spacing),
                                     ("tag_i", answer.tags, 1)):
            for word in words:
                self.set(f"{port}__payload", word)
                self.set(f"{port}__valid", 1)
                await ClockCycles(self.dut.clk, 1)
                if spacing > 1:
                    self.rest(port)
                    await ClockCycles(self.dut.clk, spacing - 1)
            self.rest(port)
            await ClockCycles(self.dut.clk, answer.gap)

    def rest(self, port):
        """Give nothing at a port, and bits that mean nothing."""
        self.set(f"{port}__payload", self.chance.getrandbits(128))
        self.set(f"{port}__valid", 0)

    async def test(self, number, answer, still=3):
        """Ask for a test, and give whether it passed and how many clocks it took when still."""
        self.set("run__answer", number)
        self.set("run__go", 1)
        self.set("still", 0)
        orders = len(self.orders.items)
        await ClockCycles(self.dut.clk, 1 + still)
        assert self.get("hold") and not self.get("active")
        assert len(self.orders.items) == orders
        self.set("still", 1)
        core = cocotb.start_soon(self.play(answer))
        clocks = 0
        while True:
            await FallingEdge(self.dut.clk)
            if self.get("run__ended"):
                break
            clocks += 1
            assert clocks < 3 * ANSWER_CLOCKS
        passed = bool(self.get("run__passed"))
        await ClockCycles(self.dut.clk, 1)
        self.set("run__go", 0)
        self.set("still", 0)
        self.set("failed", int(not passed))
        await core
        await ClockCycles(self.dut.clk, 4)
        assert not self.get("hold") and not self.get("active")
        return passed, clocks

    async def check_asked(self, number):
        """The core was asked what it is known to answer, once."""
        known = KNOWN_ANSWERS[number]
        wanted = {
            "gcm": {"key_size": known.key_size, "aad": int.from_bytes(known.aad, "little"),
                    "aad_bytes": len(known.aad), "text_bytes": len(known.text),
                    "joins": joins(len(known.text))},
            "sequence": known.sequence, "iv": int.from_bytes(known.iv, "big")}
        check_items(await self.orders.receive(1), [wanted], layout=KnownOrder)
        assert to_packets(self.width, self.texts.items) == [self.asked(number)]
        assert not self.orders.items
        self.texts.items.clear()

    async def check_frames_pass(self):
        """Texts, results and tags of frames pass as they come, in their clock."""
        self.set("failed", 0)
        await ClockCycles(self.dut.clk, 1)
        words = to_beats(self.width, self.chance.randbytes(3 * self.width // 8 + 1))
        for port, sink, sent in (
                ("text", self.texts, words), ("result", self.results, words),
                ("tag", self.tags, [self.chance.getrandbits(128) for _ in range(3)])):
            before = self.ports.clock
            self.ports.source(f"{port}_i").send(*sent)
            assert await sink.receive(len(sent)) == sent
            assert self.ports.clock - before <= len(sent) + 1
        await ClockCycles(self.dut.clk, 2)


ALL_BLOCKS = {"width": bench_widths(), "decrypt": SIDES}


@cocotb.test()
@cocotb.parametrize(**ALL_BLOCKS)
async def a_right_answer_passes_and_shows_nothing(dut, width, decrypt):
    bench = await Bench.start(dut, width, decrypt)
    await bench.check_frames_pass()
    for number, spacing in product(range(len(KNOWN_ANSWERS)), (1, 2)):
        passed, clocks = await bench.test(number, replace(bench.right(number), spacing=spacing))
        assert passed
        assert clocks == ANSWER_CLOCKS + 1
        await bench.check_asked(number)
        assert not bench.results.items and not bench.tags.items
    await bench.check_frames_pass()


def flipped(word, bit):
    return word ^ 1 << bit


def latest_gap(answer):
    """Most clocks from the last beat to the tag for which an answer is in time."""
    return ANSWER_CLOCKS - COMPARE_CLOCKS - CORE_CLOCKS - answer.spacing * len(answer.texts)


def wrong_answers(bench, number):
    """Answers with one fault, by the name of the fault."""
    chance, right = bench.chance, bench.right(number)
    data_bits = 8 * len(KNOWN_ANSWERS[number].text)
    for bit in [0, data_bits - 1, *(chance.randrange(data_bits) for _ in range(8))]:
        place, low = divmod(bit, bench.width)
        texts = list(right.texts)
        texts[place] = flipped(texts[place], low)
        yield f"bit {bit} of the text", Answer(texts, right.tags)
    for bit in [0, 127, *(chance.randrange(128) for _ in range(8))]:
        yield f"bit {bit} of the tag", Answer(right.texts, [flipped(right.tags[0], bit)])
    last = flipped(right.texts[-1], beat(bench.width)["last"].offset)
    yield "an end that is none", Answer([*right.texts[:-1], last], right.tags)
    yield "a beat that is missing", Answer(right.texts[:-1], right.tags)
    yield "a beat more", Answer([*right.texts, right.texts[-1]], right.tags)
    yield "no text", Answer([], right.tags)
    yield "no tag", Answer(right.texts, [])
    yield "a second tag", Answer(right.texts, 2 * right.tags)
    yield "nothing", Answer([], [])
    yield "too late", Answer(right.texts, right.tags, ANSWER_CLOCKS)
    late = latest_gap(right) + 1
    yield "a tag that is too late", Answer(right.texts, right.tags, gap=late)


@cocotb.test()
@cocotb.parametrize(**ALL_BLOCKS)
async def a_wrong_answer_fails_and_is_hidden_and_a_right_one_passes_again(dut, width, decrypt):
    bench = await Bench.start(dut, width, decrypt)
    for number in range(len(KNOWN_ANSWERS)):
        for fault, answer in wrong_answers(bench, number):
            passed, _ = await bench.test(number, answer)
            assert not passed, fault
            assert not bench.results.items and not bench.tags.items, fault
        bench.orders.items.clear()
        bench.texts.items.clear()
        latest = bench.right(number)
        latest.gap = latest_gap(latest)
        assert (await bench.test(number, latest))[0]
        await bench.check_asked(number)
    await bench.check_frames_pass()


@cocotb.test()
@cocotb.parametrize(**ALL_BLOCKS)
async def a_test_waits_until_the_path_is_still_while_frames_in_it_go_on(dut, width, decrypt):
    bench = await Bench.start(dut, width, decrypt)
    bench.set("run__go", 1)
    await ClockCycles(dut.clk, 3)
    words = to_beats(width, bench.chance.randbytes(width // 2))
    bench.ports.source("text_i").send(*words)
    bench.ports.source("result_i").send(*words)
    assert await bench.texts.receive(len(words)) == words
    assert await bench.results.receive(len(words)) == words
    bench.ports.handle("result_i__valid").value = 0
    passed, _ = await bench.test(0, bench.right(0), still=300)
    assert passed


@cocotb.test()
@cocotb.parametrize(**ALL_BLOCKS)
async def a_core_that_has_failed_shows_nothing(dut, width, decrypt):
    bench = await Bench.start(dut, width, decrypt)
    bench.set("failed", 1)
    await bench.play(bench.right(0))
    assert not bench.results.items and not bench.tags.items


def blocks(widths):
    return SideBySide({name_of(width, decrypt): SelfTest(width, decrypt)
                       for width in widths for decrypt in SIDES})


@pytest.mark.quick
def test_right_and_wrong_answers_in_short():
    simulate_quick(
        blocks([128]), "a_right_answer_passes_and_shows_nothing",
        "a_wrong_answer_fails_and_is_hidden_and_a_right_one_passes_again",
        name="self_test", module=__name__, environment={"WIDTHS": "128"})


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_right_answers_pass_and_wrong_ones_fail(simulator):
    simulate(blocks(WIDTHS), name="self_test", module=__name__, simulator=simulator)
