"""Proofs of ``AxiLite``: one answer for each request, which stays until it is taken."""

from amaranth.hdl import Cat, Mux, Signal, Value

from espnic.hdl.host.axi_lite import AxiLite
from espnic.proofs.bench import Bench, Proof

_COUNT_BITS = 3
_WAITING_CLOCKS = 2
"""Most clocks that a request waits behind no answer that is to be taken."""


def _counted(p: Bench, name: str, more: Value, fewer: Value) -> Signal:
    """The number of things that have come and not gone."""
    count = Signal(_COUNT_BITS, name=name)
    p.m.d.sync += count.eq(count + more - fewer)
    return count


def _manager(p: Bench, bus) -> None:
    """Assume a manager that keeps the rules of AXI."""
    for valid, ready, payload in (
            (bus.awvalid, bus.awready, bus.awaddr),
            (bus.wvalid, bus.wready, Cat(bus.wdata, bus.wstrb)),
            (bus.arvalid, bus.arready, bus.araddr)):
        p.assume(valid & (payload == p.past(payload)), when=p.begun & p.past(valid & ~ready))


def _stable(p: Bench) -> None:
    p.block(axi := AxiLite())
    bus = axi.bus
    _manager(p, bus)
    for valid, ready, payload in ((bus.bvalid, bus.bready, bus.bresp),
                                  (bus.rvalid, bus.rready, Cat(bus.rdata, bus.rresp))):
        p.prove(valid & (payload == p.past(payload)), when=p.begun & p.past(valid & ~ready))


def _answers(p: Bench) -> None:
    p.block(axi := AxiLite())
    bus = axi.bus
    _manager(p, bus)
    taken_b, taken_r = bus.bvalid & bus.bready, bus.rvalid & bus.rready
    addresses = _counted(p, "addresses", bus.awvalid & bus.awready, taken_b)
    words = _counted(p, "words", bus.wvalid & bus.wready, taken_b)
    reads = _counted(p, "reads", bus.arvalid & bus.arready, taken_r)
    written = _counted(p, "written", axi.write.valid, taken_b)
    read = _counted(p, "read", axi.read.valid, taken_r)
    # No answer without a request, and no request lost: what has come and has no answer waits in
    # the registers that hold up the next one.
    p.prove((addresses != 0) & (words != 0), when=bus.bvalid)
    p.prove(reads != 0, when=bus.rvalid)
    p.prove(addresses == ~bus.awready[0:1] + bus.bvalid)
    p.prove(words == ~bus.wready[0:1] + bus.bvalid)
    p.prove(reads == ~bus.arready[0:1] + bus.rvalid)
    # Each answer is that of one access to the registers.
    p.prove(written == bus.bvalid)
    p.prove(read == bus.rvalid)
    error = p.past(Mux(axi.write_error, 2, 0))
    p.prove(bus.bresp == error, when=p.begun & p.past(axi.write.valid))
    answer = axi.read_answer
    p.prove(bus.rdata == p.past(answer.data), when=p.begun & p.past(axi.read.valid))
    p.prove(bus.rresp == p.past(Mux(answer.error, 2, 0)), when=p.begun & p.past(axi.read.valid))
    p.prove(~p.inside("settled") | ~bus.arready)
    _soon(p, bus)


def _soon(p: Bench, bus) -> None:
    """A request waits for nothing but the manager's taking of the answer before."""
    for waits, answered in ((~bus.awready & ~bus.wready, bus.bvalid), (~bus.arready, bus.rvalid)):
        clocks = Signal(range(_WAITING_CLOCKS + 2))
        p.m.d.sync += clocks.eq(Mux(waits & ~answered, clocks + 1, 0))
        p.prove(clocks <= _WAITING_CLOCKS)


def _cleared(p: Bench) -> None:
    p.block(axi := AxiLite())
    p.prove(axi.write.payload.data == 0, when=axi.bus.wready)


_MANAGER = ("address and data of a request stay until they are taken",)
_SMALL = "as it is"
PROOFS = (
    Proof("stable", "an answer stays as it is until it is taken", _stable, _SMALL,
          depth=12, induction=2, assumes=_MANAGER, quick=True),
    Proof("answers", "each request gets one answer, that of one access to the registers; there is "
          "none without a request, and none is late", _answers, _SMALL, depth=12, induction=4,
          assumes=_MANAGER, quick=True),
    Proof("cleared", "what was written, which may be a key, is not kept once it has been written",
          _cleared, _SMALL, depth=12, induction=1),
)
