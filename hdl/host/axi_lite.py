"""AXI4-Lite subordinate that turns bus transfers into register accesses."""

from enum import IntEnum

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.model.interface.registers import ADDRESS_BITS, WORD_BITS, WORD_BYTES

_BYTE_BITS = exact_log2(WORD_BYTES)
"""Width of the address of a byte in its word."""
WORD_ADDRESS_BITS = ADDRESS_BITS - _BYTE_BITS

WriteAccess = data.StructLayout({
    "address": WORD_ADDRESS_BITS,
    "data": WORD_BITS,
    "strobe": WORD_BYTES,
})
"""A write; ``address`` counts words. Bytes of ``data`` without their strobe bit are not to be
written."""

ReadAnswer = data.StructLayout({"data": WORD_BITS, "error": 1})
"""The word that is read, or that the read is refused."""


class _Response(IntEnum):
    """Answer of AXI4-Lite to a transfer."""

    OKAY = 0
    SLVERR = 2


AxiLitePort = wiring.Signature({
    "awaddr": Out(ADDRESS_BITS), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
    "wdata": Out(WORD_BITS), "wstrb": Out(WORD_BYTES), "wvalid": Out(1), "wready": In(1),
    "bresp": In(2), "bvalid": In(1), "bready": Out(1),
    "araddr": Out(ADDRESS_BITS), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
    "rdata": In(WORD_BITS), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
})
"""AXI4-Lite with 32-bit data and 12-bit byte addresses, as its manager sees it."""


class AxiLite(wiring.Component):
    """AXI4-Lite front end of a register block (AMBA AXI and ACE specification, IHI 0022, B1).

    Address and data of a write may come in either order. One write and one read at a time are
    under way, independent of each other: a write takes 3 clocks, a read 4. The two low
    address bits and the protection bits are ignored. An access that the registers refuse
    is answered with SLVERR.

    Members
    -------
    bus : In(AxiLitePort)
        Bus of the manager.
    write : Out(stream.Signature(WriteAccess, always_ready=True))
        Writes.
    write_error : In(1)
        The write of this clock is refused.
    read : Out(stream.Signature(WORD_ADDRESS_BITS, always_ready=True))
        Word addresses of reads. The payload is there a clock before ``valid`` too, so that
        what it selects may be registered.
    read_answer : In(ReadAnswer)
        Answer to the read of this clock; ``data`` is 0 with ``error``.
    """

    def __init__(self) -> None:
        super().__init__({
            "bus": In(AxiLitePort),
            "write": Out(stream.Signature(WriteAccess, always_ready=True)),
            "write_error": In(1),
            "read": Out(stream.Signature(WORD_ADDRESS_BITS, always_ready=True)),
            "read_answer": In(ReadAnswer),
        })

    def elaborate(self, platform):
        m = Module()
        self._writes(m)
        self._reads(m)
        return m

    def _writes(self, m: Module) -> None:
        """Collect the address and the data of a write, make it, and answer."""
        bus = self.bus
        have_address = Signal()
        have_data = Signal()
        m.d.comb += [
            bus.awready.eq(~have_address),
            bus.wready.eq(~have_data),
            self.write.valid.eq(have_address & have_data & ~bus.bvalid),
        ]
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [have_address.eq(1), self.write.payload.address.eq(bus.awaddr[_BYTE_BITS:])]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [
                have_data.eq(1),
                self.write.payload.data.eq(bus.wdata),
                self.write.payload.strobe.eq(bus.wstrb),
            ]
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(self.write.valid):
            m.d.sync += [
                have_address.eq(0),
                have_data.eq(0),
                # What is written may be a key, so it must not stay here.
                self.write.payload.data.eq(0),
                bus.bvalid.eq(1),
                bus.bresp.eq(_Response.OKAY),
            ]
            with m.If(self.write_error):
                m.d.sync += bus.bresp.eq(_Response.SLVERR)

    def _reads(self, m: Module) -> None:
        """Take the address of a read, wait a clock for its word, and answer."""
        bus = self.bus
        have_address = Signal()
        settled = Signal()
        m.d.comb += [
            bus.arready.eq(~have_address),
            self.read.valid.eq(settled & ~bus.rvalid),
        ]
        m.d.sync += settled.eq(have_address & ~self.read.valid)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [have_address.eq(1), self.read.payload.eq(bus.araddr[_BYTE_BITS:])]
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.If(self.read.valid):
            m.d.sync += [
                have_address.eq(0),
                bus.rvalid.eq(1),
                bus.rdata.eq(self.read_answer.data),
                bus.rresp.eq(_Response.OKAY),
            ]
            with m.If(self.read_answer.error):
                m.d.sync += bus.rresp.eq(_Response.SLVERR)
