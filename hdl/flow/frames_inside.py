"""Counts the frames in a path."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

COUNT_BITS = 16
"""Above the beats that any path stores."""


class FramesInside(wiring.Component):
    """Says whether anything of a frame is in a path.

    A request, which on receive is a frame, counts from its first beat until its last frame
    has been judged; each frame that is to leave counts from its verdict until it has left.

    Members
    -------
    began : In(1)
        A request has begun to come.
    judged : In(1)
        The last verdict of a request.
    leaves : In(1)
        A verdict whose frame is to leave.
    left : In(1)
        The last beat of a frame has left.
    idle : Out(1)
        Nothing is inside; as of the clock before.
    """

    began: In(1)
    judged: In(1)
    leaves: In(1)
    left: In(1)
    idle: Out(1)

    def elaborate(self, platform):
        m = Module()
        count = Signal(COUNT_BITS)
        m.d.comb += self.idle.eq(count == 0)
        m.d.sync += count.eq(count + self.began + self.leaves - self.judged - self.left)
        return m
