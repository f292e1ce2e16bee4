"""Split the headers of a frame to send from its text."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import byte_in_beat, located, next_beat
from espnic.hdl.frame.text_restore import TextPlace
from espnic.hdl.layouts import beat


class HeaderSplit(wiring.Component):
    """Send the beats with headers one way, and the whole frame to the crypto path.

    A frame without text (``enable`` 0) goes the headers' way alone, whole. One
    beat each clock, combinational.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    place : In(stream.Signature(TextPlace))
        One per frame, taken with its last beat. ``offset`` is 2 mod 4, and the
        frame has at least that many bytes.
    headers : Out(stream.Signature(beat(width)))
        The bytes below ``offset``; whole frames without text.
    text : Out(stream.Signature(beat(width)))
        All beats of the frames with text.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "place": In(stream.Signature(TextPlace)),
            "headers": Out(stream.Signature(beat(width))),
            "text": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        where = located(self.place.payload.offset, self.width)
        enable = self.place.payload.enable
        i = self.i.payload
        index = Signal(8)
        boundary = Signal()
        to_headers = Signal()
        here = Signal()
        go = Signal()
        headers_taken = Signal()
        text_taken = Signal()
        m.d.comb += [
            boundary.eq(enable & (index == where.beat)),
            to_headers.eq(~enable | (index <= where.beat)),
            # Each way is offered the beat until it has taken it, whatever the other does.
            here.eq(self.i.valid & self.place.valid),
            self.headers.valid.eq(here & to_headers & ~headers_taken),
            self.headers.payload.eq(i),
            self.text.valid.eq(here & enable & ~text_taken),
            self.text.payload.eq(i),
            go.eq(here & (self.headers.ready | ~self.headers.valid)
                  & (self.text.ready | ~self.text.valid)),
            self.i.ready.eq(go),
            self.place.ready.eq(go & i.last),
        ]
        m.d.sync += [
            headers_taken.eq(~go & (headers_taken | (self.headers.valid & self.headers.ready))),
            text_taken.eq(~go & (text_taken | (self.text.valid & self.text.ready))),
        ]
        with m.If(boundary):
            m.d.comb += [
                self.headers.payload.last.eq(1),
                self.headers.payload.count.eq(byte_in_beat(where)),
            ]
        with m.If(go):
            m.d.sync += index.eq(next_beat(index, i.last))
        return m
