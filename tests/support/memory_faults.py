"""Bits that turn in the memories of a running simulation.

Only Icarus shows the memories. That of a ``ParityMemory`` is its ``ram``.
"""

from cocotb.handle import ArrayObject, Immediate
from cocotb.triggers import ReadWrite


async def flip(memory: ArrayObject, row: int, bit: int) -> None:
    """Turn a bit of a row, after what is written there at the edge that has just come."""
    await ReadWrite()
    word = memory[row]
    word.value = Immediate(int(word.value) ^ 1 << bit)


def row_bits(memory: ArrayObject) -> int:
    """Width of a row, parity too."""
    return len(memory[0])
