"""The transmit path: from the host to the wire."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.axi_stream import FrameIngress, axi_beat
from hdl.beat_store import BeatStore
from hdl.esp_header import EspHeader, esp_header_request
from hdl.fan_out import fan_out
from hdl.frame_build import FrameBuild
from hdl.frame_hold import FrameHold
from hdl.gcm_core import GcmCore
from hdl.gcm_feed import GcmFeed, gcm_packet
from hdl.gcm_stream import GcmStream
from hdl.header_split import HeaderSplit
from hdl.icv_append import IcvAppend
from hdl.layouts import HANDLE_BITS, TxDescriptor, TxSeqiv, TxVerdict, beat, ghash_lanes
from hdl.queue import Queue
from hdl.registers import TxEvent
from hdl.rx_dispatch import looked_up
from hdl.spi_capture import SpiCapture
from hdl.text_extract import TextExtract, text_span
from hdl.text_restore import text_place
from hdl.trailer import TrailerGenerator, trailer_request
from hdl.tx_dispatch import ESP_OFFSET_MIN, TEXT_OFFSET, TxDispatch, tx_frame
from model.codes import IcvSize

STORE_BYTES = 16384
"""Of frames: the longest frame, and what comes while it leaves."""

FRAMES = 32
"""Frames between ingress and dispatch: more than the SA table's latency in clocks."""

ORDERS = 8
"""Frames between dispatch and core: more than the clocks from the frame store to the core."""

CRYPTO_DEPTH = 64
"""Beats between the parting of headers and text and their joining: more than the latency."""


def hold_clocks(width: int) -> int:
    """Clocks from the first text beat into the core until its frame may leave.

    The ICV is what comes latest: the tag, which may come a clock later for a lengths
    block in a slot of its own, passes a queue, and with the end of the text another.
    The headers' own beats leave meanwhile; frames with longer headers than the
    shortest could begin a little earlier.
    """
    lanes = width // 128
    lengths_slot = ghash_lanes(lanes) == lanes
    icv_clocks = GcmCore.tag_latency + lengths_slot + 2
    return icv_clocks - (ESP_OFFSET_MIN + TEXT_OFFSET) // (width // 8)


def tx_points(width: int) -> dict:
    """Shape of what passes each trace point of the transmit path."""
    return {
        "verdict": TxVerdict,
        "trailer": beat(width),
        "seqiv": TxSeqiv,
        "seal": beat(width),
        "icv": 128,
    }


def tx_taps(width: int) -> wiring.Signature:
    """The trace points, for a simulation to watch."""
    return wiring.Signature({
        name: Out(stream.Signature(shape, always_ready=True))
        for name, shape in tx_points(width).items()
    })


class TxPath(wiring.Component):
    """Seal the frames whose descriptor asks for it; pass those that ask for nothing.

    ::

        i ─ ingress ─ frame store ─ header split ─ queue ─ ESP header ────────────── frame build ─ o
              │            │             └─ text extract ─ trailer ─ feed ─ GCM ─ ICV append ─┘
              └ SA read ─ dispatch (seqiv)

    A frame is kept until its last beat has come and its request has been checked. It
    leaves without a gap: once its first beat has, it waits for nothing but ``o.ready``.
    From the frame store on, nothing stops a text but a lack of room behind the core,
    and there are more beats of room than clocks of latency.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(axi_beat(width, TxDescriptor)))
        Frames from the host; the descriptor counts on a frame's first beat.
    read : Out(stream.Signature(HANDLE_BITS, always_ready=True))
    sa : In(stream.Signature(looked_up(width // 128), always_ready=True))
        Answers of the SA table, one for each read, in order.
    o : Out(stream.Signature(axi_beat(width, 0)))
        Frames to the wire.
    event : Out(stream.Signature(TxEvent, always_ready=True))
        One a frame, with its status.
    taps : Out(tx_taps(width))
    """

    def __init__(self, width: int):
        self.width = width
        lanes = width // 128
        super().__init__({
            "i": In(stream.Signature(axi_beat(width, TxDescriptor.size))),
            "read": Out(stream.Signature(HANDLE_BITS, always_ready=True)),
            "sa": In(stream.Signature(looked_up(lanes), always_ready=True)),
            "o": Out(stream.Signature(axi_beat(width, 0))),
            "event": Out(stream.Signature(TxEvent, always_ready=True)),
            "taps": Out(tx_taps(width)),
        })

    def elaborate(self, platform):
        m = Module()
        width, lanes = self.width, self.width // 128
        beat_bytes = width // 8

        m.submodules.ingress = ingress = FrameIngress(width, TxDescriptor.size)
        m.submodules.spi = spi = SpiCapture(width)
        m.submodules.frames = frames = BeatStore(beat(width), STORE_BYTES // beat_bytes)
        m.submodules.ended = ended = Queue(tx_frame(), FRAMES)
        m.submodules.sas = sas = Queue(looked_up(lanes), FRAMES)
        m.submodules.dispatch = dispatch = TxDispatch(width)
        m.submodules.splits = splits = Queue(text_place(), ORDERS)
        m.submodules.spans = spans = Queue(text_span(), ORDERS)
        m.submodules.trailers = trailers = Queue(trailer_request(), ORDERS)
        m.submodules.packets = packets = Queue(gcm_packet(lanes), ORDERS)
        m.submodules.esp_headers = esp_headers = Queue(esp_header_request(), CRYPTO_DEPTH)
        m.submodules.places = places = Queue(text_place(), CRYPTO_DEPTH)
        m.submodules.sizes = sizes = Queue(IcvSize, CRYPTO_DEPTH)
        m.submodules.split = split = HeaderSplit(width)
        m.submodules.headers = headers = Queue(beat(width), CRYPTO_DEPTH)
        m.submodules.extract = extract = TextExtract(width)
        m.submodules.trailer = trailer = TrailerGenerator(width)
        m.submodules.texts = texts = Queue(beat(width), 2)
        m.submodules.feed = feed = GcmFeed(width)
        m.submodules.gcm = gcm = GcmStream(width, CRYPTO_DEPTH)
        m.submodules.append = append = IcvAppend(width)
        m.submodules.sealed = sealed = Queue(beat(width), 2)
        m.submodules.esp_header = esp_header = EspHeader(width)
        m.submodules.written = written = Queue(beat(width), 2)
        m.submodules.hold = hold = FrameHold(hold_clocks(width), CRYPTO_DEPTH)
        m.submodules.build = build = FrameBuild(width)

        # Ingress: the frame is stored; when it has ended, its SA is read.
        waiting = Signal(range(FRAMES + 1))
        admit = Signal()
        accepted = Signal()
        descriptor = Signal(TxDescriptor)
        held_descriptor = Signal(TxDescriptor)
        end = Signal.like(ingress.end.payload)
        end_valid = Signal()
        taken = ingress.o.payload
        wiring.connect(m, wiring.flipped(self.i), ingress.i)
        m.d.comb += [
            admit.eq(~taken.beat.first | (waiting != FRAMES)),
            ingress.o.ready.eq(admit & frames.i.ready),
            accepted.eq(ingress.o.valid & ingress.o.ready),
            frames.i.payload.eq(taken.beat),
            frames.i.valid.eq(accepted),
            descriptor.eq(Mux(taken.beat.first, taken.user, held_descriptor)),
            spi.i.payload.eq(taken.beat),
            spi.i.valid.eq(accepted),
            spi.esp_offset.eq(descriptor.esp_offset),
        ]
        m.d.sync += [
            end.eq(ingress.end.payload),
            end_valid.eq(ingress.end.valid),
        ]
        with m.If(accepted):
            m.d.sync += held_descriptor.eq(descriptor)
        m.d.comb += [
            ended.i.payload.descriptor.eq(held_descriptor),
            ended.i.payload.end.eq(end),
            ended.i.payload.spi.eq(spi.spi),
            ended.i.valid.eq(end_valid),
            self.read.payload.eq(held_descriptor.sa),
            self.read.valid.eq(end_valid),
            sas.i.payload.eq(self.sa.payload),
            sas.i.valid.eq(self.sa.valid),
        ]
        wiring.connect(m, ended.o, dispatch.frame)
        wiring.connect(m, sas.o, dispatch.sa)

        job = dispatch.o.payload
        frame_beats = (job.bytes + beat_bytes - 1) // beat_bytes
        dispatched = fan_out(m, dispatch.o, [
            (frames.command, Cat(frame_beats[:len(frames.command.payload.beats)], job.keep), 1),
            (splits.i, job.place, job.keep),
            (esp_headers.i, job.header, job.keep),
            (places.i, job.place, job.keep),
            (spans.i, job.span, job.seal),
            (trailers.i, job.trailer, job.seal),
            (packets.i, job.packet, job.seal),
            (sizes.i, job.icv_size, job.seal),
        ])
        m.d.sync += waiting.eq(waiting + (accepted & taken.beat.first) - dispatched)

        # Headers one way, text the other.
        wiring.connect(m, frames.o, split.i)
        wiring.connect(m, splits.o, split.place)
        wiring.connect(m, split.headers, headers.i)
        wiring.connect(m, headers.o, esp_header.i)
        wiring.connect(m, esp_headers.o, esp_header.request)
        wiring.connect(m, split.text, extract.i)
        wiring.connect(m, spans.o, extract.span)
        wiring.connect(m, extract.o, trailer.i)
        wiring.connect(m, trailers.o, trailer.request)
        wiring.connect(m, trailer.o, texts.i)
        wiring.connect(m, texts.o, feed.i)
        wiring.connect(m, packets.o, feed.packet)
        wiring.connect(m, feed.o, gcm.i)
        wiring.connect(m, gcm.o, append.i)
        wiring.connect(m, gcm.tag, append.tag)
        wiring.connect(m, sizes.o, append.size)
        wiring.connect(m, append.o, sealed.i)
        wiring.connect(m, esp_header.o, written.i)
        wiring.connect(m, written.o, build.headers)
        wiring.connect(m, sealed.o, build.text)
        wiring.connect(m, places.o, hold.i)
        wiring.connect(m, hold.o, build.place)
        m.d.comb += hold.begun.eq(gcm.begun)

        out = build.o.payload
        m.d.comb += [
            self.o.payload.tdata.eq(out.data),
            self.o.payload.tkeep.eq(Cat(out.count > index for index in range(beat_bytes))),
            self.o.payload.tlast.eq(out.last),
            self.o.valid.eq(build.o.valid),
            build.o.ready.eq(self.o.ready),
            self.event.valid.eq(dispatched),
            self.event.payload.status.eq(job.verdict.status),
            self.event.payload.bytes_in.eq(job.bytes),
            self.event.payload.bytes_out.eq(job.bytes_out),
        ]

        taps = self.taps
        m.d.comb += [
            taps.verdict.payload.eq(job.verdict),
            taps.verdict.valid.eq(dispatched),
            taps.seqiv.payload.eq(job.seqiv),
            taps.seqiv.valid.eq(dispatched & job.seal),
            taps.trailer.payload.eq(trailer.o.payload),
            taps.trailer.valid.eq(trailer.o.valid & trailer.o.ready),
            taps.seal.payload.eq(append.i.payload),
            taps.seal.valid.eq(append.i.valid & append.i.ready),
            taps.icv.payload.eq(append.tag.payload),
            taps.icv.valid.eq(append.tag.valid & append.tag.ready),
        ]
        return m
