"""Usage of SAs: each answer, row and event is that of the model's lifetimes."""

import random
from collections import Counter, deque

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.layouts import struct
from espnic.hdl.sa.usage import (
    COUNT_BITS,
    TOLD_DEPTH,
    SaUsage,
    UsageAnswer,
    UsageCommit,
    UsageRead,
    UsageWrite,
    usage_bits,
)
from espnic.model.interface.codes import EventKind, SaDirection
from espnic.model.interface.layouts import (
    EVENT,
    HANDLE_BITS,
    LIMITS,
    SUPER_LENGTH_BITS,
    Field,
    Layout,
)
from espnic.model.sa.lifetime import HARD_FIELDS, SOFT_FIELDS, Lifetime
from espnic.model.sa.lifetime import Limits as LimitsOfModel
from espnic.sim.agents.beats import unpack
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_item
from tests.support.memory_faults import flip, memories_hidden, row_bits, word_of
from tests.support.quick import simulate_quick
from tests.support.sa_table import COMMIT, memories_of

SAS = 16
LATENCY = 3
"""Clocks from a query to its answer."""
IDLE_CLOCKS = LATENCY + 4
"""Clocks after which all that was asked has been counted and told, if answers are taken."""
COMMAND_CLOCKS = 9
"""Clocks in which a command has written, whatever packets there are."""
DIRECTION = SaDirection.TX
WRITE = Layout("write", (
    Field("sa", HANDLE_BITS, ""), Field("fresh", 1, ""), Field("soft", 1, ""),
    Field("hard", 1, ""), *LIMITS,
))
USAGE = Layout("usage", (
    Field("packets", COUNT_BITS, ""), Field("bytes", COUNT_BITS, ""),
    Field("warned", 1, ""), Field("expired", 1, ""), *LIMITS, Field("wrong", 1, ""),
))


class Usages:
    """Drives every port of the block, clock by clock, and holds it against the model."""

    def __init__(self, dut) -> None:
        self.chance = random.Random(cocotb.RANDOM_SEED)
        self.lifetimes = [Lifetime(LimitsOfModel()) for _ in range(SAS)]
        self.answers = self.refused = self.events = 0
        self.wrong: set[int] = set()
        """SAs with a wrong row."""
        self.faults: Counter[int] = Counter()
        """SAs of the faults that are yet to be told."""
        self.told: list[EventKind] = []
        self.commits: deque[dict[str, int]] = deque()
        """Commits of the next answers; drawn at random when there is none."""
        self.written = 0
        self.read: list[dict[str, int]] = []
        self.queries = 0
        self.before = 0.0
        """Part of the packets that have another event."""
        self._dut = dut
        self._asked: deque[int] = deque()
        self._other: dict[str, int] | None = None
        self._events: deque[dict[str, int]] = deque()
        self._reads: deque[dict[str, int]] = deque()
        self._draw()

    async def clocks(self, count: int, sas=(), ready: float = 1.0, asks: float = 1.0) -> None:
        """Let packets of ``sas`` ask for ``count`` clocks, and take answers when ``ready``."""
        dut = self._dut
        for _ in range(count):
            dut.answer__ready.value = self.chance.random() < ready
            dut.commit.value = COMMIT.pack(self.commits[0])
            self._tell_before()
            if not int(dut.query__valid.value) or self.query_taken:
                dut.query__valid.value = bool(sas) and self.chance.random() < asks
                dut.query__payload.value = self.chance.choice(sas or [0])
            await RisingEdge(dut.clk)
            self._check()

    async def write(self, sas=(), **values: int) -> None:
        """Write while packets of ``sas`` ask."""
        before = self.written
        self._dut.write__payload.value = WRITE.pack(values)
        self._dut.write__valid.value = 1
        while self.written == before:
            await self.clocks(1, sas, asks=0.7, ready=0.7)
            if self.written != before:
                self._dut.write__valid.value = 0

    async def read_back(self, sa: int, sas=()) -> dict[str, int]:
        """Read a row while packets of ``sas`` ask."""
        before = len(self.read)
        self._dut.read__payload.value = sa
        self._dut.read__valid.value = 1
        while len(self.read) == before:
            await self.clocks(1, sas, asks=0.7, ready=0.7)
            if self.read_taken:
                self._dut.read__valid.value = 0
        return self.read[-1]

    def _draw(self) -> None:
        self.commits.append({
            "count": self.chance.random() < 0.9, "packets": self.chance.randrange(1, 4),
            "bytes": self.chance.choice([0, 1, 64, (1 << SUPER_LENGTH_BITS) - 1]),
            "sequence": self.chance.getrandbits(64)})

    def _check(self) -> None:
        """One clock: what the ports show just before its edge."""
        dut = self._dut
        if int(dut.event__valid.value):
            self.events += 1
            check_item(int(dut.event__payload.value), self._events.popleft(), number=self.events,
                       port="event", layout=EVENT)
        if int(dut.fault__valid.value):
            self.faults[int(dut.fault__payload.value)] -= 1
        if int(dut.read_o__valid.value):
            self.read.append(USAGE.unpack(int(dut.read_o__payload.value)))
            expected = self._reads.popleft()
            if expected["wrong"]:
                assert self.read[-1]["wrong"]
            else:
                check_item(self.read[-1], expected, number=len(self.read), port="read_o")
        assert self._asked or not int(dut.answer__valid.value)
        answered = int(dut.answer__valid.value) and int(dut.answer__ready.value)
        if answered:
            self._judge()
        if int(dut.write__valid.value) and int(dut.write__ready.value):
            self._change(WRITE.unpack(int(dut.write__payload.value)))
        if answered:
            self._count()
        if self.read_taken:
            # It shows what is taken in the clock after it, too.
            self._reads.append(self._row(self._read_sa))
            self.faults[self._read_sa] += self._reads[-1]["wrong"]
        self.query_taken = int(dut.query__valid.value) and int(dut.query__ready.value)
        if self.query_taken:
            self.queries += 1
            self._asked.append(asked := int(dut.query__payload.value))
            self.faults[asked] += asked in self.wrong
        self.read_taken = int(dut.read__valid.value) and int(dut.read__ready.value)
        self._read_sa = int(dut.read__payload.value)

    query_taken = read_taken = 0

    def _judge(self) -> None:
        lifetime = self.lifetimes[self._asked[0]]
        answer = unpack(UsageAnswer, int(self._dut.answer__payload.value))
        self.answers += 1
        assert answer["fault"] == (self._asked[0] in self.wrong)
        if answer["fault"]:
            return
        assert answer["expired"] == lifetime.expired
        self.refused += lifetime.expired

    def _count(self) -> None:
        sa = self._asked.popleft()
        commit = self.commits.popleft()
        if not self.commits:
            self._draw()
        if self.chance.random() < self.before:
            self._other = {"kind": int(EventKind.ESN_HALF), "direction": DIRECTION, "sa": sa,
                           "sequence": self.chance.getrandbits(64)}
            self._events.append(self._other)
        if commit["count"] and sa not in self.wrong:
            kinds = self.lifetimes[sa].count(commit["packets"], commit["bytes"])
            self.told += kinds
            self._events.extend({
                "kind": kind, "direction": DIRECTION, "sa": sa,
                "sequence": commit["sequence"]} for kind in kinds)

    def _tell_before(self) -> None:
        """Give the other event of a packet, in the clock after its answer was taken."""
        self._dut.before__valid.value = self._other is not None
        self._dut.before__payload.value = EVENT.pack(self._other or {})
        self._other = None

    def _change(self, write: dict[str, int]) -> None:
        self.written += 1
        refused = write["sa"] in self.wrong and not write["fresh"]
        assert int(self._dut.refused.value) == refused
        if refused:
            self.faults[write["sa"]] += 1
            return
        self.wrong.discard(write["sa"])
        lifetime = self.lifetimes[write["sa"]]
        limits = lifetime.limits.fields()
        for kind, names in (("soft", SOFT_FIELDS), ("hard", HARD_FIELDS)):
            if write[kind]:
                limits |= {name: write[name] for name in names}
        lifetime.limits = LimitsOfModel(**limits)
        if write["fresh"]:
            lifetime.packets = lifetime.bytes = 0

    def _row(self, sa: int) -> dict[str, int]:
        lifetime = self.lifetimes[sa]
        return {"packets": lifetime.packets, "bytes": lifetime.bytes, "warned": lifetime.warned,
                "expired": lifetime.expired, **lifetime.limits.fields(),
                "wrong": sa in self.wrong}

    def all_told(self) -> bool:
        """Whether every answer and every event of the model has come, and every fault."""
        return not self._asked and not self._events and not any(self.faults.values())


async def started(dut) -> Usages:
    """All rows fresh, without limits."""
    await start_clock_and_reset(dut)
    usages = Usages(dut)
    for sa in range(SAS):
        await usages.write(sa=sa, fresh=1, soft=1, hard=1)
    return usages


def random_limits(chance: random.Random) -> dict[str, int]:
    """Limits near what a few hundred packets count, some of them none."""
    return {
        **{name: chance.choice([0, chance.randrange(1, 200)])
           for name in ("soft_packets", "hard_packets")},
        **{name: chance.choice([0, chance.randrange(1, 1 << 22), 1 << 63])
           for name in ("soft_bytes", "hard_bytes")},
    }


@cocotb.test()
async def packets_of_any_sas_between_writes_and_reads(dut):
    usages = await started(dut)
    chance = usages.chance
    for _ in range(150):
        sas = [chance.randrange(SAS) for _ in range(chance.choice([1, 2, 5]))]
        sa = chance.choice([*sas, chance.randrange(SAS)])
        await usages.write(sas, sa=sa, fresh=chance.random() < 0.3, soft=chance.randrange(2),
                           hard=chance.randrange(2), **random_limits(chance))
        await usages.clocks(chance.randrange(60), sas, ready=chance.choice([0.3, 1]),
                            asks=chance.choice([0.5, 1]))
        await usages.read_back(chance.choice([*sas, chance.randrange(SAS)]), sas)
    await usages.clocks(IDLE_CLOCKS)
    assert usages.all_told()
    assert set(usages.told) == {EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT}
    assert 100 < usages.refused < usages.answers


@cocotb.test()
async def packets_of_the_same_sa_in_every_clock_count_to_the_very_limit(dut):
    usages = await started(dut)
    await usages.write(sa=1, fresh=1, soft=1, hard=1, soft_packets=10, hard_packets=20)
    usages.commits = deque({"count": number < 20, "packets": 1, "bytes": 100,
                            "sequence": number} for number in range(60))
    await usages.clocks(40 + LATENCY, [1])
    assert usages.answers == 40
    assert usages.told == [EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT]
    assert usages.refused == 20
    row = await usages.read_back(1)
    assert (row["packets"], row["bytes"]) == (20, 2000)


@cocotb.test()
async def a_query_is_taken_and_an_answer_given_in_every_clock(dut):
    """Packets of one SA, of few and of many reach limits at any of them."""
    usages = await started(dut)
    chance = usages.chance
    for _ in range(60):
        sas = chance.sample(range(SAS), chance.choice([1, 2, 3, SAS]))
        for sa in sas:
            # One event a packet at most: those of soft limits only, or of hard ones.
            kind, most = chance.choice(["soft", "hard"]), 120 // len(sas)
            await usages.write(sa=sa, fresh=1, soft=1, hard=1,
                               **{f"{kind}_packets": chance.randrange(most)})
        queries, answers = usages.queries, usages.answers
        await usages.clocks(100, sas)
        assert usages.queries - queries == 100
        assert usages.answers - answers == 100 - LATENCY
        await usages.clocks(IDLE_CLOCKS)
    assert usages.all_told()
    assert set(usages.told) == {EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT}
    assert usages.refused > 500


@cocotb.test()
async def no_event_is_lost_and_none_comes_before_its_turn(dut):
    """Packets in every clock that all have two or three events to tell, and commands between."""
    usages = await started(dut)
    chance = usages.chance
    for usages.before in (0.0, 0.5, 1.0):
        for _ in range(30):
            for sa in range(SAS):
                await usages.write(sa=sa, fresh=1, soft=1, hard=1, soft_packets=1, hard_packets=1)
            usages.commits = deque({"count": 1, "packets": 1, "bytes": 1, "sequence": number}
                                   for number in range(SAS))
            for sa in chance.sample(range(SAS), SAS):
                await usages.clocks(1, [sa])
                while not usages.query_taken:
                    await usages.clocks(1, [sa])
            await usages.read_back(3, [5])
            await usages.clocks(4 * SAS)
            assert usages.all_told()
    assert Counter(usages.told) == {kind: 90 * SAS for kind in (
        EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT)}


@cocotb.test()
async def an_answer_comes_three_clocks_after_its_query(dut):
    usages = await started(dut)
    for sa in (4, 4, 9):
        await usages.clocks(1, [sa])
        assert usages.query_taken
        await usages.clocks(LATENCY - 1, ready=0)
        assert not int(dut.answer__valid.value)
        answers = usages.answers
        await usages.clocks(1)
        assert usages.answers == answers + 1
        await usages.clocks(5)


@cocotb.test()
async def a_packet_that_reaches_both_limits_tells_the_soft_one_first(dut):
    usages = await started(dut)
    await usages.write(sa=3, fresh=1, soft=1, hard=1, soft_packets=45, hard_bytes=65536)
    usages.commits = deque([{"count": 1, "packets": 45, "bytes": 65536, "sequence": 1 << 63}])
    await usages.clocks(10, [3])
    await usages.clocks(IDLE_CLOCKS)
    assert usages.told == [EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT]
    assert usages.all_told()


@cocotb.test()
async def a_command_gets_its_clocks_however_dense_packets_are(dut):
    usages = await started(dut)
    for sas in ([2], [2, 3], [3]):
        for ready in (1.0, 0.5, 0.0):
            for lead in range(4):
                await usages.clocks(lead, sas)
                dut.write__payload.value = WRITE.pack({"sa": 2, "hard": 1, "hard_packets": lead})
                dut.write__valid.value = 1
                written = usages.written
                for _ in range(COMMAND_CLOCKS):
                    await usages.clocks(1, sas, ready=ready)
                    if usages.written > written:
                        break
                assert usages.written > written
                dut.write__valid.value = 0
    await usages.clocks(20, [2])


@cocotb.test()
async def a_command_gets_its_clock_where_a_stall_has_filled_the_gap_behind_it(dut):
    usages = await started(dut)
    for stalled in range(6):
        await usages.clocks(6, [2, 3])
        dut.write__payload.value = WRITE.pack({"sa": 2, "hard": 1, "hard_packets": stalled})
        dut.write__valid.value = 1
        written = usages.written
        for clock in range(COMMAND_CLOCKS):
            await usages.clocks(1, [2, 3], ready=float(clock != stalled))
            if usages.written > written:
                break
        assert usages.written > written
        dut.write__valid.value = 0
        await usages.clocks(IDLE_CLOCKS)


@cocotb.test()
async def a_command_takes_few_clocks_from_packets_in_every_clock(dut):
    usages = await started(dut)
    usages.written = 0
    for write, lost in ((0, 1), (1, 4)):
        for sa in (2, 5):
            await usages.clocks(10, [2, 3])
            answers = usages.answers
            dut.write__payload.value = WRITE.pack({"sa": sa, "soft": 1, "soft_packets": 9})
            dut.write__valid.value, dut.read__valid.value = write, not write
            for _ in range(20):
                await usages.clocks(1, [2, 3])
                if usages.written or usages.read_taken:
                    dut.write__valid.value = dut.read__valid.value = usages.written = 0
            assert usages.answers - answers == 20 - lost
            await usages.clocks(IDLE_CLOCKS)


MEMORIES = ("served", "limits")


def words(dut, sa):
    """The rows of an SA in the memories."""
    return [word_of(getattr(dut, f"{name}_rows").ram, sa) for name in MEMORIES]


@cocotb.test(skip=memories_hidden())
@cocotb.parametrize(name=MEMORIES)
async def each_bit_that_turns_is_a_fault_until_a_fresh_write(dut, name):
    usages = await started(dut)
    chance, memory = usages.chance, getattr(dut, f"{name}_rows").ram
    for bit in range(row_bits(memory)):
        sa, other = chance.sample(range(1, SAS), 2)
        await usages.write(sa=sa, fresh=1, soft=1, hard=1, **random_limits(chance))
        await usages.clocks(6, [sa])
        await usages.clocks(IDLE_CLOCKS)
        await flip(memory, sa, bit)
        await usages.clocks(1)
        usages.wrong.add(sa)
        turned = words(dut, sa)
        await usages.clocks(12, [sa, other, sa], ready=chance.choice([0.4, 1]))
        await usages.write([sa], sa=sa, soft=1, hard=chance.randrange(2), **random_limits(chance))
        await usages.read_back(sa, [sa, other])
        await usages.read_back(other, [sa, other])
        await usages.clocks(IDLE_CLOCKS)
        assert words(dut, sa) == turned, "what was wrong stays as it is"
        await usages.write([other], sa=sa, fresh=1, soft=1, hard=1, hard_packets=1 + bit % 3)
        await usages.clocks(8, [sa, other])
        await usages.read_back(sa)
    await usages.clocks(IDLE_CLOCKS)
    assert usages.all_told()


@cocotb.test(skip=memories_hidden())
async def a_row_that_turns_while_a_packet_waits_is_mended_only_by_the_whole_row(dut):
    """The packet has read it before: what it counts is right, and the limits stay wrong."""
    usages = await started(dut)
    await usages.write(sa=5, fresh=1, soft=1, hard=1, hard_packets=100)
    for name, mended in (("served", True), ("limits", False)):
        memory = getattr(dut, f"{name}_rows").ram
        usages.commits = deque([{"count": 1, "packets": 1, "bytes": 9, "sequence": 1}])
        await usages.clocks(1, [5], ready=0)
        await flip(memory, 5, 7)
        await usages.clocks(3, ready=0)
        await usages.clocks(4)
        assert usages.lifetimes[5].packets == 1 + (name == "limits")
        if not mended:
            usages.wrong.add(5)
        await usages.read_back(5)
        await usages.write(sa=5, soft=1, soft_packets=3)
    await usages.clocks(IDLE_CLOCKS)
    assert usages.all_told()


@cocotb.test(skip=memories_hidden())
async def a_packet_that_waits_learns_that_its_row_has_been_made_right(dut):
    """A fresh write comes between the reading of the wrong row and the answer."""
    usages = await started(dut)
    for name in MEMORIES:
        await flip(getattr(dut, f"{name}_rows").ram, 5, 7)
        await usages.clocks(1)
        usages.wrong.add(5)
        await usages.clocks(1, [5], ready=0)
        await usages.clocks(2, ready=0)
        written = usages.written
        dut.write__payload.value = WRITE.pack({"sa": 5, "fresh": 1, "soft": 1, "hard": 1})
        dut.write__valid.value = 1
        while usages.written == written:
            await usages.clocks(1, ready=0)
        dut.write__valid.value = 0
        await usages.clocks(2, ready=0)
        answers = usages.answers
        await usages.clocks(4)
        assert usages.answers == answers + 1
        await usages.read_back(5)
    await usages.clocks(IDLE_CLOCKS)
    assert usages.all_told()


@pytest.mark.quick
def test_usage_in_short():
    simulate_quick(
        SaUsage(SAS, DIRECTION),
        "packets_of_the_same_sa_in_every_clock_count_to_the_very_limit",
        "a_packet_that_reaches_both_limits_tells_the_soft_one_first",
        name="sa_usage", module=__name__)


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_usage_of_16_sas(simulator):
    simulate(SaUsage(SAS, DIRECTION), name="sa_usage", module=__name__, simulator=simulator)


def test_ram_bits_are_those_of_the_docstring():
    memories = memories_of(SaUsage(SAS, DIRECTION))
    assert {rows for _, rows in memories} == {SAS, TOLD_DEPTH}
    assert sum(bits for bits, rows in memories if rows == SAS) == usage_bits() == 400


@pytest.mark.parametrize(("layout", "shape"), [
    (COMMIT, UsageCommit), (WRITE, UsageWrite), (USAGE, UsageRead)])
def test_layouts_of_the_bench_are_those_of_the_block(layout, shape):
    assert struct(layout).size == shape.size
