"""The verdict over a received frame: plaintext or ciphertext, and why."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.align import OFFSET_BITS
from hdl.axi_stream import frame_end
from hdl.icv_split import received_icv
from hdl.layouts import LENGTH_BITS, RxCompletion
from hdl.ones_sum import WORD_BITS
from hdl.rx_dispatch import icv_bytes, rx_record
from model.codes import ESP_HEADER_BYTES, ESP_IV_BYTES, ESP_TRAILER_MIN_BYTES, IcvSize, RxStatus


def opened_text() -> data.StructLayout:
    """What is known when the core has given a packet's last beat of plaintext."""
    return data.StructLayout({"beats": LENGTH_BITS, "pad_length": 8, "next_header": 8})


def rx_verdict() -> data.StructLayout:
    """What leaves: the frame with plaintext if ``restore``, nothing if ``drop``.

    ``text_beats`` beats of plaintext wait, to be restored or forgotten.
    """
    return data.StructLayout({
        "completion": RxCompletion,
        "bytes": LENGTH_BITS,
        "text_beats": LENGTH_BITS,
        "text_offset": OFFSET_BITS,
        "restore": 1,
        "drop": 1,
    })


class RxVerdict(wiring.Component):
    """Compare the ICV, then check the trailer; only if both are right is the frame OK.

    The ICV is compared whole, in one clock, so that the time tells nothing. Pad
    length + 2 must be less than the text (Linux's rule); the padding's content is
    not checked (RFC 4303, 2.4, asks the receiver only to be able to). An oversize
    frame does not leave, and its completion names no SA.

    The checksum of an OK frame is that of the packet in it, of any other that of the
    frame; an oversize frame, which nobody gets, has none.

    Latency 2 clocks from the last of the inputs, 1 from the checksums, which come
    last; one frame each clock.

    Members
    -------
    record : In(stream.Signature(rx_record()))
        One a frame.
    end : In(stream.Signature(frame_end()))
        One a frame.
    icv, tag, text : In(stream.Signature(...))
        One for each frame that was opened: the ICV received, the tag computed
        (first byte in bits 7:0), and how the plaintext ends.
    frame_sum : In(stream.Signature(16))
        One a frame: its checksum as it came.
    packet_sum : In(stream.Signature(16))
        One for each frame that was opened: the checksum of the decrypted packet.
    o : Out(stream.Signature(rx_verdict()))
    """

    def __init__(self):
        super().__init__({
            "record": In(stream.Signature(rx_record())),
            "end": In(stream.Signature(frame_end())),
            "icv": In(stream.Signature(received_icv())),
            "tag": In(stream.Signature(128)),
            "text": In(stream.Signature(opened_text())),
            "frame_sum": In(stream.Signature(WORD_BITS)),
            "packet_sum": In(stream.Signature(WORD_BITS)),
            "o": Out(stream.Signature(rx_verdict())),
        })

    def elaborate(self, platform):
        m = Module()
        record, end, text = self.record.payload, self.end.payload, self.text.payload

        opened = Signal()
        complete = Signal()
        ready = Signal()
        m.d.comb += [
            opened.eq(record.status == RxStatus.OK),
            complete.eq(self.record.valid & self.end.valid & (
                ~opened | (self.icv.valid & self.tag.valid & self.text.valid))),
            self.record.ready.eq(complete & ready),
            self.end.ready.eq(complete & ready),
            self.icv.ready.eq(complete & ready & opened),
            self.tag.ready.eq(complete & ready & opened),
            self.text.ready.eq(complete & ready & opened),
        ]

        # First clock: the difference of the ICVs and the lengths.
        icv = self.icv.payload
        turned = Signal(128)
        m.d.comb += turned.eq(icv.rotated.replicate(2) >> Cat(Const(0, 3), icv.rotation))
        difference = Signal(128)
        compared = Signal(opened_frame())
        compared_valid = Signal()
        mask = Signal(128)
        m.d.comb += mask.eq(Cat((icv_bytes(record.icv_size) > index).replicate(8)
                                for index in range(IcvSize.ICV16.bytes)))
        with m.If(ready):
            m.d.sync += [
                compared_valid.eq(complete),
                difference.eq((turned ^ self.tag.payload) & mask),
                compared.opened.eq(opened),
                compared.record.eq(record),
                compared.end.eq(end),
                compared.text.eq(text),
                compared.truncated.eq(end.bytes < record.esp_end),
                compared.bad_trailer.eq(
                    text.pad_length + ESP_TRAILER_MIN_BYTES >= record.text_bytes),
            ]

        # Second clock: the verdict, and the checksum that goes with it.
        judges = Signal()
        m.d.comb += [
            ready.eq((~self.o.valid | self.o.ready) & (
                ~compared_valid | self.frame_sum.valid & (
                    ~compared.opened | self.packet_sum.valid))),
            judges.eq(compared_valid & ready),
            self.frame_sum.ready.eq(judges),
            self.packet_sum.ready.eq(judges & compared.opened),
        ]
        status = Signal(RxStatus)
        with m.If(compared.end.oversize):
            m.d.comb += status.eq(RxStatus.OVERSIZE)
        with m.Elif(~compared.opened):
            m.d.comb += status.eq(compared.record.status)
        with m.Elif(compared.truncated):
            m.d.comb += status.eq(RxStatus.TRUNCATED)
        with m.Elif(difference.any()):
            m.d.comb += status.eq(RxStatus.AUTH_FAILED)
        with m.Elif(compared.bad_trailer):
            m.d.comb += status.eq(RxStatus.BAD_TRAILER)
        with m.Else():
            m.d.comb += status.eq(RxStatus.OK)

        o = self.o.payload
        good = status == RxStatus.OK
        checksum = Mux(good, self.packet_sum.payload, Mux(
            compared.end.oversize, 0, self.frame_sum.payload))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(ready):
            m.d.sync += [
                self.o.valid.eq(compared_valid),
                o.completion.status.eq(status),
                o.completion.sa.eq(Mux(compared.end.oversize, 0, compared.record.sa)),
                o.completion.esp_offset.eq(Mux(good, compared.record.esp_offset, 0)),
                o.completion.next_header.eq(Mux(good, compared.text.next_header, 0)),
                o.completion.trailer_bytes.eq(Mux(
                    good, compared.text.pad_length + ESP_TRAILER_MIN_BYTES
                    + icv_bytes(compared.record.icv_size), 0)),
                o.completion.checksum.eq(checksum),
                o.bytes.eq(compared.end.bytes),
                o.text_beats.eq(Mux(compared.opened, compared.text.beats, 0)),
                o.text_offset.eq(compared.record.esp_offset + ESP_HEADER_BYTES + ESP_IV_BYTES),
                o.restore.eq(good),
                o.drop.eq(compared.end.oversize),
            ]
        return m


def opened_frame() -> data.StructLayout:
    """A frame between the two clocks of the verdict."""
    return data.StructLayout({
        "opened": 1,
        "record": rx_record(),
        "end": frame_end(),
        "text": opened_text(),
        "truncated": 1,
        "bad_trailer": 1,
    })
