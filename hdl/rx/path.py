"""The receive path: from the wire to the host."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from espnic.hdl.flow.beat_store import READ_AHEAD, BeatStore
from espnic.hdl.flow.fan_out import fan_out
from espnic.hdl.flow.frame_ingress import FrameIngress, axi_beat, frame_end
from espnic.hdl.flow.ones_sum import WORD_BITS
from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.skid import Skid
from espnic.hdl.frame.text_extract import TextExtract, TextSpan
from espnic.hdl.frame.text_restore import TextPlace, TextRestore
from espnic.hdl.gcm.core import GcmCore
from espnic.hdl.gcm.feed import GcmFeed, gcm_packet
from espnic.hdl.layouts import (
    IN_FLIGHT_BITS,
    LENGTH_BITS,
    LookupKey,
    RxCompletion,
    RxEvent,
    RxLookedUp,
    RxParsed,
    beat,
    received_sa,
)
from espnic.hdl.rx.checksum import RxChecksum
from espnic.hdl.rx.dispatch import RxDispatch, RxRecord
from espnic.hdl.rx.icv_split import IcvSplit, ReceivedIcv
from espnic.hdl.rx.l4_check import L4Check
from espnic.hdl.rx.parser import RxHeader, RxParser
from espnic.hdl.rx.text_end import OpenedText, TextEnd
from espnic.hdl.rx.verdict import RxVerdict
from espnic.hdl.sa.replay_windows import WindowAnswer, WindowQuery
from espnic.hdl.sa.usage import UsagePort
from espnic.model.interface.codes import RxStatus

STORE_BYTES = 16384
"""Of frames, and again of plaintext: the longest frame, and what comes while it leaves."""

STORE_MARGIN = 2 * READ_AHEAD
"""Beats by which a frame may have left its store before its plaintext has."""

FRAMES = 64
"""Frames between ingress and verdict: more than the path's latency in clocks."""

LOOKUPS = 16
"""Frames between ingress and dispatch: more than the latency of parser and SA table."""

ORDERS = 8
"""Frames between dispatch and core: more than the clocks of a beat's way there."""

LOOKUP_BEATS = 32
"""Beats that wait for the parser and the SA table."""


def rx_points(width: int) -> dict:
    """Shape of what passes each trace point of the receive path.

    ``window``, of each frame that is looked up: of how many frames the verdict had been given
    in the clocks before it was read where its SA's replay window begins, modulo twice the
    frames that may be in flight.
    """
    return {
        "parse": RxParsed,
        "window": ceil_log2(2 * FRAMES),
        "lookup": RxLookedUp,
        "open": beat(width),
        "icv": 128,
        "verdict": RxCompletion,
    }


def rx_taps(width: int) -> wiring.Signature:
    """The trace points, for a simulation to watch."""
    return wiring.Signature({
        name: Out(stream.Signature(shape, always_ready=True))
        for name, shape in rx_points(width).items()
    })


class RxPath(wiring.Component):
    """Open the ESP packets of the SAs in the table; pass all else as it came.

    ::

        i ─ ingress ┬─ L4 check ───────────────────────────────────────────┐
                    ├─ parser ─ SA look-up ─ dispatch ─┐                   │
                    ├─ queue ─ text extract ─ ICV split ─ feed ─ GCM core ─┬─ verdict
                    │        └─ checksum ──────────────────────────────────┤
                    │                                                      plaintext store
                    └─ frame store ──────────────────────── text restore ──┘─ o

    The frame is kept as it came until the tag has been compared; its plaintext
    lies in a store of its own, which is read only if the verdict is OK.

    A frame asks for its place in its SA's replay window at dispatch and is told by the
    verdict, behind all earlier frames; the answer is not later than the tag.

    Parameters
    ----------
    width : int
        Bits of a beat.
    ipv6 : bool
        Open ESP in IPv6.
    windows : bool
        Receive SAs may have replay windows; else there are no ports for them.

    Members
    -------
    i : In(stream.Signature(axi_beat(width, 0)))
        Frames from the wire.
    lookup : Out(stream.Signature(LookupKey, always_ready=True))
    sa : In(stream.Signature(received_sa(width // 128), always_ready=True))
        Answers of the SA table, one for each look-up, in order.
    window_query : Out(stream.Signature(WindowQuery))
    window_answer : In(stream.Signature(WindowAnswer))
    received : Out(1)
        To the replay windows (``ReplayState``).
    o : Out(stream.Signature(axi_beat(width, RxCompletion)))
        Frames to the host; the completion is on every beat of its frame.
    event : Out(stream.Signature(RxEvent, always_ready=True))
        One a frame, with its verdict.
    usage : Out(UsagePort)
        To the lifetimes of the SAs (``SaUsage``), asked with the verdict.
    in_flight : Out(IN_FLIGHT_BITS)
        Frames that have begun to come and have no verdict yet.
    judged : Out(1)
        One gets its verdict: nothing more is asked of its SA.
    taps : Out(rx_taps(width))
    """

    def __init__(self, width: int, ipv6: bool = True, windows: bool = True):
        self.width = width
        self.ipv6 = ipv6
        self.windows = windows
        lanes = width // 128
        window_ports = {
            "window_query": Out(stream.Signature(WindowQuery)),
            "window_answer": In(stream.Signature(WindowAnswer)),
            "received": Out(1),
        }
        super().__init__({
            **(window_ports if windows else {}),
            "i": In(stream.Signature(axi_beat(width, 0))),
            "lookup": Out(stream.Signature(LookupKey, always_ready=True)),
            "sa": In(stream.Signature(received_sa(lanes), always_ready=True)),
            "o": Out(stream.Signature(axi_beat(width, RxCompletion.size))),
            "event": Out(stream.Signature(RxEvent, always_ready=True)),
            "usage": Out(UsagePort),
            "in_flight": Out(IN_FLIGHT_BITS),
            "judged": Out(1),
            "taps": Out(rx_taps(width)),
        })

    def elaborate(self, platform):
        m = Module()
        width, lanes = self.width, self.width // 128
        store_beats = STORE_BYTES // (width // 8)

        m.submodules.ingress = ingress = FrameIngress(width, 0)
        m.submodules.parser = parser = RxParser(width, self.ipv6)
        m.submodules.frames = frames = BeatStore(
            beat(width), store_beats, margin=STORE_MARGIN)
        m.submodules.waiting = waiting = Queue(beat(width), LOOKUP_BEATS)
        m.submodules.ends = ends = Queue(frame_end(), FRAMES)
        m.submodules.headers = headers = Queue(RxHeader, LOOKUPS)
        m.submodules.sas = sas = Queue(received_sa(lanes), LOOKUPS)
        m.submodules.dispatch = dispatch = RxDispatch(width)
        m.submodules.spans = spans = Queue(TextSpan, 2)
        m.submodules.lengths = lengths = Queue(LENGTH_BITS, ORDERS)
        m.submodules.packets = packets = Queue(gcm_packet(lanes), ORDERS)
        m.submodules.records = records = Queue(RxRecord, FRAMES)
        m.submodules.extract = extract = TextExtract(width)
        m.submodules.split = split = IcvSplit(width)
        m.submodules.texts = texts = Queue(beat(width), 2)
        m.submodules.feed = feed = GcmFeed(width)
        m.submodules.core = core = GcmCore(width)
        m.submodules.plain = plain = BeatStore(beat(width), store_beats)
        m.submodules.text_end = text_end = TextEnd(width)
        m.submodules.icvs = icvs = Queue(ReceivedIcv, FRAMES)
        m.submodules.tags = tags = Queue(128, FRAMES, through=True)
        m.submodules.text_ends = text_ends = Queue(OpenedText, FRAMES)
        m.submodules.checksum = checksum = RxChecksum(width)
        m.submodules.frame_sums = frame_sums = Queue(WORD_BITS, FRAMES)
        m.submodules.packet_sums = packet_sums = Queue(WORD_BITS, FRAMES)
        m.submodules.l4_check = l4_check = L4Check(width)
        m.submodules.l4_checks = l4_checks = Queue(l4_check.o.payload.shape(), FRAMES)
        m.submodules.verdict = verdict = RxVerdict()
        m.submodules.judgements = judgements = Skid(verdict.o.payload.shape())
        m.submodules.places = places = Queue(TextPlace, 4)
        m.submodules.completions = completions = Queue(RxCompletion, 4)
        m.submodules.restore = restore = TextRestore(width)

        # Ingress: a beat goes to the parser, the L4 check, the frame store and the waiting
        # queue at once.
        looking_up = Signal(range(LOOKUPS + 1))
        in_flight = Signal(range(FRAMES + 1))
        admit = Signal()
        accepted = Signal()
        began = Signal()
        taken = ingress.o.payload.beat
        wiring.connect(m, wiring.flipped(self.i), ingress.i)
        m.d.comb += [
            admit.eq(~taken.first | ((looking_up != LOOKUPS) & (in_flight != FRAMES))),
            ingress.o.ready.eq(admit & frames.i.ready & waiting.i.ready),
            accepted.eq(ingress.o.valid & ingress.o.ready),
            began.eq(accepted & taken.first),
            parser.i.payload.eq(taken),
            parser.i.valid.eq(accepted),
            l4_check.i.payload.eq(taken),
            l4_check.i.valid.eq(accepted),
            l4_checks.i.payload.eq(l4_check.o.payload),
            l4_checks.i.valid.eq(l4_check.o.valid),
            frames.i.payload.eq(taken),
            frames.i.valid.eq(accepted),
            waiting.i.payload.eq(taken),
            waiting.i.valid.eq(accepted),
            ends.i.payload.eq(ingress.end.payload),
            ends.i.valid.eq(ingress.end.valid),
        ]

        # Look-up: every frame asks, so that answers and headers stay in step.
        header = parser.o.payload
        m.d.comb += [
            headers.i.payload.eq(header),
            headers.i.valid.eq(parser.o.valid),
            self.lookup.valid.eq(parser.o.valid),
            self.lookup.payload.destination.eq(header.parsed.destination),
            self.lookup.payload.ipv6.eq(header.parsed.ipv6),
            self.lookup.payload.encapsulation.eq(header.parsed.encapsulation),
            self.lookup.payload.spi.eq(header.parsed.spi),
            sas.i.payload.eq(self.sa.payload),
            sas.i.valid.eq(self.sa.valid),
        ]
        wiring.connect(m, headers.o, dispatch.header)
        wiring.connect(m, sas.o, dispatch.sa)

        job = dispatch.o.payload
        orders = [
            (spans.i, job.span, 1),
            (records.i, job.record, 1),
            (lengths.i, job.text_bytes, job.open),
            (packets.i, job.packet, job.open),
        ]
        if self.windows:
            m.submodules.queries = queries = Queue(WindowQuery, FRAMES)
            orders.append((queries.i, job.query, job.record.windowed))
            wiring.connect(m, queries.o, wiring.flipped(self.window_query))
            wiring.connect(m, wiring.flipped(self.window_answer), verdict.window)
            m.d.comb += self.received.eq(verdict.received)
        dispatched = fan_out(m, dispatch.o, orders)

        # Crypto: the core cannot stall, and need not: a frame has no more beats of
        # text than beats, so where the frame store had room the plaintext store has,
        # and there is room for the tags of all frames in flight.
        wiring.connect(m, waiting.o, extract.i)
        wiring.connect(m, spans.o, extract.span)
        wiring.connect(m, extract.o, split.i)
        wiring.connect(m, lengths.o, split.text_bytes)
        wiring.connect(m, split.o, texts.i)
        wiring.connect(m, texts.o, feed.i)
        wiring.connect(m, packets.o, feed.packet)
        wiring.connect(m, feed.o, core.i)
        m.d.comb += [
            plain.i.payload.eq(core.o.payload),
            plain.i.valid.eq(core.o.valid),
            text_end.i.payload.eq(core.o.payload),
            text_end.i.valid.eq(core.o.valid),
            icvs.i.payload.eq(split.icv.payload),
            icvs.i.valid.eq(split.icv.valid),
            tags.i.payload.eq(core.tag.payload),
            tags.i.valid.eq(core.tag.valid),
            text_ends.i.payload.eq(text_end.o.payload),
            text_ends.i.valid.eq(text_end.o.valid),
        ]

        # Checksum: of the frame as the text is taken out of it, which is when it is known
        # where the text is, and of the text as the core gives it.
        m.d.comb += [
            checksum.i.payload.beat.eq(waiting.o.payload),
            checksum.i.payload.open.eq(spans.o.payload.enable),
            checksum.i.payload.text_offset.eq(spans.o.payload.offset),
            checksum.i.valid.eq(waiting.o.valid & waiting.o.ready),
            checksum.text.payload.eq(core.o.payload),
            checksum.text.valid.eq(core.o.valid),
            checksum.end.payload.eq(text_end.o.payload),
            checksum.end.valid.eq(text_end.o.valid),
            frame_sums.i.payload.eq(checksum.frame.payload),
            frame_sums.i.valid.eq(checksum.frame.valid),
            packet_sums.i.payload.eq(checksum.packet.payload),
            packet_sums.i.valid.eq(checksum.packet.valid),
        ]

        # Verdict: the frame leaves with its plaintext, as it came, or not at all.
        wiring.connect(m, records.o, verdict.record)
        wiring.connect(m, ends.o, verdict.end)
        wiring.connect(m, icvs.o, verdict.icv)
        wiring.connect(m, tags.o, verdict.tag)
        wiring.connect(m, text_ends.o, verdict.text)
        wiring.connect(m, frame_sums.o, verdict.frame_sum)
        wiring.connect(m, packet_sums.o, verdict.packet_sum)
        wiring.connect(m, l4_checks.o, verdict.l4)
        wiring.connect(m, verdict.usage, wiring.flipped(self.usage))
        wiring.connect(m, verdict.o, judgements.i)
        final = judgements.o.payload
        beat_bytes = width // 8
        frame_beats = (final.bytes + beat_bytes - 1) // beat_bytes
        judged = fan_out(m, judgements.o, [
            (frames.command, Cat(frame_beats[:len(frames.command.payload.beats)], ~final.drop), 1),
            (plain.command, Cat(final.text_beats[:len(plain.command.payload.beats)],
                                final.restore), final.text_beats != 0),
            (places.i, Cat(final.restore, final.text_offset), ~final.drop),
            (completions.i, final.completion, ~final.drop),
        ])
        wiring.connect(m, frames.o, restore.i)
        wiring.connect(m, plain.o, restore.text)
        wiring.connect(m, places.o, restore.place)

        out = restore.o.payload
        m.d.comb += [
            self.o.payload.tdata.eq(out.data),
            self.o.payload.tkeep.eq(Cat(out.count > index for index in range(beat_bytes))),
            self.o.payload.tlast.eq(out.last),
            self.o.payload.tuser.eq(completions.o.payload),
            self.o.valid.eq(restore.o.valid & completions.o.valid),
            restore.o.ready.eq(self.o.ready & completions.o.valid),
            completions.o.ready.eq(self.o.valid & self.o.ready & out.last),
            self.event.valid.eq(judged),
            self.event.payload.status.eq(final.completion.status),
            self.event.payload.bytes.eq(final.bytes),
        ]
        m.d.sync += [
            looking_up.eq(looking_up + began - dispatched),
            in_flight.eq(in_flight + began - judged),
        ]
        m.d.comb += [self.in_flight.eq(in_flight), self.judged.eq(judged)]

        # A window is read in the clock before the SA comes.
        verdicts = Signal(ceil_log2(2 * FRAMES))
        taps = self.taps
        m.d.sync += [
            verdicts.eq(verdicts + verdict.frame_sum.ready),
            taps.window.payload.eq(verdicts),
        ]
        m.d.comb += [
            taps.window.valid.eq(self.sa.valid),
            taps.parse.payload.eq(header.parsed),
            taps.parse.valid.eq(parser.o.valid),
            taps.lookup.payload.hit.eq(dispatch.sa.payload.hit),
            taps.lookup.payload.sa.eq(job.record.sa),
            taps.lookup.valid.eq(
                dispatched & (dispatch.header.payload.parsed.status == RxStatus.OK)),
            taps.open.payload.eq(core.o.payload),
            taps.open.valid.eq(core.o.valid),
            taps.icv.payload.eq(core.tag.payload),
            taps.icv.valid.eq(core.tag.valid),
            taps.verdict.payload.eq(final.completion),
            taps.verdict.valid.eq(judged),
        ]
        return m
