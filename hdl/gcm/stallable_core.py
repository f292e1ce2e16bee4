"""The GCM core between streams that may stall."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.room import room_for
from espnic.hdl.gcm.core import GcmCore
from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.hdl.layouts import BLOCK_BITS, beat, gcm_beat


class GcmStream(wiring.Component):
    """Runs the core, which cannot stall, only while there is room for what comes out.

    Rate and latency are those of ``GcmCore``, and 1 clock for the queue at its end. There are no
    errors.

    Parameters
    ----------
    width : int
        Bits of a beat.
    depth : int
        Number of beats, and of tags, that may be in flight. The rate falls unless it is more
        than the core's latency in clocks.
    form : CipherForm
        Rate of the core, and kind of its S-boxes.

    Members
    -------
    i : In(stream.Signature(gcm_beat(width)))
    o : Out(stream.Signature(beat(width)))
        Texts.
    tag : Out(stream.Signature(128))
        One for each packet, first byte in bits 7:0.
    begun : Out(1)
        The core takes the first beat of a text.
    """

    def __init__(self, width: int, depth: int, form: CipherForm = PLAIN):
        self.width = width
        self.form = form
        self.depth = depth
        super().__init__({
            "i": In(stream.Signature(gcm_beat(width))),
            "o": Out(stream.Signature(beat(width))),
            "tag": Out(stream.Signature(BLOCK_BITS)),
            "begun": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = GcmCore(self.width, self.form)
        m.submodules.texts = texts = Queue(beat(self.width), self.depth)
        m.submodules.tags = tags = Queue(BLOCK_BITS, self.depth)

        go = Signal()
        is_text = Signal()
        within_text = Signal()
        entered = Signal()
        entered_last = Signal()
        m.d.sync += [entered.eq(is_text), entered_last.eq(is_text & core.i.payload.last)]
        text_room = room_for(m, self.depth, entered, texts.o.valid & texts.o.ready, late=True)
        tag_room = room_for(m, self.depth, entered_last, tags.o.valid & tags.o.ready, late=True)
        m.d.comb += [
            go.eq(text_room & tag_room),
            core.i.payload.eq(self.i.payload),
            core.i.valid.eq(self.i.valid & go),
            self.i.ready.eq(core.i.ready & go),
            is_text.eq(core.i.valid & core.i.ready & ~core.i.payload.aad),
        ]
        m.d.comb += self.begun.eq(is_text & ~within_text)
        with m.If(is_text):
            m.d.sync += within_text.eq(~core.i.payload.last)
        m.d.comb += [
            texts.i.payload.eq(core.o.payload),
            texts.i.valid.eq(core.o.valid),
            tags.i.payload.eq(core.tag.payload),
            tags.i.valid.eq(core.tag.valid),
        ]
        wiring.connect(m, texts.o, wiring.flipped(self.o))
        wiring.connect(m, tags.o, wiring.flipped(self.tag))
        return m
