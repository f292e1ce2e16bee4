"""The sealed numbers: every answer, event and top is that of the model's record."""

import random

import cocotb
import pytest
from cocotb import start_soon
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.layouts import SUPER_LENGTH_BITS, Event
from espnic.hdl.sa.sent_numbers import (
    SentAnswer,
    SentCommit,
    SentNumbers,
    SentQuery,
    SentTop,
    SentWrite,
    sent_bits,
)
from espnic.model.esp.sent import SentNumbers as Record
from espnic.model.interface.codes import EventKind, SaDirection, TxStatus
from espnic.sim.agents.beats import pack, unpack
from espnic.sim.agents.side_by_side import SideBySide
from espnic.sim.agents.stream import (
    LIMIT_CLOCKS,
    StreamSink,
    StreamSource,
    start_clock_and_reset,
)
from espnic.sim.build.builds import simulate
from tests.support.differences import check_item, check_items
from tests.support.memory_faults import flip, memories_hidden, row_bits, told_of, word_of
from tests.support.quick import simulate_quick
from tests.support.sa_table import memories_of

SAS = 16
WINDOWS = (1024, 4096, 16384)
BURST_MAX = 65535
LAST = 2**64 - 1
SEALED = TxStatus.SEALED


class Request:
    """A request to send. Without ``good`` it is dropped for a reason of another check."""

    def __init__(self, sa, first, count=1, *, burst=None, good=True):
        self.sa = sa
        self.first = first
        self.count = count
        self.burst = count > 1 if burst is None else burst
        self.good = good


class Walk:
    """First numbers around the top of one SA, which moves on with them."""

    def __init__(self, chance, record):
        self._chance = chance
        self._top = record.top
        self._window = record.window

    def request(self, sa):
        chance, window = self._chance, self._window
        count = chance.choice((1, 1, 1, 1, 2, chance.randrange(1, 60), chance.randrange(1, 400),
                               chance.randrange(1, 3 * window), BURST_MAX))
        step = chance.choice((
            1, 1, 1, 0, -1, -window, 1 - window, -count, 1 - count, chance.randrange(2 * window),
            -chance.randrange(2 * window), -chance.randrange(300), -chance.randrange(60),
            chance.randrange(3 * window)))
        if chance.random() < 0.02:
            step = chance.choice((1 << 31, 1 << 32, 1 << 40))
        first = min(max(self._top + step, 1), LAST)
        request = Request(sa, first, min(count, LAST - first + 1), burst=count > 1,
                          good=chance.random() < 0.85)
        if request.good and chance.random() < 0.95:
            self._top = max(self._top, first + request.count - 1)
        return request


def random_record(chance, window):
    """A record somewhere in the number space."""
    return Record(window, chance.choice((
        0, 0, 1, window - 1, (1 << 32) - 9, (1 << 32) + window // 2, (5 << 32) - 2, 1 << 63,
        LAST - 200 * BURST_MAX, LAST - 40, chance.getrandbits(40))))


class Bench:
    """The block and, beside it, a record of the model for each SA.

    ``requests`` are judged in order. Of each ``taken`` notes the clock in which its answer was
    taken, and ``offered`` that in which it was there.
    """

    def __init__(self, dut, window, *, idle=0.0, stall=0.0):
        self.chance = random.Random(cocotb.RANDOM_SEED)
        self.window = window
        self.records = {}
        self.events = []
        self.statuses = set()
        self.asked, self.offered, self.taken = [], [], []
        self.tops = {}
        self.wrong_states, self.wrong_rows = set(), set()
        """SAs with a wrong state, and with a wrong row."""
        self.at_fault = []
        """SAs of requests that could not be judged."""
        self.faults = []
        """SAs of the faults that the block has told."""
        self._told = set()
        self._unguarded = set()
        self._requests = []
        self._stall = stall
        self._clk = dut.clk
        name = f"w{window}"
        self._port = {port: getattr(dut, f"{name}__{port}") for port in (
            "query__valid", "query__ready", "answer__payload", "answer__valid", "answer__ready",
            "commit", "counted", "read_o__payload", "read_o__valid", "fault__payload",
            "fault__valid")}
        self._query = StreamSource(dut, f"{name}__query", seed=cocotb.RANDOM_SEED, idle=idle)
        self._write = StreamSource(dut, f"{name}__write", seed=cocotb.RANDOM_SEED)
        self._read = StreamSource(dut, f"{name}__read", seed=cocotb.RANDOM_SEED)
        self._events = StreamSink(dut, f"{name}__event")
        start_soon(self._run())

    async def add(self, sa, record, unguarded=False):
        self.records.pop(sa, None)
        self._told.discard(sa)
        self._unguarded.discard(sa)
        self._write.send(pack(SentWrite, {
            "sa": sa, "sequence": record.top, "unguarded": unguarded}))
        await self._write.drained()
        await RisingEdge(self._clk)
        self.wrong_states.discard(sa)
        self.wrong_rows.discard(sa)
        self.records[sa] = Record(record.window, record.top)
        if unguarded:
            self._unguarded.add(sa)

    def send(self, requests):
        requests = list(requests)
        for request in requests:
            self._query.send(pack(SentQuery, {
                "sa": request.sa, "sequence": request.first, "burst": request.burst}))
        self._requests += requests

    async def answered(self):
        await self._query.drained()
        for _ in range(LIMIT_CLOCKS):
            if len(self.taken) == len(self._requests):
                break
            await RisingEdge(self._clk)
        assert len(self.taken) == len(self._requests), "a query has no answer"
        await ClockCycles(self._clk, 8)
        check_items(self._events.items, self.events, port="event", layout=Event)

    async def top(self, sa):
        self._read.send(sa)
        await RisingEdge(self._clk)
        while not int(self._port["read_o__valid"].value):
            await RisingEdge(self._clk)
        top = unpack(SentTop, int(self._port["read_o__payload"].value))
        assert top["wrong"] == (sa in self.wrong_states)
        return None if top["wrong"] else top["number"]

    async def _run(self):
        """Take answers as the checks of requests do: a burst's only when it is counted."""
        clock, wait = 0, 0
        while True:
            place = len(self.taken)
            request = self._requests[place] if place < len(self._requests) else None
            counted = request is not None and len(self.asked) > place and not wait
            ready = counted and self.chance.random() >= self._stall
            self._drive(request, counted, ready)
            await RisingEdge(self._clk)
            clock += 1
            if int(self._port["fault__valid"].value):
                self.faults.append(int(self._port["fault__payload"].value))
            if int(self._port["answer__valid"].value):
                assert request is not None, "an answer without a query"
                if len(self.offered) == place:
                    self.offered.append(clock)
                if ready:
                    self._take(request)
                    self.taken.append(clock)
            if int(self._port["query__valid"].value) and int(self._port["query__ready"].value):
                asks = self._requests[len(self.asked)]
                wait = self.wait_for(asks)
                self.asked.append(clock)
            elif wait:
                wait -= 1

    def wait_for(self, request):
        """Clocks until the numbers of a request are counted."""
        return 9 if request.burst else 0

    def _drive(self, request, counted, ready):
        commit = {"count": self.chance.getrandbits(1), "refused": self.chance.getrandbits(1),
                  "more": self.chance.getrandbits(SUPER_LENGTH_BITS)}
        if counted:
            commit["more"] = request.count - 1
        if ready:
            status = self._status(request)
            commit |= {"count": request.good and status == SEALED,
                       "refused": request.good and status != SEALED}
        self._port["commit"].value = pack(SentCommit, commit)
        self._port["counted"].value = counted
        self._port["answer__ready"].value = ready

    def _status(self, request):
        if request.sa in self._unguarded:
            return SEALED
        return self.records[request.sa].check(request.first, request.count)

    def _take(self, request):
        record = self.records[request.sa]
        answer = unpack(SentAnswer, int(self._port["answer__payload"].value))
        if answer["fault"]:
            assert request.sa in self.wrong_states | self.wrong_rows
            self.at_fault.append(request.sa)
            return
        assert request.sa not in self.wrong_states
        told = TxStatus.DROP_LATE if answer["late"] else (
            TxStatus.DROP_REPEATED if answer["repeated"] else SEALED)
        status = self._status(request)
        self.statuses.add((status, request.burst))
        check_item(told, status, number=len(self.taken) + 1, port="answer")
        if request.good and status == SEALED:
            record.seal(request.first, request.count)
        elif request.good and request.sa not in self._told:
            self._told.add(request.sa)
            self.events.append({"kind": EventKind.REPEATED, "direction": SaDirection.TX,
                                "sa": request.sa, "sequence": request.first})


def random_requests(chance, records, count):
    """Requests of these SAs, mostly several of one SA in a row."""
    walks = {sa: Walk(chance, record) for sa, record in records.items()}
    sa = chance.choice([*walks])
    for _ in range(count):
        if chance.random() < 0.4:
            sa = chance.choice([*walks])
        yield walks[sa].request(sa)


async def started(dut, window, **gaps):
    await start_clock_and_reset(dut)
    return Bench(dut, window, **gaps)


@cocotb.test()
@cocotb.parametrize(window=WINDOWS, sas=[1, 2, 12], pace=["full", "gaps"])
async def numbers_are_judged_as_by_the_specification(dut, window, sas, pace):
    gaps = {"idle": 0.2, "stall": 0.3} if pace == "gaps" else {}
    bench = await started(dut, window, **gaps)
    for _ in range(6):
        for sa in range(1, 1 + sas):
            await bench.add(sa, random_record(bench.chance, window),
                            unguarded=sa > 1 and bench.chance.random() < 0.2)
        bench.send(random_requests(bench.chance, bench.records, 300))
        await bench.answered()
        for sa, record in bench.records.items():
            assert await bench.top(sa) == record.top
    refusals = (SEALED, TxStatus.DROP_LATE, TxStatus.DROP_REPEATED)
    assert bench.statuses == {(status, burst) for status in refusals for burst in (False, True)}
    assert bench.events


@cocotb.test()
@cocotb.parametrize(window=WINDOWS)
async def a_single_request_goes_every_other_clock_of_one_sa_too(dut, window):
    bench = await started(dut, window)
    await bench.add(3, Record(window))
    await bench.add(4, Record(window))
    numbers = [number for number in range(1, 300) for _ in range(2)]
    numbers += [number for number in range(500, 300, -1) for _ in range(2)]
    bench.send(Request(3, number) for number in numbers)
    bench.send(Request(chance, 400 + number) for number in range(200) for chance in (3, 4))
    await bench.answered()
    assert bench.taken[-1] - bench.asked[0] == 2 * len(bench.taken)


@cocotb.test()
@cocotb.parametrize(window=WINDOWS)
async def both_edges_of_the_window_are_exact_for_bursts_of_any_length(dut, window):
    bench = await started(dut, window)
    for top in (0, window - 1, 5 * window + 3, (1 << 32) - 1, LAST - 4 * BURST_MAX):
        for count in (1, 2, 31, window, window + 1, 2 * window - 1, 2 * window, BURST_MAX):
            await bench.add(5, Record(window, top))
            ahead = top + window + 3
            bench.send([
                Request(5, ahead), Request(5, max(ahead - window, 1)),
                Request(5, ahead - window + 1, window), Request(5, ahead - window + 1, window - 1),
                Request(5, ahead - 1), Request(5, ahead, 2), Request(5, ahead + 1, count),
                Request(5, ahead + count), Request(5, ahead + count, count),
                Request(5, ahead + 3 * count + 1), Request(5, ahead + count + 1, count),
                Request(5, ahead + count + 1, count), Request(5, ahead + 3 * count)])
            await bench.answered()
            assert await bench.top(5) == bench.records[5].top


@cocotb.test()
@cocotb.parametrize(window=WINDOWS)
async def a_new_sa_knows_nothing_of_the_old_while_others_are_in_use(dut, window):
    bench = await started(dut, window, idle=0.1)
    for sa in (1, 2):
        await bench.add(sa, random_record(bench.chance, window))
    for _ in range(30):
        others = {sa: record for sa, record in bench.records.items() if sa != 2}
        bench.send(random_requests(bench.chance, others, 60))
        top = bench.chance.choice((0, bench.records[2].top, bench.records[2].top // 2))
        await bench.add(2, Record(window, top))
        bench.send(random_requests(bench.chance, bench.records, 60))
        await bench.answered()
        assert await bench.top(2) == bench.records[2].top


@cocotb.test()
@cocotb.parametrize(window=WINDOWS)
async def a_burst_above_the_top_is_answered_before_it_is_counted(dut, window):
    bench = await started(dut, window)
    await bench.add(7, Record(window))
    bench.send(Request(7, 1 + number * BURST_MAX, BURST_MAX) for number in range(20))
    await bench.answered()
    for asked, offered in zip(bench.asked, bench.offered, strict=True):
        assert offered - asked == 2
    for taken, asked in zip(bench.taken, bench.asked[1:], strict=False):
        assert asked - taken == 5


@cocotb.test()
@cocotb.parametrize(window=WINDOWS)
async def a_burst_in_the_window_is_looked_at_in_a_clock_for_each_row(dut, window):
    bench = await started(dut, window)
    row = min(window // 8, 256)
    sent = 0
    for rows in range(1, window // row + 1):
        for place in (0, 1, row - 1):
            await bench.add(7, Record(window))
            burst = Request(7, row + place, rows * row - place, burst=True)
            bench.send([Request(7, window), burst])
            sent += 2
            await bench.answered()
            end = min(row + rows * row - 1, window)
            waits = bench.asked[sent - 1] + bench.wait_for(burst) + 1
            assert bench.offered[sent - 1] - waits == 5 + end // row


@cocotb.test()
@cocotb.parametrize(window=WINDOWS)
async def one_event_tells_of_an_sa_that_repeats_itself(dut, window):
    bench = await started(dut, window)
    for life in range(2):
        for sa in (1, 2):
            await bench.add(sa, Record(window, 9))
        bench.send([Request(sa, 5 + life) for _ in range(20) for sa in (1, 2, 2, 1)])
        bench.send([Request(1, 10), Request(1, 10), Request(2, 4, 9), Request(2, 10)])
        await bench.answered()
        assert len(bench.events) == 2 + 2 * life


async def turned(dut, bench, name, address, bit):
    """Turn a bit of the state of an SA or of a row; returns what reads that word."""
    memory = getattr(getattr(dut, f"w{bench.window}"), name).ram
    await flip(memory, address, bit)
    await ClockCycles(dut.clk, 1)
    return lambda: word_of(memory, address)


def row_of(bench, sa, number):
    """Address of the row of a number."""
    numbers = min(bench.window // 8, 256)
    rows = 2 * bench.window // numbers
    return sa * rows + number // numbers % rows


async def a_bit_turns(dut, bench, name, bit):
    """Turn a bit of an SA that is in use; it is at fault until it is written anew."""
    chance = bench.chance
    sa, other = chance.sample(range(1, SAS), 2)
    for each in (sa, other):
        await bench.add(each, Record(bench.window, chance.randrange(99, 1 << 60)))
    both = {each: bench.records[each] for each in (sa, other)}
    bench.send(random_requests(chance, both, 10))
    await bench.answered()
    record, at_fault = bench.records[sa], len(bench.at_fault)
    top = record.top
    address = sa if name == "edges" else row_of(bench, sa, top)
    word = await turned(dut, bench, name, address, bit)
    before = word()
    (bench.wrong_states if name == "edges" else bench.wrong_rows).add(sa)
    bench.send([Request(sa, top), Request(other, bench.records[other].top + 1), Request(sa, top),
                Request(sa, top, 2), Request(sa, top - 40, 41), Request(sa, top, 70)])
    await bench.answered()
    assert bench.faults == bench.at_fault[at_fault:] == [sa] * 5
    assert word() == before, "what was wrong stays as it is"
    bench.send(random_requests(chance, both, 20))
    await bench.answered()
    assert bench.faults == bench.at_fault[at_fault:]
    await told_of(dut, bench.faults, sa)
    if name == "edges":
        assert word() == before and record.top == top
        assert await bench.top(sa) is None
        await told_of(dut, bench.faults, sa)
    for each in (other, sa):
        if each == sa:
            await bench.add(sa, random_record(chance, bench.window))
        bench.send(random_requests(chance, {each: bench.records[each]}, 10))
        await bench.answered()
        assert await bench.top(each) == bench.records[each].top
    assert not bench.faults


@cocotb.test(skip=memories_hidden())
@cocotb.parametrize(window=WINDOWS, name=["edges", "bits"])
async def a_bit_that_turns_is_a_fault_until_the_sa_is_written_anew(dut, window, name):
    """Each bit of narrow rows, a sample of wide ones."""
    bench = await started(dut, window, idle=0.1, stall=0.1)
    bits = range(row_bits(getattr(getattr(dut, f"w{window}"), name).ram))
    if window > min(WINDOWS):
        bits = bench.chance.sample(bits, 8)
    for bit in bits:
        await a_bit_turns(dut, bench, name, bit)


@cocotb.test(skip=memories_hidden())
@cocotb.parametrize(window=WINDOWS)
async def a_wrong_row_is_a_fault_only_for_requests_that_need_it(dut, window):
    bench = await started(dut, window)
    row = min(window // 8, 256)
    top = 200 * row + 5
    last = top + row
    for unguarded in (False, True):
        await bench.add(9, Record(window, top), unguarded=unguarded)
        await turned(dut, bench, "bits", row_of(bench, 9, top), 1 + unguarded)
        bench.wrong_rows.add(9)
        bench.at_fault.clear()
        bench.send([
            Request(9, top), Request(9, top + 1), Request(9, top + 1, row),
            Request(9, top - row, 9), Request(9, top - window), Request(9, last),
            Request(9, last + 1, 2 * row), Request(9, top - row - 9, 2 * row)])
        await bench.answered()
        assert bench.at_fault == ([] if unguarded else [9] * 4)
        assert bench.faults == bench.at_fault
        bench.faults.clear()
        assert await bench.top(9) == last + 2 * row


@cocotb.test(skip=memories_hidden())
@cocotb.parametrize(window=WINDOWS)
async def a_wrong_row_without_bits_is_made_right_by_its_first_number(dut, window):
    bench = await started(dut, window)
    row = min(window // 8, 256)
    await bench.add(3, Record(window, 5 * row))
    for number in (4 * row, 6 * row):
        await turned(dut, bench, "bits", row_of(bench, 3, number), 7)
    bench.send([Request(3, 4 * row + 3), Request(3, 6 * row + 3), Request(3, 6 * row + 7),
                Request(3, 6 * row + 7), Request(3, 6 * row, 3), Request(3, 6 * row, 2)])
    await bench.answered()
    assert not bench.faults


@pytest.mark.quick
def test_sealed_numbers_in_short():
    simulate_quick(
        SideBySide({"w1024": SentNumbers(SAS, 1024)}),
        "both_edges_of_the_window_are_exact_for_bursts_of_any_length/window=1024",
        name="sent_numbers", module=__name__)


def test_ram_bits_of_an_sa_are_those_of_the_memories():
    for window in WINDOWS:
        memories = memories_of(SentNumbers(SAS, window))
        assert sum(bits * rows for bits, rows in memories) == SAS * sent_bits(window)
    assert sent_bits(1024) == 2214


@pytest.mark.night
def test_every_window():
    simulate(SideBySide({f"w{window}": SentNumbers(SAS, window) for window in WINDOWS}),
             name="sent_numbers", module=__name__, simulator="verilator", seed=1)


def test_faults():
    simulate_quick(
        SideBySide({f"w{window}": SentNumbers(SAS, window) for window in WINDOWS}),
        "a_bit_that_turns_is_a_fault_until_the_sa_is_written_anew",
        "a_wrong_row_is_a_fault_only_for_requests_that_need_it",
        "a_wrong_row_without_bits_is_made_right_by_its_first_number",
        name="sent_numbers", module=__name__)
