"""The receive path: from the wire to the host."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from espnic.hdl.flow.beat_store import READ_AHEAD, BeatStore
from espnic.hdl.flow.fan_out import fan_out
from espnic.hdl.flow.frame_ingress import FrameIngress, ReceivedEnd, axi_beat
from espnic.hdl.flow.push import push
from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.registered_queue import RegisteredQueue
from espnic.hdl.flow.skid import Skid
from espnic.hdl.flow.stage import Stage
from espnic.hdl.frame.align import valid_bytes
from espnic.hdl.frame.text_extract import TextExtract, TextSpan
from espnic.hdl.frame.text_restore import TextPlace, TextRestore
from espnic.hdl.gcm.core import GcmCore
from espnic.hdl.gcm.feed import TEXTS, GcmFeed
from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.hdl.gcm.rfc4106 import describe_packet
from espnic.hdl.gcm.self_test import SelfTest, SelfTestPort, join_orders
from espnic.hdl.layouts import (
    IN_FLIGHT_BITS,
    LENGTH_BITS,
    EspPorts,
    LookupKey,
    ReceivedSa,
    RxCompletion,
    RxEvent,
    RxLookedUp,
    RxParsed,
    beat,
    lanes_of,
    secret_port,
)
from espnic.hdl.rx.checksum import FrameSums, RxChecksum
from espnic.hdl.rx.dispatch import Opening, RxDispatch, RxRecord
from espnic.hdl.rx.icv_split import IcvSplit, ReceivedIcv
from espnic.hdl.rx.l4_check import L4Check
from espnic.hdl.rx.parser import RxHeader, RxParser
from espnic.hdl.rx.text_end import OpenedText, TextEnd
from espnic.hdl.rx.text_sum import TextSums
from espnic.hdl.rx.verdict import RxVerdict
from espnic.hdl.sa.replay_windows import WindowAnswer, WindowQuery
from espnic.hdl.sa.secret_read import SecretRead
from espnic.hdl.sa.usage import UsagePort
from espnic.model.interface.codes import RxStatus

STORE_BYTES = 16384
"""Bytes of the frame store and of the plaintext store: the longest frame, and what comes while
it leaves."""

STORE_MARGIN = 2 * READ_AHEAD
"""Number of beats that a frame may leave its store ahead of its plaintext."""

FRAMES = 64
"""Frames between ingress and verdict: more than the path's latency in clocks."""

VERDICTS = 512
"""Frames between verdict and output: more of the shortest than come while the longest leaves."""

LOOKUPS = 16
"""Frames between ingress and dispatch: more than the latency of parser and SA table."""

ORDERS = 8
"""Frames between dispatch and core: more than the clocks of a beat's way there."""

SPANS = 4
"""Frames between dispatch and the extraction of their texts."""

LOOKUP_BEATS = 32
"""Beats that wait for the parser and the SA table."""


BAD_BIT = 0
"""Bit of ``tuser`` that is 1 on the last beat of a bad frame; the sideband is above it."""


def rx_points(width: int) -> dict:
    """Shape of what passes each trace point of the receive path.

    ``window``, for each frame that is looked up: number of frames that had moved their windows
    before the start of its SA's replay window was read, modulo twice the frames that may be in
    flight.
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

    The secrets of a frame's SA are read right in front of the feed. If they are gone or wrong, what
    the core makes of the frame means nothing, and the verdict is SA_GONE or FAULT.

    A frame asks for its place in its SA's replay window at dispatch. The verdict takes the
    answer, after those of all earlier frames; it comes no later than the tag.

    When asked, the core tests itself with a packet between two frames (``SelfTest``), of which
    nothing is seen outside.

    Parameters
    ----------
    width : int
        Bits of a beat.
    ipv6 : bool
        Open ESP in IPv6.
    windows : bool
        Receive SAs may have replay windows; else there are no ports for them.
    sideband : int
        Bits that come with a frame and leave with it.
    form : CipherForm
        Rate of the core, and kind of its S-boxes. If it is folded, texts wait for it, and so
        does what comes behind them.

    Members
    -------
    i : In(stream.Signature(axi_beat(width, 1 + sideband)))
        Frames from the wire. Bit ``BAD_BIT`` of tuser is 1 on the last beat of a bad frame; the
        sideband, on the first beat, is above it.
    esp_ports : In(EspPorts)
        UDP ports of ESP (``RxParser``).
    lookup : Out(stream.Signature(LookupKey, always_ready=True))
    sa : In(stream.Signature(ReceivedSa, always_ready=True))
        Answers of the SA table, one for each look-up, in order.
    secrets : Out(secret_port(lanes_of(width)))
        Secrets of the SAs, by handle.
    window_query : Out(stream.Signature(WindowQuery))
    window_answer : In(stream.Signature(WindowAnswer))
    received : Out(1)
        To the replay windows (``ReplayState``).
    o : Out(stream.Signature(axi_beat(width, RxCompletion.size + sideband)))
        Frames to the host; the completion, and the sideband above it, are on every beat of their
        frame.
    event : Out(stream.Signature(RxEvent, always_ready=True))
        One per frame, in the clock of its verdict.
    usage : Out(UsagePort)
        To the lifetimes of the SAs (``SaUsage``), asked with the verdict.
    in_flight : Out(IN_FLIGHT_BITS)
        Frames that have begun to come and have no verdict yet.
    judged : Out(1)
        A frame gets its verdict: nothing more is asked of its SA.
    cipher : In(SelfTestPort)
    cipher_failed : In(1)
    hold : Out(1)
    still : In(1)
        ``run``, ``failed``, ``hold`` and ``still`` of ``SelfTest``.
    taps : Out(rx_taps(width))
    """

    def __init__(self, width: int, ipv6: bool = True, windows: bool = True, sideband: int = 0,
                 form: CipherForm = PLAIN):
        self.width = width
        self.form = form
        self.ipv6 = ipv6
        self.windows = windows
        self.sideband = sideband
        window_ports = {
            "window_query": Out(stream.Signature(WindowQuery)),
            "window_answer": In(stream.Signature(WindowAnswer)),
            "received": Out(1),
        }
        super().__init__({
            **(window_ports if windows else {}),
            "i": In(stream.Signature(axi_beat(width, BAD_BIT + 1 + sideband))),
            "esp_ports": In(EspPorts),
            "lookup": Out(stream.Signature(LookupKey, always_ready=True)),
            "sa": In(stream.Signature(ReceivedSa, always_ready=True)),
            "secrets": Out(secret_port(lanes_of(width))),
            "o": Out(stream.Signature(axi_beat(width, RxCompletion.size + sideband))),
            "event": Out(stream.Signature(RxEvent, always_ready=True)),
            "usage": Out(UsagePort),
            "in_flight": Out(IN_FLIGHT_BITS),
            "judged": Out(1),
            "cipher": In(SelfTestPort),
            "cipher_failed": In(1),
            "hold": Out(1),
            "still": In(1),
            "taps": Out(rx_taps(width)),
        })

    def elaborate(self, platform):
        m = Module()
        dispatched = Signal()
        judged = Signal()
        self._take_in(m, dispatched, judged)
        self._look_up(m)
        m.d.comb += dispatched.eq(self._dispatch(m))
        self._open(m)
        self._unlock(m)
        self._sum(m)
        self._judge(m)
        m.d.comb += judged.eq(self._carry_out(m))
        self._leave(m)
        self._tap(m)
        return m

    def _take_in(self, m, dispatched, judged):
        """Ingress: give each beat to parser, L4 check, frame store and waiting queue at once.

        ``dispatched``: a frame is done with its look-up; ``judged``: a frame gets its verdict.
        """
        blocks, width = m.submodules, self.width
        blocks.ingress = ingress = FrameIngress(
            width, BAD_BIT + 1 + self.sideband, bad_bit=BAD_BIT)
        blocks.arrived = arrived = Stage(beat(width))
        blocks.parser = parser = RxParser(width, self.ipv6)
        blocks.frames = frames = BeatStore(
            beat(width), STORE_BYTES // (width // 8), margin=STORE_MARGIN)
        blocks.waiting = waiting = RegisteredQueue(beat(width), LOOKUP_BEATS)
        blocks.ends = ends = Queue(ReceivedEnd, FRAMES)
        blocks.l4_check = l4_check = L4Check(width)
        blocks.l4_checks = l4_checks = Queue(l4_check.o.payload.shape(), FRAMES)

        looking_up = Signal(range(LOOKUPS + 1))
        in_flight = Signal(range(FRAMES + 1))
        admit = Signal()
        began = Signal()
        taken = ingress.o.payload.beat
        wiring.connect(m, wiring.flipped(self.i), ingress.i)
        push(m, arrived.o, parser.i, l4_check.i, frames.i, waiting.i)
        push(m, ingress.end, ends.i)
        push(m, l4_check.o, l4_checks.i)
        m.d.comb += [
            parser.esp_ports.eq(self.esp_ports),
            admit.eq(~taken.first | ((looking_up != LOOKUPS) & (in_flight != FRAMES))),
            arrived.i.payload.eq(taken),
            arrived.i.valid.eq(ingress.o.valid & admit),
            ingress.o.ready.eq(arrived.i.ready & admit),
            arrived.o.ready.eq(frames.i.ready & waiting.i.ready),
            began.eq(ingress.o.valid & ingress.o.ready & taken.first),
            self.in_flight.eq(in_flight),
            self.judged.eq(judged),
        ]
        m.d.sync += [
            looking_up.eq(looking_up + began - dispatched),
            in_flight.eq(in_flight + began - judged),
        ]
        if self.sideband:
            # A frame is in flight as long as its sideband is in here.
            blocks.sidebands = sidebands = Queue(self.sideband, FRAMES)
            m.d.comb += [
                sidebands.i.payload.eq(ingress.o.payload.user[BAD_BIT + 1:]),
                sidebands.i.valid.eq(began),
                sidebands.o.ready.eq(judged),
            ]

    def _look_up(self, m):
        """Ask for the SA of every frame, so that answers and headers stay in step."""
        blocks = m.submodules
        blocks.headers = headers = Queue(RxHeader, LOOKUPS)
        blocks.sas = sas = Queue(self.sa.payload.shape(), LOOKUPS)
        blocks.dispatch = dispatch = RxDispatch()

        parsed = blocks.parser.o.payload.parsed
        push(m, blocks.parser.o, headers.i)
        push(m, self.sa, sas.i)
        m.d.comb += self.lookup.valid.eq(blocks.parser.o.valid)
        m.d.comb += [self.lookup.payload[name].eq(parsed[name]) for name in LookupKey.members]
        wiring.connect(m, headers.o, dispatch.header)
        wiring.connect(m, sas.o, dispatch.sa)

    def _dispatch(self, m):
        """Queue the orders for a frame; return the strobe of their transfer."""
        blocks, job = m.submodules, m.submodules.dispatch.o.payload
        blocks.spans = spans = RegisteredQueue(
            data.StructLayout({"span": TextSpan, "text_end": LENGTH_BITS}), SPANS)
        blocks.records = records = Queue(RxRecord, FRAMES)
        blocks.lengths = lengths = RegisteredQueue(LENGTH_BITS, ORDERS)
        blocks.packets = packets = Queue(job.packet.shape(), ORDERS)
        orders = [
            (spans.i, Cat(job.span, job.text_end), 1),
            (records.i, job.record, 1),
            (lengths.i, job.text_bytes, job.open),
            (packets.i, job.packet, job.open),
        ]
        if self.windows:
            blocks.queries = queries = Queue(WindowQuery, FRAMES)
            orders.append((queries.i, job.query, job.record.windowed))
            wiring.connect(m, queries.o, wiring.flipped(self.window_query))
        return fan_out(m, blocks.dispatch.o, orders)

    def _open(self, m):
        """Crypto: take the text out of its frame, decrypt it and store it.

        What the core gives cannot wait, and need not: a frame has no more beats of text than
        beats, so where the frame store had room the plaintext store has, and there is room for
        the tags of all frames in flight.
        """
        blocks, width = m.submodules, self.width
        blocks.extract = extract = TextExtract(width)
        blocks.split = split = IcvSplit(width)
        blocks.texts = texts = Queue(beat(width), TEXTS)
        blocks.feed = feed = GcmFeed(width)
        blocks.core = core = GcmCore(width, self.form)
        blocks.self_test = test = SelfTest(
            width, decrypt=True, fold=self.form.fold)
        blocks.plain = plain = BeatStore(beat(width), STORE_BYTES // (width // 8))
        blocks.text_end = text_end = TextEnd(width)
        blocks.icvs = icvs = Queue(ReceivedIcv, FRAMES)
        blocks.tags = tags = Queue(128, FRAMES, through=True)
        blocks.text_ends = text_ends = Queue(OpenedText, FRAMES)

        wiring.connect(m, blocks.waiting.o, extract.i)
        m.d.comb += [
            extract.span.payload.eq(blocks.spans.o.payload.span),
            extract.span.valid.eq(blocks.spans.o.valid),
            blocks.spans.o.ready.eq(extract.span.ready),
        ]
        wiring.connect(m, extract.o, split.i)
        wiring.connect(m, blocks.lengths.o, split.text_bytes)
        wiring.connect(m, split.o, test.text_i)
        wiring.connect(m, test.text_o, texts.i)
        wiring.connect(m, texts.o, feed.i)
        wiring.connect(m, feed.o, core.i)
        push(m, core.o, test.result_i)
        push(m, core.tag, test.tag_i)
        m.d.comb += [test.result_o.ready.eq(1), test.tag_o.ready.eq(1)]
        push(m, test.result_o, plain.i, text_end.i)
        push(m, split.icv, icvs.i)
        push(m, test.tag_o, tags.i)
        push(m, text_end.o, text_ends.i)

    def _unlock(self, m):
        """Read the secrets of a packet, and tell the verdict when they are gone or wrong."""
        blocks, lanes, test = m.submodules, lanes_of(self.width), m.submodules.self_test
        blocks.unlock = unlock = SecretRead(lanes, Opening)
        blocks.gones = gones = Queue(1, FRAMES)
        blocks.faults = faults = Queue(1, FRAMES)
        opening = unlock.o.payload
        packet = Signal.like(blocks.feed.packet.payload)
        self._order(m)
        wiring.connect(m, unlock.secrets, wiring.flipped(self.secrets))
        m.d.comb += [
            *describe_packet(packet, opening.carried.gcm, opening.secrets, opening.carried.iv),
            packet.parameters.decrypt.eq(1),
        ]
        fan_out(m, unlock.o, [
            (blocks.feed.packet, packet, 1), (gones.i, opening.gone, ~test.active)])
        m.d.comb += [
            faults.i.payload.eq(unlock.fault.payload),
            faults.i.valid.eq(unlock.fault.valid & ~test.active),
        ]

    def _order(self, m):
        """Give the packets of frames, or that of a self-test, to the read of the secrets."""
        blocks, test = m.submodules, m.submodules.self_test
        packets, unlock = blocks.packets, blocks.unlock
        wiring.connect(m, wiring.flipped(self.cipher), test.run)
        m.d.comb += [
            test.failed.eq(self.cipher_failed),
            test.still.eq(self.still),
            self.hold.eq(test.hold),
        ]
        known = Signal.like(unlock.i.payload)
        m.d.comb += [
            known.reads.eq(1),
            known.carried.gcm.eq(test.order.payload.gcm),
            known.carried.iv.eq(test.order.payload.iv),
        ]
        join_orders(m, test, packets.o, unlock.i, known)

    def _sum(self, m):
        """Checksum: sum the frame as the text is taken out of it, and the text.

        The place of the text is known only when the text is taken out.
        """
        blocks = m.submodules
        blocks.checksum = checksum = RxChecksum(self.width)
        blocks.frame_sums = frame_sums = Queue(FrameSums, FRAMES)
        blocks.packet_sums = packet_sums = Queue(TextSums, FRAMES)

        placed_text = blocks.spans.o.payload
        placed = Signal.like(checksum.i.payload)
        m.d.comb += [
            placed.beat.eq(blocks.waiting.o.payload),
            placed.open.eq(placed_text.span.enable),
            placed.text_offset.eq(placed_text.span.offset),
            placed.text_end.eq(placed_text.text_end),
        ]
        push(m, blocks.waiting.o, checksum.i, payload=placed)
        push(m, blocks.self_test.result_o, checksum.text)
        push(m, blocks.text_end.o, checksum.end)
        push(m, checksum.frame, frame_sums.i)
        push(m, checksum.packet, packet_sums.i)

    def _judge(self, m):
        """Give the verdict all that is known of a frame."""
        blocks = m.submodules
        blocks.verdict = verdict = RxVerdict()
        blocks.judgements = judgements = Skid(verdict.o.payload.shape())

        wiring.connect(m, blocks.records.o, verdict.record)
        wiring.connect(m, blocks.ends.o, verdict.end)
        wiring.connect(m, blocks.gones.o, verdict.gone)
        wiring.connect(m, blocks.faults.o, verdict.fault)
        wiring.connect(m, blocks.icvs.o, verdict.icv)
        wiring.connect(m, blocks.tags.o, verdict.tag)
        wiring.connect(m, blocks.text_ends.o, verdict.text)
        wiring.connect(m, blocks.frame_sums.o, verdict.frame_sum)
        wiring.connect(m, blocks.packet_sums.o, verdict.packet_sum)
        wiring.connect(m, blocks.l4_checks.o, verdict.l4)
        wiring.connect(m, verdict.usage, wiring.flipped(self.usage))
        wiring.connect(m, verdict.o, judgements.i)
        if self.windows:
            wiring.connect(m, wiring.flipped(self.window_answer), verdict.window)
            m.d.comb += self.received.eq(verdict.received)

    def _carry_out(self, m):
        """Let a frame leave with its plaintext, as it came, or not at all.

        Returns the strobe of the verdict.
        """
        blocks, judgements = m.submodules, m.submodules.judgements
        frames, plain = blocks.frames, blocks.plain
        blocks.places = places = RegisteredQueue(TextPlace, 4)
        blocks.completions = completions = Queue(RxCompletion.size + self.sideband, 4)
        beats_shape = frames.command.payload.beats.shape()
        carried = {"sideband": self.sideband} if self.sideband else {}
        blocks.verdicts = verdicts = RegisteredQueue(data.StructLayout({
            "final": judgements.o.payload.shape(), "beats": beats_shape, **carried}),
            VERDICTS, block_ram=True)

        judged = Signal()
        beat_bytes = self.width // 8
        m.d.comb += [
            judged.eq(judgements.o.valid & judgements.o.ready),
            judgements.o.ready.eq(verdicts.i.ready),
            verdicts.i.valid.eq(judgements.o.valid),
            verdicts.i.payload.final.eq(judgements.o.payload),
            verdicts.i.payload.beats.eq(
                (judgements.o.payload.bytes + beat_bytes - 1) // beat_bytes),
            self.event.valid.eq(judged),
            self.event.payload.status.eq(judgements.o.payload.completion.status),
            self.event.payload.bytes.eq(judgements.o.payload.bytes),
        ]
        sideband = Const(0, 0)
        if self.sideband:
            sideband = verdicts.o.payload.sideband
            m.d.comb += verdicts.i.payload.sideband.eq(blocks.sidebands.o.payload)
        final = verdicts.o.payload.final
        fan_out(m, verdicts.o, [
            (frames.command, Cat(verdicts.o.payload.beats, ~final.drop), 1),
            (plain.command, Cat(final.text_beats[:len(plain.command.payload.beats)],
                                final.restore), final.text),
            (places.i, Cat(final.restore, final.text_offset), ~final.drop),
            (completions.i, Cat(final.completion, sideband), ~final.drop),
        ])
        return judged

    def _leave(self, m):
        """Egress: put the plaintext back, and the completion beside its frame."""
        blocks, completions = m.submodules, m.submodules.completions
        blocks.restore = restore = TextRestore(self.width)
        wiring.connect(m, blocks.frames.o, restore.i)
        wiring.connect(m, blocks.plain.o, restore.text)
        wiring.connect(m, blocks.places.o, restore.place)
        out = restore.o.payload
        m.d.comb += [
            self.o.payload.tdata.eq(out.data),
            self.o.payload.tkeep.eq(valid_bytes(m, "out_bytes", out.count, self.width // 8)),
            self.o.payload.tlast.eq(out.last),
            self.o.payload.tuser.eq(completions.o.payload),
            self.o.valid.eq(restore.o.valid & completions.o.valid),
            restore.o.ready.eq(self.o.ready & completions.o.valid),
            completions.o.ready.eq(self.o.valid & self.o.ready & out.last),
        ]

    def _tap(self, m):
        """Show what passes the trace points."""
        blocks, taps = m.submodules, self.taps
        dispatch = blocks.dispatch
        final = blocks.judgements.o.payload
        looked_up = Signal(RxLookedUp)
        m.d.comb += [
            looked_up.hit.eq(dispatch.sa.payload.hit),
            looked_up.sa.eq(dispatch.o.payload.record.sa),
            taps.lookup.payload.eq(looked_up),
            taps.lookup.valid.eq(
                dispatch.o.valid & dispatch.o.ready
                & (dispatch.header.payload.parsed.status == RxStatus.OK)),
        ]
        push(m, blocks.parser.o, taps.parse, payload=blocks.parser.o.payload.parsed)
        push(m, blocks.self_test.result_o, taps.open)
        push(m, blocks.self_test.tag_o, taps.icv)
        push(m, blocks.judgements.o, taps.verdict, payload=final.completion)
        # A window is written in the clock after a verdict, and read 2 clocks before the SA comes.
        verdicts = Signal(ceil_log2(2 * FRAMES))
        moved = Signal(ceil_log2(2 * FRAMES))
        read = Signal(ceil_log2(2 * FRAMES))
        m.d.sync += [
            verdicts.eq(verdicts + blocks.verdict.frame_sum.ready),
            moved.eq(verdicts),
            read.eq(moved),
            taps.window.payload.eq(read),
        ]
        m.d.comb += taps.window.valid.eq(self.sa.valid)
