"""Complete the orders of a frame to send with the secrets of its SA."""

from amaranth.hdl import Module, Mux, Signal, Value
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
    and only then does ``packet`` count. With ``gone`` it must not leave.
    """
    return data.StructLayout({
        "keep": 1,
        "seal": 1,
        "gone": 1,
        "header": EspHeaderRequest,
        "packet": gcm_packet(lanes),
    })


TxDone = data.StructLayout({
    "verdict": TxVerdict,
    "event": TxEvent,
    "keep": 1,
    "fault": 1,
    "sealed": 1,
    "seqiv": TxSeqiv,
})
"""End of a frame, when its secrets have been checked too. With ``fault`` it must not leave.
``seqiv`` counts when it is ``sealed``."""


class TxUnlock(wiring.Component):
    """Make key, nonce and IV of a frame, and give its last status.

    A frame whose secrets are gone is dropped with the status DROP_SA_GONE, and one whose secrets
    are wrong with DROP_FAULT. It goes through the core like any other, which keeps all that waits
    for it in step, and is swallowed where it would leave.

    Combinational, one frame each clock; 1 clock to ``done``, when it is known whether the secrets
    are wrong. The nonce is that of RFC 4106, 4.

    Parameters
    ----------
    lanes : int
        AES lanes of the datapath.

    Members
    -------
    i : In(stream.Signature(with_secrets(lanes, Sealing)))
        Frames, each with the secrets of its SA if it is to be sealed.
    fault : In(stream.Signature(1, always_ready=True))
        Whether its secrets are wrong, a clock after each frame (``SecretRead``).
    o : Out(stream.Signature(tx_unlocked(lanes)))
    done : Out(stream.Signature(TxDone, always_ready=True))
        One for each frame, with its last status.
    """

    def __init__(self, lanes: int):
        super().__init__({
            "i": In(stream.Signature(with_secrets(lanes, Sealing))),
            "fault": In(stream.Signature(1, always_ready=True)),
            "o": Out(stream.Signature(tx_unlocked(lanes))),
            "done": Out(stream.Signature(TxDone, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.seqiv = seqiv = SeqIv()
        secrets, gone = self.i.payload.secrets, self.i.payload.gone
        one, o = self.i.payload.carried, self.o.payload
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            seqiv.sequence.eq(one.sequence),
            seqiv.salt.eq(secrets.seqiv_salt),
            o.keep.eq(one.keep),
            o.seal.eq(one.seal),
            o.gone.eq(gone),
            o.header.enable.eq(one.seal),
            o.header.esp_offset.eq(one.esp_offset),
            o.header.sequence.eq(one.sequence),
            o.header.iv.eq(Mux(gone, 0, seqiv.iv)),
            *describe_packet(o.packet, one.gcm, secrets, seqiv.iv),
            o.packet.parameters.decrypt.eq(0),
        ]
        self._tell(m, seqiv.iv)
        return m

    def _tell(self, m: Module, iv: Value) -> None:
        """Tell what became of a frame, a clock after it."""
        one, gone, done = self.i.payload.carried, self.i.payload.gone, self.done.payload
        verdict = Signal(TxVerdict)
        event = Signal(TxEvent)
        seqiv = Signal(TxSeqiv)
        keep = Signal()
        seal = Signal()
        was_gone = Signal()
        fault = self.fault.payload
        m.d.sync += [
            verdict.eq(one.verdict),
            event.eq(one.event),
            keep.eq(one.keep),
            seal.eq(one.seal),
            was_gone.eq(gone),
            seqiv.spi.eq(bytes_of(one.gcm.aad[:len(seqiv.spi)])),
            seqiv.sequence.eq(one.sequence),
            seqiv.iv.eq(iv),
        ]
        m.d.comb += [
            self.done.valid.eq(self.fault.valid),
            done.verdict.eq(verdict),
            done.event.eq(event),
            done.keep.eq(keep),
            done.fault.eq(fault),
            done.sealed.eq(seal & ~was_gone & ~fault),
            done.seqiv.eq(seqiv),
        ]
        with m.If(fault | was_gone):
            status = Mux(fault, TxStatus.DROP_FAULT, TxStatus.DROP_SA_GONE)
            m.d.comb += [
                done.verdict.status.eq(status),
                done.event.status.eq(status),
                done.event.bytes_out.eq(0),
            ]
