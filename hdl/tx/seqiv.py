"""The seqiv unit: the IV of a frame to send."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class SeqIv(wiring.Component):
    """IV = 64-bit sequence number XOR the SA's 8-byte salt.

    This is the rule of Linux's seqiv generator. The sequence number never repeats under a
    key, so no IV does, which is all that RFC 4106, 3.1, asks; the salt only hides the
    count. Combinational.

    Members
    -------
    sequence : In(64)
    salt : In(64)
        First byte in bits 63:56.
    iv : Out(64)
        First byte on the wire in bits 63:56.
    """

    def __init__(self) -> None:
        super().__init__({"sequence": In(64), "salt": In(64), "iv": Out(64)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.iv.eq(self.sequence ^ self.salt)
        return m
