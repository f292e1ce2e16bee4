"""Clear frames of requests to clear frames that leave, in a build that cuts none."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.fan_out import fan_out
from espnic.hdl.flow.queue import Queue
from espnic.hdl.layouts import beat
from espnic.hdl.lso.header_patch import HeaderPatch, header_patches, show_marked
from espnic.hdl.lso.segmenter import patches

BEATS = 16
"""Beats that wait for their order: more than come in the latency of the segmenter."""

ORDERS = 16
"""Frames whose orders have come before the frames have."""

PATCHES = patches(lso=False)


PatchOrder = data.StructLayout({"patches": header_patches(PATCHES), "edited": 1})
"""Order for a frame; ``edited``: the host wanted it changed."""


class PatchPath(wiring.Component):
    """Write into headers, and pass frames: a ``SegmentPath`` for a build that cuts none.

    One beat each clock, no gap between frames; latency 3 clocks when the order is there.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    order : In(stream.Signature(PatchOrder))
        One per frame.
    o : Out(stream.Signature(beat(width)))
        Frames.
    edited : Out(stream.Signature(beat(width), always_ready=True))
        The frames of ``o`` whose order says ``edited``, as they pass.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "order": In(stream.Signature(PatchOrder)),
            "o": Out(stream.Signature(beat(width))),
            "edited": Out(stream.Signature(beat(width), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.waiting = waiting = Queue(beat(self.width), BEATS)
        m.submodules.patches = orders = Queue(header_patches(PATCHES), ORDERS)
        m.submodules.marks = marks = Queue(1, ORDERS)
        m.submodules.patch = patch = HeaderPatch(self.width, PATCHES)
        order = self.order.payload
        fan_out(m, self.order, [(orders.i, order.patches, 1), (marks.i, order.edited, 1)])
        wiring.connect(m, wiring.flipped(self.i), waiting.i)
        wiring.connect(m, waiting.o, patch.i)
        wiring.connect(m, orders.o, patch.patch)
        wiring.connect(m, patch.o, wiring.flipped(self.o))
        show_marked(m, patch.o, marks.o, self.edited)
        return m
