"""Complete the orders of a frame to send with the secrets of its SA."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import bytes_of
from espnic.hdl.gcm.feed import gcm_packet
from espnic.hdl.gcm.rfc4106 import describe_packet
from espnic.hdl.layouts import TxEvent, TxSeqiv, TxVerdict
from espnic.hdl.sa.secret_read import with_secrets
from espnic.hdl.tx.dispatch import Sealing
from espnic.hdl.tx.esp_header import EspHeaderRequest
from espnic.hdl.tx.seqiv import SeqIv
from espnic.model.interface.codes import TxStatus


def tx_unlocked(lanes: int) -> data.StructLayout:
    """A frame after the secrets of its SA have been read.

    One that is not to ``keep`` is in no memory. With ``seal`` it takes its way through the core,
    and only then do ``packet`` and ``seqiv`` count. With ``gone`` it must not leave.
    """
    return data.StructLayout({
        "verdict": TxVerdict,
        "event": TxEvent,
        "keep": 1,
        "seal": 1,
        "gone": 1,
        "header": EspHeaderRequest,
        "packet": gcm_packet(lanes),
        "seqiv": TxSeqiv,
    })


class TxUnlock(wiring.Component):
    """Make key, nonce and IV of a frame, and give its last status.

    A frame whose secrets are gone is dropped with the status DROP_SA_GONE. It goes through the
    core like any other, which keeps all that waits for it in step, and is swallowed where it
    would leave.

    Combinational, one frame each clock. The nonce is that of RFC 4106, 4.

    Parameters
    ----------
    lanes : int
        AES lanes of the datapath.

    Members
    -------
    i : In(stream.Signature(with_secrets(lanes, Sealing)))
        Frames, each with the secrets of its SA if it is to be sealed.
    o : Out(stream.Signature(tx_unlocked(lanes)))
    """

    def __init__(self, lanes: int):
        super().__init__({
            "i": In(stream.Signature(with_secrets(lanes, Sealing))),
            "o": Out(stream.Signature(tx_unlocked(lanes))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.seqiv = seqiv = SeqIv()
        secrets, gone = self.i.payload.secrets, self.i.payload.gone
        one, o = self.i.payload.carried, self.o.payload
        verdict, event = Signal(TxVerdict), Signal(TxEvent)
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            seqiv.sequence.eq(one.sequence),
            seqiv.salt.eq(secrets.seqiv_salt),
            verdict.eq(one.verdict),
            event.eq(one.event),
            o.verdict.eq(verdict),
            o.event.eq(event),
            o.keep.eq(one.keep),
            o.seal.eq(one.seal),
            o.gone.eq(gone),
            o.header.enable.eq(one.seal),
            o.header.esp_offset.eq(one.esp_offset),
            o.header.sequence.eq(one.sequence),
            o.header.iv.eq(Mux(gone, 0, seqiv.iv)),
            *describe_packet(o.packet, one.gcm, secrets, seqiv.iv),
            o.packet.parameters.decrypt.eq(0),
            o.seqiv.spi.eq(bytes_of(one.gcm.aad[:len(o.seqiv.spi)])),
            o.seqiv.sequence.eq(one.sequence),
            o.seqiv.iv.eq(seqiv.iv),
        ]
        with m.If(gone):
            m.d.comb += [
                verdict.status.eq(TxStatus.DROP_SA_GONE),
                event.status.eq(TxStatus.DROP_SA_GONE),
                event.bytes_out.eq(0),
            ]
        return m
