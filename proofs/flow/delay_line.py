"""Proofs of ``DelayLine``."""

from amaranth.hdl import Signal

from espnic.hdl.flow.delay_line import DelayLine
from espnic.proofs.bench import Bench, Proof

CLOCKS, BITS = 3, 4


def _delay(p: Bench) -> None:
    p.block(line := DelayLine(BITS, CLOCKS))
    past = [line.i.payload]
    for _ in range(CLOCKS):
        past.append(p.past(past[-1]))
    clocks = Signal(range(CLOCKS + 1))
    p.m.d.sync += clocks.eq(clocks + (clocks != CLOCKS))
    p.prove(line.o.payload == past[CLOCKS], when=clocks == CLOCKS)
    now = p.inside("now")
    for back in range(1, CLOCKS):
        row = p.row("ring", (now - back)[:len(now)])
        p.prove(row == past[back], when=clocks >= back)


PROOFS = (
    Proof("delay", "from the clock on in which the first value comes out, each value comes out "
          f"{CLOCKS} clocks after it came", _delay, f"{CLOCKS} clocks, values of {BITS} bits",
          depth=12, induction=2, quick=True),
)
