"""The verdict on a received frame: plaintext or ciphertext, and why."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.frame_ingress import ReceivedEnd
from espnic.hdl.flow.ones_sum import ones_add
from espnic.hdl.flow.queue import Queue
from espnic.hdl.frame.align import OFFSET_BITS, byte_mask
from espnic.hdl.layouts import BLOCK_BITS, LENGTH_BITS, RxCompletion, icv_bytes
from espnic.hdl.rx.checksum import FrameSums
from espnic.hdl.rx.dispatch import RxRecord
from espnic.hdl.rx.icv_split import ReceivedIcv
from espnic.hdl.rx.text_end import OpenedText
from espnic.hdl.rx.text_sum import TextSums
from espnic.hdl.sa.replay_windows import WindowAnswer
from espnic.hdl.sa.usage import UsagePort
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    IcvSize,
    RxChecksum,
    RxStatus,
)

GATHERED = 2
"""Frames between the first clock of the verdict and the second."""

TAG_WORD_BITS = 32
TAG_WORDS = BLOCK_BITS // TAG_WORD_BITS
"""Words of a tag, each of which is compared by itself."""


VerdictOrder = data.StructLayout({
    "completion": RxCompletion,
    "bytes": LENGTH_BITS,
    "text": 1,
    "text_beats": LENGTH_BITS,
    "text_offset": OFFSET_BITS,
    "restore": 1,
    "drop": 1,
})
"""Order for a frame: it leaves with its plaintext if ``restore``, not at all if ``drop``.

With ``text`` there are ``text_beats`` beats of plaintext, which wait to be restored or forgotten.
"""


class RxVerdict(wiring.Component):
    """Compare the ICV, then check the trailer; only if both are right is the frame OK.

    ESP in UDP whose UDP checksum was wrong in the frame as it came is BAD_UDP_CHECKSUM, whatever
    else is true of it, and changes nothing. If the SA has a replay window, a frame may be LATE or
    REPLAYED, whatever the ICV is. The window's answer counts all frames before this one, and
    nothing of this frame has been released yet. So this one check is both checks of RFC 4303,
    3.4.3: before decryption and after it. Next, a frame is EXPIRED if its SA has reached a hard
    limit, whatever the ICV is. A frame that is none of these and has the right ICV counts for the
    lifetime of its SA.

    A whole frame whose SA was flushed before its secrets were read is SA_GONE, and one whose
    secrets were wrong FAULT, whatever tag the core gave. Its window and lifetime are asked, and
    told nothing. Else it is FAULT if its SA has a wrong row of its lifetime or its replay window,
    whatever else is true of it; then it changes nothing. The completion of a FAULT names no SA.

    The ICV is compared whole, in one clock, so the time reveals nothing. Pad
    length + 2 must be less than the text (Linux's rule). The content of the padding is
    not checked (RFC 4303, 2.4, only asks that a receiver be able to).

    An oversize frame does not leave, whatever else is true of it. Any other that the MAC has found
    bad is BAD_FRAME. Of both the window and the lifetime are asked, and told nothing, and the
    completion names no SA.

    An OK frame has the checksum of the packet in it, and that of the whole frame as it leaves.
    Any other frame has its own checksum in both places, and the status of its TCP or UDP checksum
    too. The status of the UDP checksum in front of ESP goes with every frame, opened or not. But
    nothing is said of TCP and UDP in a bad frame, and of an oversize frame, which nobody gets, no
    checksum at all.

    Latency 2 clocks from the tag, which comes last, 1 from the checksums and 4 from the other
    inputs: the lifetime is asked for, the ICV is rotated and the lengths are checked while GHASH
    is still at work. One frame each clock.

    Members
    -------
    record : In(stream.Signature(RxRecord))
        One per frame.
    end : In(stream.Signature(ReceivedEnd))
        One per frame.
    gone : In(stream.Signature(1))
        One for each frame that was opened: the secrets of its SA were gone.
    fault : In(stream.Signature(1))
        One for each frame that was opened: the secrets of its SA were not what was written.
    icv, tag, text : In(stream.Signature(...))
        One for each frame that was opened: the ICV received, the tag computed
        (first byte in bits 7:0), and how the plaintext ends.
    window : In(stream.Signature(WindowAnswer))
        One for each frame that is ``windowed``: its place in its SA's replay window.
    received : Out(1)
        In the clock in which ``window`` is taken: the frame is authentic, its UDP checksum is not
        wrong, and its SA has neither a wrong row nor expired.
    usage : Out(UsagePort)
        The lifetime of its SA, queried for each frame that was opened, 3 clocks before its answer
        can be taken; of SA 0 for a bad or oversize frame, and when the secrets are gone or wrong.
    frame_sum : In(stream.Signature(FrameSums))
        One per frame: its checksums as it came.
    packet_sum : In(stream.Signature(TextSums))
        One for each frame that was opened: the checksums of the decrypted packet.
    l4 : In(stream.Signature(RxChecksum))
        One per frame: whether the TCP or UDP checksum in it, as it came, is right.
    o : Out(stream.Signature(VerdictOrder))
    """

    def __init__(self) -> None:
        super().__init__({
            "record": In(stream.Signature(RxRecord)),
            "end": In(stream.Signature(ReceivedEnd)),
            "gone": In(stream.Signature(1)),
            "fault": In(stream.Signature(1)),
            "icv": In(stream.Signature(ReceivedIcv)),
            "tag": In(stream.Signature(128)),
            "text": In(stream.Signature(OpenedText)),
            "window": In(stream.Signature(WindowAnswer)),
            "received": Out(1),
            "usage": Out(UsagePort),
            "frame_sum": In(stream.Signature(FrameSums)),
            "packet_sum": In(stream.Signature(TextSums)),
            "l4": In(stream.Signature(RxChecksum)),
            "o": Out(stream.Signature(VerdictOrder)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.gathered = gathered = Queue(GatheredFrame, GATHERED)
        prepared = Signal(PreparedFrame)
        prepared_valid = Signal()
        compared = Signal(ComparedFrame)
        compared_valid = Signal()
        known = Signal()
        prepares = Signal()
        compares = Signal()
        taken = Signal()

        self._gather(m, gathered.i)
        m.d.comb += [
            gathered.o.ready.eq(prepares),
            known.eq(~prepared.opened | self.tag.valid),
            compares.eq(prepared_valid & known & (~compared_valid | taken)),
            prepares.eq(~prepared_valid | known & (~compared_valid | taken)),
            self.tag.ready.eq(prepared_valid & prepared.opened & self.tag.valid
                              & (~compared_valid | taken)),
        ]
        with m.If(prepares):
            m.d.sync += prepared_valid.eq(gathered.o.valid)
            self._prepare(m, gathered.o.payload, prepared)
        # Third clock: the comparison.
        with m.If(compares):
            m.d.sync += [
                compared_valid.eq(1),
                compared.frame.eq(prepared),
                compared.differs.eq(Cat(
                    (((self.tag.payload & prepared.mask) ^ prepared.icv).word_select(
                        word, TAG_WORD_BITS)).any() for word in range(TAG_WORDS))),
            ]
        with m.Elif(taken):
            m.d.sync += compared_valid.eq(0)

        ready = Signal()
        m.d.comb += ready.eq(~self.o.valid | self.o.ready)
        m.d.comb += taken.eq(self._take(m, compared.frame, compared_valid, ready))
        status = self._decide(m, compared)
        with m.If(ready):
            m.d.sync += self.o.valid.eq(taken)
        self._tell(m, compared.frame, status, ready)
        return m

    def _gather(self, m, o):
        """First clock: take all but tag and checksums, and give it to ``o``.

        Here the lifetime of an opened frame's SA is asked for, so that its answer has come when
        the tag has been compared.
        """
        record, end, query, gathered = (
            self.record.payload, self.end.payload, self.usage.query, o.payload)
        opened = Signal()
        complete = Signal()
        gathers = Signal()
        m.d.comb += [
            opened.eq(record.status == RxStatus.OK),
            complete.eq(self.record.valid & self.end.valid & (
                ~opened | (self.gone.valid & self.fault.valid & self.icv.valid
                           & self.text.valid))),
            query.valid.eq(complete & opened & o.ready),
            query.payload.eq(Mux(
                end.oversize | end.bad | self.gone.payload | self.fault.payload, 0, record.sa)),
            gathers.eq(complete & o.ready & (~opened | query.ready)),
            o.valid.eq(complete & (~opened | query.ready)),
            self.record.ready.eq(gathers),
            self.end.ready.eq(gathers),
            self.gone.ready.eq(gathers & opened),
            self.fault.ready.eq(gathers & opened),
            self.icv.ready.eq(gathers & opened),
            self.text.ready.eq(gathers & opened),
            gathered.opened.eq(opened),
            gathered.status.eq(record.status),
            gathered.record.eq(record),
            gathered.end.eq(end),
            gathered.text.eq(self.text.payload),
            gathered.icv.eq(self.icv.payload),
        ]
        with m.If(end.oversize):
            m.d.comb += [gathered.status.eq(RxStatus.OVERSIZE), gathered.record.sa.eq(0)]
        with m.Elif(end.bad):
            m.d.comb += [gathered.status.eq(RxStatus.BAD_FRAME), gathered.record.sa.eq(0)]
        with m.Elif(opened & (end.bytes < record.esp_end)):
            m.d.comb += gathered.status.eq(RxStatus.TRUNCATED)
        with m.Elif(opened & self.fault.payload):
            m.d.comb += [gathered.status.eq(RxStatus.FAULT), gathered.record.sa.eq(0)]
        with m.Elif(opened & self.gone.payload):
            m.d.comb += [gathered.status.eq(RxStatus.SA_GONE), gathered.record.sa.eq(0)]

    def _prepare(self, m, gathered, prepared):
        """Second clock: turn the ICV and check the lengths."""
        record, text, icv = gathered.record, gathered.text, gathered.icv
        turned = Signal(128)
        mask = Signal(128)
        m.d.comb += [
            turned.eq(icv.rotated.replicate(2) >> Cat(Const(0, 3), icv.rotation)),
            mask.eq(byte_mask(
                m, "icv_mask", icv_bytes(record.icv_size), IcvSize.ICV16.bytes)),
        ]
        m.d.sync += [
            *(prepared[name].eq(gathered[name])
              for name in ("opened", "status", "record", "end", "text")),
            prepared.icv.eq(turned & mask),
            prepared.mask.eq(mask),
            prepared.trailer_bytes.eq(
                text.pad_length + ESP_TRAILER_MIN_BYTES + icv_bytes(record.icv_size)),
            prepared.bad_trailer.eq(
                text.pad_length + ESP_TRAILER_MIN_BYTES >= record.text_bytes),
        ]

    def _take(self, m, frame, compared_valid, ready):
        """Take what else the verdict needs, when all of it is there; return whether it is."""
        answer = self.usage.answer
        taken = Signal()
        m.d.comb += [
            taken.eq(compared_valid & self.frame_sum.valid & self.l4.valid & ready
                     & (~frame.opened | (self.packet_sum.valid & answer.valid))
                     & (~frame.record.windowed | self.window.valid)),
            self.frame_sum.ready.eq(taken),
            self.l4.ready.eq(taken),
            self.packet_sum.ready.eq(taken & frame.opened),
            answer.ready.eq(taken & frame.opened),
            self.window.ready.eq(taken & frame.record.windowed),
        ]
        return taken

    def _decide(self, m, compared):
        """Fourth clock: find the verdict, and tell the SA's lifetime and window."""
        frame, differs = compared.frame, compared.differs.any()
        late = Signal()
        seen = Signal()
        fault = Signal()
        bad_udp = Signal()
        lifetime, commit = self.usage.answer.payload, self.usage.commit
        expired = lifetime.expired
        status = Signal(RxStatus)
        m.d.comb += [
            late.eq(frame.record.windowed & self.window.payload.late),
            seen.eq(frame.record.windowed & self.window.payload.seen),
            fault.eq(lifetime.fault | frame.record.windowed & self.window.payload.fault),
            status.eq(frame.status),
            bad_udp.eq(frame.record.in_udp & (self.l4.payload == RxChecksum.BAD)),
            self.received.eq((frame.status == RxStatus.OK)
                             & ~fault & ~bad_udp & ~differs & ~expired),
            commit.count.eq(self.received & ~late & ~seen),
            commit.packets.eq(1),
            commit.bytes.eq(frame.record.text_bytes),
            commit.sequence.eq(frame.record.sequence),
        ]
        with m.If(frame.status == RxStatus.OK):
            with m.If(fault):
                m.d.comb += status.eq(RxStatus.FAULT)
            with m.Elif(bad_udp):
                m.d.comb += status.eq(RxStatus.BAD_UDP_CHECKSUM)
            with m.Elif(late):
                m.d.comb += status.eq(RxStatus.LATE)
            with m.Elif(seen):
                m.d.comb += status.eq(RxStatus.REPLAYED)
            with m.Elif(expired):
                m.d.comb += status.eq(RxStatus.EXPIRED)
            with m.Elif(differs):
                m.d.comb += status.eq(RxStatus.AUTH_FAILED)
            with m.Elif(frame.bad_trailer):
                m.d.comb += status.eq(RxStatus.BAD_TRAILER)
        return status

    def _tell(self, m, frame, status, ready):
        """Give the order for the frame, its completion, and the checksums that go with it."""
        o, completion = self.o.payload, self.o.payload.completion
        record, oversize = frame.record, frame.end.oversize
        good = Signal()
        mute = Signal()
        m.d.comb += [
            good.eq(status == RxStatus.OK),
            # Of such a frame no field of a header is believed.
            mute.eq(oversize | frame.end.bad),
        ]
        packet, came = self.packet_sum.payload, self.frame_sum.payload
        as_it_came = Mux(oversize, 0, came.whole)
        with m.If(ready):
            m.d.sync += [
                completion.status.eq(status),
                completion.sa.eq(Mux(status == RxStatus.FAULT, 0, record.sa)),
                completion.esp_offset.eq(Mux(good, record.esp_offset, 0)),
                completion.next_header.eq(Mux(good, frame.text.next_header, 0)),
                completion.trailer_bytes.eq(Mux(good, frame.trailer_bytes, 0)),
                completion.checksum.eq(Mux(good, packet.payload, as_it_came)),
                completion.frame_checksum.eq(
                    Mux(good, ones_add(packet.whole, came.behind_text), as_it_came)),
                completion.checksum_status.eq(Mux(
                    good | mute, RxChecksum.NONE, self.l4.payload)),
                completion.outer_checksum.eq(Mux(
                    record.in_udp & ~mute, self.l4.payload, RxChecksum.NONE)),
                o.bytes.eq(frame.end.bytes),
                o.text.eq(frame.opened),
                o.text_beats.eq(frame.text.beats),
                o.text_offset.eq(record.esp_offset + ESP_TEXT_OFFSET),
                o.restore.eq(good),
                o.drop.eq(oversize),
            ]


GatheredFrame = data.StructLayout({
    "opened": 1,
    "status": RxStatus,
    "record": RxRecord,
    "end": ReceivedEnd,
    "text": OpenedText,
    "icv": ReceivedIcv,
})
"""A frame after the first clock of the verdict; ``status`` is OK when the tag decides."""

PreparedFrame = data.StructLayout({
    "opened": 1,
    "status": RxStatus,
    "record": RxRecord,
    "end": ReceivedEnd,
    "text": OpenedText,
    "icv": 128,
    "mask": 128,
    "trailer_bytes": RxCompletion["trailer_bytes"].shape,
    "bad_trailer": 1,
})
"""A frame after the second clock of the verdict.

``icv`` has its first byte in bits 7:0 and, like
``mask``, zeros above its bytes.
"""

ComparedFrame = data.StructLayout({"frame": PreparedFrame, "differs": TAG_WORDS})
"""A frame whose verdict is next; ``differs``: the words in which the ICV is not the tag."""
