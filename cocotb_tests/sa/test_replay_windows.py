"""The replay windows: every answer, begin and event is that of the model's windows."""

import random

import cocotb
import pytest
from cocotb import start_soon
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.layouts import Event
from espnic.hdl.sa.replay_windows import (
    ReplayState,
    WindowAnswer,
    WindowEnd,
    WindowQuery,
    WindowRead,
    WindowWrite,
    window_bits,
)
from espnic.model.esp import esn
from espnic.model.esp.replay import Window
from espnic.model.interface.codes import EventKind, RxStatus, SaDirection
from espnic.model.sa.sa import DEVICE_WINDOWS
from espnic.sim.agents.beats import pack, unpack
from espnic.sim.agents.side_by_side import SideBySide
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_item, check_items
from tests.support.memory_faults import flip, memories_hidden, row_bits, told_of, word_of
from tests.support.quick import simulate_quick
from tests.support.sa_table import memories_of

SAS = 16
LARGEST = (32, 128, 256, 1024, 4096)
TWO_32 = 1 << 32


class Frame:
    """A frame to be judged."""

    def __init__(self, sa, sequence, authentic=True):
        self.sa = sa
        self.sequence = sequence
        self.authentic = authentic


class Walk:
    """Sequence numbers around the end of one SA's window, which moves on with them."""

    def __init__(self, chance, window):
        self._chance = chance
        self._last = (1 << (64 if window.extended else 32)) - 1
        self._size = window.packets
        self._top = window.top

    def number(self):
        chance, size = self._chance, self._size
        step = chance.choice((
            1, 1, 1, 0, -1, -size, 1 - size, size, -chance.randrange(2 * size),
            -chance.randrange(size), chance.randrange(3 * size)))
        if chance.random() < 0.03:
            step = chance.choice((1 << 31, TWO_32 - size, TWO_32, TWO_32 - chance.randrange(9)))
        number = min(max(self._top + step, 0), self._last)
        if chance.random() < 0.9:
            self._top = max(self._top, number)
        return number


def random_window(chance, largest):
    """A window somewhere in the number space."""
    size = chance.choice([size for size in DEVICE_WINDOWS if size <= largest])
    extended = chance.random() < 0.6
    last = (1 << (64 if extended else 32)) - 1
    places = [0, 0, size // 2, (1 << 31) - 9, TWO_32 - 9, last - 3 * size, last - 9]
    if extended:
        places += [TWO_32, TWO_32 + size // 2, (5 << 32) - 2, 1 << 63]
    return Window(size, extended, chance.choice(places))


class Bench:
    """The block and, beside it, a window of the model for each SA; checks in every clock.

    ``frames`` are judged in order; of each the clock in which its answer was taken is noted.
    """

    def __init__(self, dut, largest, *, idle=0.0, stall=0.0):
        self.chance = random.Random(cocotb.RANDOM_SEED)
        self.largest = largest
        self.windows = {}
        self.events = []
        self.taken = []
        self.wrong_edges, self.wrong_rows = set(), set()
        """SAs with a wrong edge, and addresses of wrong rows."""
        self.at_fault = []
        """SAs of frames that could not be judged."""
        self.faults = []
        """SAs of the faults that the block has told."""
        self.looks = None
        """The only SA that is looked up, and whose bottom counts."""
        self._frames = []
        self._stall = stall
        self._clk = dut.clk
        name = f"w{largest}"
        self._port = {port: getattr(dut, f"{name}__{port}") for port in (
            "answer__payload", "answer__valid", "answer__ready", "received",
            "bottom_i__payload", "bottom_i__valid", "bottom_o", "bottom_counts", "read", "read_o",
            "read_counts", "fault__payload", "fault__valid")}
        self._query = StreamSource(dut, f"{name}__query", seed=cocotb.RANDOM_SEED, idle=idle)
        self._write = StreamSource(dut, f"{name}__write", seed=cocotb.RANDOM_SEED)
        self._told = StreamSink(dut, f"{name}__event")
        start_soon(self._check())

    async def add(self, sa, window):
        self.windows.pop(sa, None)
        self._write.send(pack(WindowWrite, {
            "sa": sa, "window": DEVICE_WINDOWS[window.packets], "sequence": window.top}))
        await self._write.drained()
        self.wrong_edges.discard(sa)
        self.wrong_rows -= {self.row(sa, block << 5) for block in range(self.largest >> 5)}
        self.windows[sa] = Window(window.packets, window.extended, window.top)

    def row(self, sa, sequence):
        """Address of the row of a number."""
        numbers = min(self.largest, 128)
        rows = self.largest // numbers
        return sa * rows + sequence // numbers % rows

    def send(self, frames):
        for frame in frames:
            window = self.windows[frame.sa]
            self._query.send(pack(WindowQuery, {
                "sa": frame.sa, "window": DEVICE_WINDOWS[window.packets],
                "esn": window.extended, "sequence": frame.sequence % TWO_32,
                "high": frame.sequence >> 32}))
        self._frames += frames

    async def answered(self):
        await self._query.drained()
        while len(self.taken) < len(self._frames):
            await RisingEdge(self._clk)
        for _ in range(3):
            await RisingEdge(self._clk)
        check_items(self._told.items, self.events, port="event", layout=Event)

    async def top(self, sa):
        self._port["read"].value = pack(WindowRead, {
            "sa": sa, "window": DEVICE_WINDOWS[self.windows[sa].packets]})
        await ClockCycles(self._clk, 3)
        self._port["read_counts"].value = 1
        end = unpack(WindowEnd, int(self._port["read_o"].value))
        await ClockCycles(self._clk, 1)
        self._port["read_counts"].value = 0
        assert end["wrong"] == (sa in self.wrong_edges)
        return None if end["wrong"] else end["number"]

    async def _check(self):
        asked, expected = (None, None), (None, None, False)
        """SA and bottom that were looked up in the clock before; and in that before it, with
        whether the edge was wrong then."""
        bottoms = {}  # as they have been written
        clock = 0
        while True:
            place = len(self.taken)
            frame = self._frames[place] if place < len(self._frames) else None
            ready = self.chance.random() >= self._stall
            sa = self.looks or (self.chance.choice([*self.windows]) if self.windows else None)
            asks = sa is not None and self.chance.random() < 0.7
            self._port["answer__ready"].value = ready
            self._port["received"].value = (
                frame.authentic if ready and frame else self.chance.getrandbits(1))
            self._port["bottom_i__valid"].value = asks
            self._port["bottom_i__payload"].value = sa or 0
            looked, expected_bottom, wrong = expected
            self._port["bottom_counts"].value = looked == self.looks and expected_bottom is not None
            await RisingEdge(self._clk)
            clock += 1
            if expected_bottom is not None:
                bottom = unpack(WindowEnd, int(self._port["bottom_o"].value))
                assert bottom["wrong"] == wrong
                assert bottom["wrong"] or bottom["number"] == expected_bottom
            if int(self._port["fault__valid"].value):
                self.faults.append(int(self._port["fault__payload"].value))
            known = asks and sa in self.windows and sa in bottoms
            expected = (*asked, asked[0] in self.wrong_edges)
            asked = (sa, bottoms[sa] % (1 << 64) if known else None)
            bottoms = {each: window.bottom for each, window in self.windows.items()}
            if ready and int(self._port["answer__valid"].value):
                self._take(frame, unpack(WindowAnswer, int(self._port["answer__payload"].value)))
                self.taken.append(clock)

    def _take(self, frame, answer):
        window = self.windows[frame.sa]
        fault = (frame.sa in self.wrong_edges
                 or self.row(frame.sa, frame.sequence) in self.wrong_rows)
        assert answer["fault"] == fault
        if fault:
            self.at_fault.append(frame.sa)
            return
        status = window.check(frame.sequence)
        told = RxStatus.LATE if answer["late"] else (
            RxStatus.REPLAYED if answer["seen"] else RxStatus.OK)
        check_item(told, status, number=len(self.taken) + 1, port="answer")
        if status != RxStatus.OK or not frame.authentic:
            return
        top = window.top
        window.advance(frame.sequence)
        if window.extended and (window.top ^ top) & esn.HALF:
            self.events.append({"kind": EventKind.ESN_HALF, "direction": SaDirection.RX,
                                "sa": frame.sa, "sequence": frame.sequence})


def random_frames(chance, windows, count):
    """Frames of these SAs, mostly several of one SA in a row."""
    walks = {sa: Walk(chance, window) for sa, window in windows.items()}
    sa = chance.choice([*walks])
    for _ in range(count):
        if chance.random() < 0.4:
            sa = chance.choice([*walks])
        yield Frame(sa, walks[sa].number(), chance.random() < 0.85)


@cocotb.test()
@cocotb.parametrize(largest=LARGEST, sas=[1, 2, 12], pace=["full", "gaps"])
async def numbers_are_judged_as_by_the_specification(dut, largest, sas, pace):
    await start_clock_and_reset(dut)
    gaps = {"idle": 0.2, "stall": 0.3} if pace == "gaps" else {}
    bench = Bench(dut, largest, **gaps)
    for _ in range(4):
        for sa in range(1, 1 + sas):
            await bench.add(sa, random_window(bench.chance, largest))
        bench.send(list(random_frames(bench.chance, bench.windows, 500)))
        await bench.answered()
        for sa, window in bench.windows.items():
            assert await bench.top(sa) == window.top


@cocotb.test()
@cocotb.parametrize(largest=LARGEST)
async def a_frame_goes_every_clock_of_one_sa_too(dut, largest):
    await start_clock_and_reset(dut)
    bench = Bench(dut, largest)
    await bench.add(3, Window(largest, True))
    numbers = [number for number in range(1, 300) for _ in range(2)]
    bench.send([Frame(3, number) for number in numbers])
    await bench.answered()
    assert bench.taken[-1] - bench.taken[0] == len(numbers) - 1


@cocotb.test()
@cocotb.parametrize(largest=LARGEST)
async def both_edges_of_every_size_of_window_are_exact(dut, largest):
    await start_clock_and_reset(dut)
    bench = Bench(dut, largest)
    for size in [size for size in DEVICE_WINDOWS if size <= largest]:
        for top in (0, size - 1, size, 5 * size + 3, (7 << 32) - 1, (7 << 32) + size - 2):
            await bench.add(5, Window(size, True, top))
            ahead = top + size + 1
            numbers = [ahead, ahead - size, ahead - size + 1, ahead - size + 1, ahead,
                       ahead + 1, ahead - size + 1, ahead + 3 * largest, ahead + 1,
                       ahead + 3 * largest - size + 1, ahead + 2 * largest]
            bench.send([Frame(5, number) for number in numbers])
            await bench.answered()
    assert bench.events


@cocotb.test()
@cocotb.parametrize(largest=LARGEST)
async def a_new_window_knows_nothing_of_the_old_while_others_are_in_use(dut, largest):
    await start_clock_and_reset(dut)
    bench = Bench(dut, largest, idle=0.1)
    for sa in (1, 2):
        await bench.add(sa, random_window(bench.chance, largest))
    for _ in range(20):
        others = {sa: window for sa, window in bench.windows.items() if sa != 2}
        bench.send(list(random_frames(bench.chance, others, 100)))
        await bench.add(2, random_window(bench.chance, largest))
        bench.send(list(random_frames(bench.chance, bench.windows, 100)))
        await bench.answered()


async def turned(dut, bench, name, sa, bit):
    """Turn a bit of an SA's edge or of the row of its top; returns what reads that word."""
    block = getattr(dut, f"w{bench.largest}")
    memory = getattr(block, name).ram
    row = sa if name == "edges" else bench.row(sa, bench.windows[sa].top)
    await flip(memory, row, bit)
    await ClockCycles(dut.clk, 1)
    (bench.wrong_edges if name == "edges" else bench.wrong_rows).add(row)
    return lambda: word_of(memory, row)


async def a_bit_turns(dut, bench, name, bit):
    """Turn a bit of an SA that is in use; it is at fault until its window is made anew."""
    chance = bench.chance
    sa, other = chance.sample(range(1, SAS), 2)
    for each in (sa, other):
        await bench.add(each, random_window(chance, bench.largest))
    both = {each: bench.windows[each] for each in (sa, other)}
    bench.send(list(random_frames(chance, both, 10)))
    await bench.answered()
    word = await turned(dut, bench, name, sa, bit)
    before, at_fault = word(), len(bench.at_fault)
    top = bench.windows[sa].top
    bench.send([Frame(each, bench.windows[each].top) for each in (sa, sa, other, sa)])
    bench.send(list(random_frames(chance, both, 30)))
    await bench.answered()
    assert bench.faults == bench.at_fault[at_fault:] == [sa] * len(bench.faults)
    await told_of(dut, bench.faults, sa)
    assert word() == before, "what was wrong stays as it is"
    if name == "edges":
        assert bench.windows[sa].top == top
        bench.looks = sa
        await ClockCycles(dut.clk, 12)
        bench.looks = None
        await told_of(dut, bench.faults, sa)
        assert await bench.top(sa) is None
        await told_of(dut, bench.faults, sa)
    assert await bench.top(other) == bench.windows[other].top
    await bench.add(sa, random_window(chance, bench.largest))
    bench.send(list(random_frames(chance, {sa: bench.windows[sa]}, 10)))
    await bench.answered()
    assert await bench.top(sa) == bench.windows[sa].top
    assert not bench.faults


@cocotb.test(skip=memories_hidden())
@cocotb.parametrize(largest=LARGEST, name=["edges", "rows"])
async def a_bit_that_turns_is_a_fault_until_the_window_is_made_anew(dut, largest, name):
    """Each bit of narrow rows, a sample of wide ones."""
    await start_clock_and_reset(dut)
    bench = Bench(dut, largest, idle=0.1, stall=0.1)
    bits = range(row_bits(getattr(getattr(dut, f"w{largest}"), name).ram))
    if largest > min(LARGEST):
        bits = bench.chance.sample(bits, 12)
    for bit in bits:
        await a_bit_turns(dut, bench, name, bit)


@cocotb.test(skip=memories_hidden())
@cocotb.parametrize(largest=LARGEST)
async def an_edge_that_turns_is_right_for_the_frame_behind_one_that_makes_it_anew(dut, largest):
    """The frame reads the wrong edge, but is judged with that of the frame before."""
    await start_clock_and_reset(dut)
    bench, sa, other = Bench(dut, largest), 3, 4
    for each in (sa, other):
        await bench.add(each, Window(32, False, 100))
    bench.looks = other
    query = [getattr(dut, f"w{largest}__query__{name}") for name in ("valid", "ready")]
    memory = getattr(dut, f"w{largest}").edges.ram
    for bit in range(0, row_bits(memory), 5):
        top = bench.windows[sa].top
        bench.send([Frame(sa, top + 1), Frame(sa, top + 2)])
        await RisingEdge(dut.clk)
        while not all(int(signal.value) for signal in query):
            await RisingEdge(dut.clk)
        await flip(memory, sa, bit)
        await bench.answered()
        assert not bench.faults, bit


@pytest.mark.quick
def test_windows_in_short():
    simulate_quick(
        SideBySide({"w32": ReplayState(SAS, 32)}),
        "both_edges_of_every_size_of_window_are_exact/largest=32",
        name="replay_state", module=__name__)


def test_ram_bits_of_an_sa_are_those_of_the_memories():
    for largest in LARGEST:
        memories = memories_of(ReplayState(SAS, largest))
        assert sum(bits * rows for bits, rows in memories) == SAS * window_bits(largest)
    assert {window: window_bits(window) for window in DEVICE_WINDOWS} == {
        32: 168, 64: 201, 128: 267, 256: 463, 512: 853, 1024: 1629, 2048: 3173, 4096: 6245}


def test_replay_state():
    simulate(SideBySide({f"w{largest}": ReplayState(SAS, largest) for largest in LARGEST}),
             name="replay_state", module=__name__, seed=1)


def test_faults():
    simulate_quick(
        SideBySide({f"w{largest}": ReplayState(SAS, largest) for largest in LARGEST}),
        "a_bit_that_turns_is_a_fault_until_the_window_is_made_anew",
        "an_edge_that_turns_is_right_for_the_frame_behind_one_that_makes_it_anew",
        name="replay_state", module=__name__)
