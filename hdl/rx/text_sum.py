"""The checksums of a decrypted text with and without its trailer.

The length of the trailer is known only at the end of the text.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.flow.distributed_ram import distributed_ram
from espnic.hdl.flow.ones_sum import WORD_BITS, OnesSum, ones_add
from espnic.hdl.frame.align import valid_bytes
from espnic.hdl.layouts import beat
from espnic.hdl.rx.text_end import OpenedText
from espnic.model.interface.codes import ESP_TRAILER_MIN_BYTES

RING_BYTES = 512
"""Bytes of text that are kept: the longest trailer has 257, and its end may lie anywhere in a
beat."""

_FIND_CLOCKS = 2
"""Clocks from the last beat to that in which the payload ends."""

TextSums = data.StructLayout({"payload": WORD_BITS, "whole": WORD_BITS})
"""Checksums up to the end of a text: without its trailer and with it."""


class TextSum(wiring.Component):
    """Add a text to a checksum: its payload, which is all but the ESP trailer, and all of it.

    ::

        i ─┬─ sums of beats ─ running sum ─┬──────────────── start ─ + ─────── o.whole
           │                               └ ring of the sums before each beat ─ + ── + ─ o.payload
           │                                                     │     start ─┘    │
           └─ ring of beats ─ beat in which the payload ends ────┴─ its part ──────┘
                      end ─────┘

    Padding may hold anything (RFC 4303, 2.4), so its sum does not follow from its
    length. The last beats are kept, and for each of them the sum of all beats before it.
    When the pad length is known, the beat in which the payload ends is read again, and
    its payload bytes are summed.

    Sums are those of `OnesSum` (RFC 1071): big-endian 16-bit numbers from the text's
    first byte on, not complemented, 0 only if all summed bytes are. If the pad
    length + 2 is more than the text, the sum of the payload has no meaning.

    Latency `latency` clocks from a text's last beat, one beat each clock.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Plaintexts.
    end : In(stream.Signature(OpenedText, always_ready=True))
        The pad length of each text, in the clock after its last beat, as `TextEnd` gives it.
    start : In(stream.Signature(16))
        The sum to add to, one per text; valid at the latest ``latency - 1`` clocks after the
        last beat, and taken then.
    o : Out(stream.Signature(TextSums, always_ready=True))
        The sums of each text.
    """

    latency = _FIND_CLOCKS + OnesSum.latency

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "end": In(stream.Signature(OpenedText, always_ready=True)),
            "start": In(stream.Signature(WORD_BITS)),
            "o": Out(stream.Signature(TextSums, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.part = part = OnesSum(self.width)
        beat_found = self._find_end(m, part)
        before, whole = self._running_sums(m, beat_found.beat)

        rest = Signal(WORD_BITS)
        start = Signal(WORD_BITS)
        m.d.sync += [
            rest.eq(ones_add(before, self.start.payload)),
            start.eq(self.start.payload),
        ]
        m.d.comb += [
            self.start.ready.eq(beat_found.valid),
            self.o.payload.whole.eq(ones_add(whole, start)),
            self.o.payload.payload.eq(ones_add(rest, part.o.payload)),
            self.o.valid.eq(part.o.valid),
        ]
        return m

    def _find_end(self, m, part):
        """Sum the payload's part of the beat in which it ends.

        Returns that beat's place in the ring, in the clock in which the sum of the beats before
        it is known.
        """
        beat_bytes = self.width // 8
        depth = RING_BYTES // beat_bytes
        m.submodules.beats = ring = distributed_ram(self.width, depth)
        write, read = ring.write_port(), ring.read_port(domain="comb")
        newest = Signal(range(depth))
        i = self.i.payload
        m.d.comb += [
            write.addr.eq(newest),
            write.data.eq(i.data),
            write.en.eq(self.i.valid),
        ]
        # Bytes are numbered round the ring.
        pad_end = Signal(range(RING_BYTES))
        with m.If(self.i.valid):
            m.d.sync += [
                newest.eq(newest + 1),
                pad_end.eq(newest * beat_bytes + i.count - ESP_TRAILER_MIN_BYTES),
            ]

        payload_end = Signal(data.StructLayout({
            "byte": exact_log2(beat_bytes), "beat": exact_log2(depth)}))
        ended = Signal()
        m.d.sync += [
            payload_end.as_value().eq(pad_end - self.end.payload.pad_length),
            ended.eq(self.end.valid),
        ]
        m.d.comb += [
            read.addr.eq(payload_end.beat),
            part.i.valid.eq(ended),
            part.i.payload.data.eq(read.data),
            part.i.payload.keep.eq(valid_bytes(m, "payload_bytes", payload_end.byte, beat_bytes)),
            part.i.payload.last.eq(1),
        ]

        found = data.StructLayout({"valid": 1, "beat": exact_log2(depth)})
        stages = [Signal(found, name=f"found{stage}") for stage in range(OnesSum.latency - 1)]
        m.d.sync += [stages[0].valid.eq(ended), stages[0].beat.eq(payload_end.beat)]
        m.d.sync += [after.eq(stage) for stage, after in zip(stages, stages[1:], strict=False)]
        return stages[-1]

    def _running_sums(self, m, place):
        """The sum of what lies before the beat at ``place`` of the ring, and that of all beats.

        The first is that of the text that ended 4 clocks before, the second that of the one that
        ended 5 clocks before.
        """
        depth = RING_BYTES // (self.width // 8)
        m.submodules.sums = sums = OnesSum(self.width)
        m.submodules.befores = ring = distributed_ram(WORD_BITS, depth)
        write, read = ring.write_port(), ring.read_port(domain="comb")
        i = self.i.payload
        m.d.comb += sums.i.payload.last.eq(1)
        m.d.sync += [
            sums.i.valid.eq(self.i.valid),
            sums.i.payload.data.eq(i.data),
            sums.i.payload.keep.eq(valid_bytes(m, "text_bytes", i.count, self.width // 8)),
        ]
        lasts = Signal(1 + OnesSum.latency)
        newest = Signal(range(depth))
        before = Signal(WORD_BITS)
        whole = Signal(WORD_BITS)
        m.d.sync += lasts.eq(Cat(i.last, lasts))
        m.d.comb += [
            write.addr.eq(newest),
            write.data.eq(before),
            write.en.eq(sums.o.valid),
            read.addr.eq(place),
        ]
        following = ones_add(before, sums.o.payload)
        with m.If(sums.o.valid):
            m.d.sync += [
                newest.eq(newest + 1),
                before.eq(Mux(lasts[-1], 0, following)),
                whole.eq(following),
            ]
        # The last beat is only just being written.
        return Mux(place == newest, before, read.data), whole
