"""Bits that turn in the memories of a running simulation.

Icarus shows the memories, and Verilator those of an open build. In a ``ParityMemory`` it is
its ``ram``.
"""

import cocotb
from cocotb.handle import ArrayObject, Immediate
from cocotb.triggers import ClockCycles, ReadWrite


def memories_hidden() -> bool:
    """Whether the simulator of a running simulation does not show the memories."""
    return not getattr(cocotb, "SIM_NAME", "").startswith("Icarus")


def word_of(memory: ArrayObject, row: int) -> int:
    """Contents of a row, parity too."""
    return int(memory[row].value)


async def flip(memory: ArrayObject, row: int, bit: int) -> None:
    """Turn a bit of a row, after what is written there at the edge that has just come."""
    await ReadWrite()
    word = memory[row]
    word.value = Immediate(int(word.value) ^ 1 << bit)


async def told_of(dut, faults: list[int], sa: int) -> None:
    """The faults told since the last call are of this SA, and there are some."""
    await ClockCycles(dut.clk, 4)
    assert set(faults) == {sa}
    faults.clear()


def row_bits(memory: ArrayObject) -> int:
    """Width of a row, parity too."""
    return len(memory[0])
