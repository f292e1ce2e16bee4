"""Memory that is read in the clock of its address."""

from amaranth.lib.memory import Memory


def distributed_ram(shape, depth: int) -> Memory:
    """A memory of ``depth`` rows of ``shape`` for asynchronous read ports, zeros at first.

    Every such memory is made here. Without the attribute a tool may take the register that gives
    the address for that of a block RAM, whose data is not defined when a row is read in the clock
    in which it is written.
    """
    return Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": "distributed"})
