"""The words in which a proof is written: a block, what comes to it, and what must hold."""

import linecache
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from amaranth.hdl import (
    Assert,
    Assume,
    ClockDomain,
    Const,
    Elaboratable,
    Fragment,
    Module,
    Signal,
    Value,
)
from amaranth.hdl._ast import AnyConst, AnySeq
from amaranth.hdl._mem import MemoryInstance
from amaranth.lib import wiring


class Bench(Elaboratable):
    """A block under free inputs, with what is assumed of them and what must hold.

    There is one clock and no reset: registers and memories begin with their first values, and
    everything that is free may be anything in each clock.

    Members
    -------
    m : Module
        Module for the logic of a proof.
    clock : Signal
        The clock, the only port.
    begun : Signal
        1 from the second clock on, so that ``past`` means something.
    """

    def __init__(self) -> None:
        self.m = Module()
        self.m.domains.sync = sync = ClockDomain("sync", reset_less=True)
        self.clock = sync.clk
        self.begun = Signal()
        self.m.d.sync += self.begun.eq(1)
        self._fragments: dict[str, Fragment] = {}

    def elaborate(self, platform):
        return self.m

    def block(self, component: wiring.Component, name: str = "block", driven=()) -> None:
        """Add a block. Its inputs are free, but those ``driven`` by the proof: paths as ``i``."""
        fragment = Fragment.get(component, None)
        _name_signals(fragment)
        self._fragments[name] = fragment
        self.m.submodules[name] = fragment
        for path, member, port in component.signature.flatten(component):
            dotted = ".".join(map(str, path))
            value = Value.cast(port)
            # What is always ready or valid is a constant.
            if member.flow == wiring.In and not isinstance(value, Const) and not any(
                    dotted == one or dotted.startswith(f"{one}.") for one in driven):
                self.m.d.comb += value.eq(AnySeq(len(value)))

    def cut(self, path: str, block: str = "block") -> wiring.Component:
        """Leave a block within the block out, and its outputs to the proof; give its ports."""
        *above, name = path.split(".")
        parent = self._fragment(above, block)
        left_out = parent.find_subfragment(name)
        parent.subfragments = [one for one in parent.subfragments if one[0] is not left_out]
        component = left_out.origins[0]
        assert isinstance(component, wiring.Component), f"{path} in {block} is no block"
        return component

    def registers(self, block: str) -> list[tuple[str, Signal]]:
        """The registers of a block with their paths; its memories must have been cut."""
        return list(_registers(self._fragments[block], ""))

    def free(self, shape, name: str):
        """A signal that may be anything in each clock."""
        signal = Signal(shape, name=name)
        width = len(Value.cast(signal))
        self.m.d.comb += Value.cast(signal).eq(AnySeq(width))
        return signal

    def constant(self, shape, name: str):
        """A signal that may be anything, and is the same in all clocks."""
        signal = Signal(shape, name=name)
        width = len(Value.cast(signal))
        self.m.d.comb += Value.cast(signal).eq(AnyConst(width))
        return signal

    def past(self, value) -> Value:
        """A value in the clock before; 0 in the first clock."""
        value = Value.cast(value)
        before = Signal(len(value))
        # A module of its own, for the caller may be in the middle of an If.
        keeper = Module()
        keeper.d.sync += before.eq(value)
        self.m.submodules += keeper
        return before

    def inside(self, path: str, block: str = "block") -> Signal:
        """A signal in the block by its path: ``level``, or ``ahead.level`` in a submodule."""
        *submodules, name = path.split(".")
        fragment = self._fragment(submodules, block)
        found = {id(signal): signal for signal in _driven(fragment) if signal.name == name}
        if len(found) != 1:
            raise ValueError(f"{len(found)} signals {path} in {block}, expected one")
        return next(iter(found.values()))

    def read_data(self, path: str, port: int = 0, block: str = "block") -> Value:
        """The data at a read port of a memory in the block."""
        return self._memory(path, block)._read_ports[port]._data

    def row(self, path: str, address: Value, block: str = "block") -> Signal:
        """The row at an address of a memory in the block: what is there in this clock."""
        memory = self._memory(path, block)
        depth, width = memory._data.depth, len(memory._read_ports[0]._data)
        place, row = Signal(range(depth)), Signal(width)
        self.m.d.comb += place.eq(address)
        memory.read_port(domain="comb", addr=place, data=row, en=Const(1), transparent_for=())
        return row

    def _memory(self, path: str, block: str) -> MemoryInstance:
        memory = self._fragment(path.split("."), block)
        assert isinstance(memory, MemoryInstance), f"{path} in {block} is no memory"
        return memory

    def _fragment(self, submodules: list[str], block: str) -> Fragment:
        fragment = self._fragments[block]
        for name in submodules:
            fragment = fragment.find_subfragment(name)
        return fragment

    def assume(self, condition, when=1) -> None:
        """Let only inputs come for which this holds."""
        self.m.d.comb += Assume(~Value.cast(when).any() | Value.cast(condition).any())

    def prove(self, condition, when=1) -> None:
        """Ask that this holds in each clock, or in those in which ``when`` is 1."""
        self.m.d.comb += Assert(
            ~Value.cast(when).any() | Value.cast(condition).any(), src_loc_at=1)

    def offered(self, stream, payload=None) -> Value:
        """The rule of a stream's source: what is offered stays until it is taken.

        ``payload`` is the part of the payload that must stay; by default all of it.
        """
        value = Value.cast(stream.payload if payload is None else payload)
        waited = self.past(stream.valid & ~stream.ready)
        return ~self.begun | ~waited | (stream.valid & (value == self.past(value)))

    def neighbours(self, *streams) -> None:
        """Assume that those who offer at these inputs keep the rule."""
        for stream in streams:
            self.assume(self.offered(stream))


def _driven(fragment: Fragment) -> Iterator[Signal]:
    """All signals that the statements of a fragment itself drive."""
    for statements in fragment.statements.values():
        yield from statements._lhs_signals()


def _registers(fragment: Fragment, path: str) -> Iterator[tuple[str, Signal]]:
    """The registers in a fragment and all below it, in the order in which they were made."""
    assert not isinstance(fragment, MemoryInstance), f"{path}: a memory is no register"
    statements = fragment.statements.get("sync", ())
    signals = {id(signal): signal for one in statements for signal in one._lhs_signals()}
    for signal in sorted(signals.values(), key=lambda one: one.duid):
        yield f"{path}{signal.name}", signal
    for below, name, _ in fragment.subfragments:
        yield from _registers(below, f"{path}{name}.")


def _name_signals(fragment: Fragment) -> None:
    """Name the signals that Amaranth could not: those of ``a, b = Signal(), Signal()``.

    Their names are on the line that makes them, in the order in which they are made.
    """
    made_at = defaultdict(list)
    for signal in {id(signal): signal for signal in _driven(fragment)}.values():
        made_at[signal.src_loc].append(signal)
    for (file, line), signals in made_at.items():
        targets, _, values = linecache.getline(file, line).partition(" = ")
        names = targets.replace(",", " ").split()
        if len(names) == len(signals) == values.count("Signal"):
            for name, signal in zip(names, sorted(signals, key=lambda one: one.duid), strict=True):
                signal.name = name
    for subfragment, _, _ in fragment.subfragments:
        _name_signals(subfragment)


@dataclass(frozen=True)
class Proof:
    """A property of a block, and how it is proved."""

    name: str
    """One word, with which a proof of a block is told from others."""
    says: str
    """The property, as a sentence."""
    describe: Callable[[Bench], None]
    """Gives a bench the block and what must hold."""
    small: str
    """The parameters with which the block is made."""
    depth: int
    """Number of clocks from the start in which no violation is possible."""
    induction: int = 0
    """With so many clocks that hold, the next one holds too; 0 if that is not shown."""
    assumes: tuple[str, ...] = ()
    """Assumptions, each a sentence; all that they leave open is free."""
    quick: bool = False
    """Whether it runs in the tests: such a proof takes a second or two."""
