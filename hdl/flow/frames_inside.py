"""Count of the frames in a path."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_COUNT_BITS = 16
"""Width of the count, which is enough for the beats that any path stores."""


class FramesInside(wiring.Component):
    """Says whether any part of a frame is in a path.

    A request, which on receive is a frame, counts from its first beat until its last frame
    has been judged; each frame that is to leave counts from its verdict until it has left.
    Latency 1 clock. There are no errors.

    Members
    -------
    began : In(1)
        The first beat of a request comes in this clock.
    judged : In(1)
        The last verdict of a request is given.
    leaves : In(1)
        A verdict is given whose frame is to leave.
    left : In(1)
        The last beat of a frame leaves.
    idle : Out(1)
        No part of a frame was inside at the end of the clock before.
    """

    began: In(1)
    judged: In(1)
    leaves: In(1)
    left: In(1)
    idle: Out(1)

    def elaborate(self, platform):
        m = Module()
        count = Signal(_COUNT_BITS)
        m.d.comb += self.idle.eq(count == 0)
        m.d.sync += count.eq(count + self.began + self.leaves - self.judged - self.left)
        return m
