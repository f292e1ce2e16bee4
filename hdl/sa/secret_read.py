"""Read of an SA's secrets right before a packet needs them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import HANDLE_BITS, SERIAL_BITS, sa_secrets, secret_port


def secret_order(carried: data.StructLayout) -> data.StructLayout:
    """A packet whose secrets are to be read if it ``reads``, and what it carries along."""
    return data.StructLayout({
        "reads": 1, "sa": HANDLE_BITS, "serial": SERIAL_BITS, "carried": carried})


def with_secrets(lanes: int, carried: data.StructLayout) -> data.StructLayout:
    """A packet with its secrets, which mean nothing when they are ``gone``."""
    return data.StructLayout({"gone": 1, "secrets": sa_secrets(lanes), "carried": carried})


class SecretRead(wiring.Component):
    """Reads the secrets of a packet's SA by handle, and says whether they are gone.

    They are gone when the row has been erased, or is of an SA with another serial: the packet's
    SA was flushed since its look-up. Whether the row is what was written is told a clock after the
    packet has gone on. If it is not, nothing that was made with the secrets may leave.

    The register at the memory's output is the only place where the secrets stand, and only
    until the packet leaves. When no packet follows that reads, row 0 is read, which is of no SA
    and all zeros.

    Latency 1 clock, a packet each clock; 1 more to ``fault``.

    Parameters
    ----------
    lanes : int
        AES lanes of the datapath.
    carried : data.StructLayout
        Shape of what a packet carries along.

    Members
    -------
    i : In(stream.Signature(secret_order(carried)))
        Packets.
    secrets : Out(secret_port(lanes))
        To the SA table.
    o : Out(stream.Signature(with_secrets(lanes, carried)))
        The packets. For one that does not read, ``gone`` is 0.
    fault : Out(stream.Signature(1, always_ready=True))
        One for each packet: the row of its secrets is wrong. 0 for one that does not read.
    """

    def __init__(self, lanes: int, carried: data.StructLayout):
        self.lanes = lanes
        self.carried = carried
        super().__init__({
            "i": In(stream.Signature(secret_order(carried))),
            "secrets": Out(secret_port(lanes)),
            "o": Out(stream.Signature(with_secrets(lanes, carried))),
            "fault": Out(stream.Signature(1, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        packet = Signal.like(self.i.payload)
        row, o = self.secrets.row, self.o.payload
        takes = Signal()
        did_read = Signal()
        m.d.comb += [
            takes.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(takes),
            self.secrets.read.eq(takes),
            self.secrets.sa.eq(Mux(self.i.valid & self.i.payload.reads, self.i.payload.sa, 0)),
            o.gone.eq(packet.reads & (~row.present | (row.serial != packet.serial))),
            o.secrets.eq(row.secrets),
            o.carried.eq(packet.carried),
            self.fault.payload.eq(did_read & self.secrets.wrong),
        ]
        m.d.sync += [self.fault.valid.eq(self.o.valid & self.o.ready), did_read.eq(packet.reads)]
        with m.If(takes):
            m.d.sync += [self.o.valid.eq(self.i.valid), packet.eq(self.i.payload)]
        return m
