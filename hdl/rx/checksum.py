"""The checksums of a received frame as it came and as it leaves with an opened packet."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.flow.ones_sum import WORD_BITS, OnesSum
from espnic.hdl.flow.queue import Queue
from espnic.hdl.frame.align import OFFSET_BITS, byte_in_beat, position, valid_bytes
from espnic.hdl.layouts import LENGTH_BITS, beat
from espnic.hdl.rx.text_end import OpenedText
from espnic.hdl.rx.text_sum import TextSum, TextSums
from espnic.model.interface.codes import ETHERNET_HEADER_BYTES

TEXTS = 32
"""Texts on their way through AES-GCM: more than its latency in clocks."""


def placed_beat(width: int) -> data.StructLayout:
    """A beat of a frame, and whether and where the frame has a text.

    ``open``, ``text_offset`` and ``text_end``, both in bytes from the start of the frame, count
    on the first beat.
    """
    return data.StructLayout({
        "beat": beat(width), "open": 1, "text_offset": OFFSET_BITS, "text_end": LENGTH_BITS})


FrameSums = data.StructLayout({"whole": WORD_BITS, "behind_text": WORD_BITS})
"""Checksums of a frame as it came: of all of it, and of what lies behind its text, which means
nothing in a frame that was not opened."""


class RxChecksum(wiring.Component):
    """Sum each frame after its Ethernet header, and each opened packet up to its text's end.

    All sums are taken while the frame passes, because only the verdict tells which of
    them are reported. A packet is its headers up to the text as they came, and the
    decrypted text, with and without trailer. What lies behind the text, the ICV and bytes after
    the IP packet, leaves as it came: its sum and that of the packet with trailer make that of the
    frame as it leaves. The text lies at an even offset, and every byte is summed at its own place
    in the frame, so the sums of the parts add up, whatever the length of the text.

    Sums are those of `OnesSum` (RFC 1071): big-endian 16-bit numbers from byte 14 of
    the frame on, not complemented, 0 only if all summed bytes are. Linux calls
    this CHECKSUM_COMPLETE. There are no errors; if the pad length does not fit the text,
    the packet's sum without trailer has no meaning.

    One beat each clock on both inputs. Latency from the last beat to the sum:
    `frame_latency` clocks for a frame, `packet_latency` clocks for a text.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(placed_beat(width), always_ready=True))
        Frames. ``text_offset`` is 2 mod 4; with ``open`` the frame has at least that many bytes.
    text : In(stream.Signature(beat(width), always_ready=True))
        The plaintext of each frame with ``open``, in order. Its last beat comes after
        the beat of its frame in which the text begins, and at most `TEXTS` frames later.
    end : In(stream.Signature(OpenedText, always_ready=True))
        The pad length of each text, in the clock after its last beat.
    frame : Out(stream.Signature(FrameSums, always_ready=True))
        The sums of each frame to its end.
    packet : Out(stream.Signature(TextSums, always_ready=True))
        The sums of each opened packet.
    """

    frame_latency = 1 + OnesSum.latency
    packet_latency = TextSum.latency

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(placed_beat(width), always_ready=True)),
            "text": In(stream.Signature(beat(width), always_ready=True)),
            "end": In(stream.Signature(OpenedText, always_ready=True)),
            "frame": Out(stream.Signature(FrameSums, always_ready=True)),
            "packet": Out(stream.Signature(TextSums, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.frames = frames = OnesSum(self.width)
        m.submodules.heads = heads = OnesSum(self.width)
        m.submodules.tails = tails = OnesSum(self.width)
        m.submodules.starts = starts = Queue(WORD_BITS, TEXTS)
        m.submodules.texts = texts = TextSum(self.width)
        self._choose(m, frames.i, heads.i)
        self._choose_behind_text(m, frames.i, tails.i)
        m.d.comb += [
            self.frame.valid.eq(frames.o.valid),
            self.frame.payload.whole.eq(frames.o.payload),
            self.frame.payload.behind_text.eq(tails.o.payload),
            starts.i.payload.eq(heads.o.payload),
            starts.i.valid.eq(heads.o.valid),
        ]
        wiring.connect(m, wiring.flipped(self.text), texts.i)
        wiring.connect(m, wiring.flipped(self.end), texts.end)
        wiring.connect(m, starts.o, texts.start)
        wiring.connect(m, texts.o, wiring.flipped(self.packet))
        return m

    def _choose(self, m, frame, head):
        """Choose the bytes of the frame, and of its headers up to the text."""
        beat_bytes = self.width // 8
        item, given = self.i.payload.beat, self.i.payload
        where = Signal(position(self.width))
        opens = Signal()
        kept_where = Signal(position(self.width))
        kept_opens = Signal()
        text_begins = Signal()
        m.d.comb += [
            where.as_value().eq(Mux(item.first, given.text_offset, kept_where.as_value())),
            opens.eq(Mux(item.first, given.open, kept_opens)),
            text_begins.eq(where.beat == 0),
        ]
        with m.If(self.i.valid):
            m.d.sync += [
                kept_where.eq(where),
                kept_where.beat.eq(where.beat - 1),
                kept_opens.eq(opens & ~text_begins),
            ]

        behind_ethernet = Cat(~item.first if byte < ETHERNET_HEADER_BYTES else Const(1)
                              for byte in range(beat_bytes))
        before_text = valid_bytes(m, "before_text", byte_in_beat(where), beat_bytes)
        octets = Signal(self.width)
        m.d.sync += [
            octets.eq(item.data),
            frame.valid.eq(self.i.valid),
            frame.payload.keep.eq(
                valid_bytes(m, "frame_bytes", item.count, beat_bytes) & behind_ethernet),
            frame.payload.last.eq(item.last),
            head.valid.eq(self.i.valid & opens),
            head.payload.keep.eq(Mux(text_begins, before_text, ~0) & behind_ethernet),
            head.payload.last.eq(text_begins),
        ]
        m.d.comb += [frame.payload.data.eq(octets), head.payload.data.eq(octets)]

    def _choose_behind_text(self, m, frame, tail):
        """Choose the bytes behind the text, of the beats that go to ``frame``."""
        item = self.i.payload.beat
        end = Signal(data.StructLayout({
            "byte": exact_log2(self.width // 8),
            "beat": LENGTH_BITS - exact_log2(self.width // 8)}))
        kept_end = Signal.like(end)
        ended = Signal()
        kept_ended = Signal()
        ends = Signal()
        m.d.comb += [
            end.as_value().eq(Mux(item.first, self.i.payload.text_end, kept_end.as_value())),
            ended.eq(~item.first & kept_ended),
            ends.eq(end.beat == 0),
        ]
        with m.If(self.i.valid):
            m.d.sync += [
                kept_end.eq(end),
                kept_end.beat.eq(end.beat - 1),
                kept_ended.eq(ended | ends),
            ]
        beat_bytes = self.width // 8
        valid, before_end = (valid_bytes(m, name, count, beat_bytes) for name, count in (
            ("valid", item.count), ("before_end", end.byte)))
        m.d.sync += tail.payload.keep.eq(
            Mux(ended, valid, Mux(ends, valid & ~before_end, 0)))
        m.d.comb += [
            tail.valid.eq(frame.valid),
            tail.payload.last.eq(frame.payload.last),
            tail.payload.data.eq(frame.payload.data),
        ]
