"""One order to several blocks at once."""

from amaranth.hdl import Cat, Signal, Value


def fan_out(m, source, targets) -> Value:
    """Accept from ``source`` when every block that has a part in the order can take it.

    ``targets`` holds (stream, payload, condition) triples; a block whose condition
    is 0 has no part. The targets' ``ready`` must not depend on their ``valid``.
    Combinational. Returns the strobe of the transfer.
    """
    ready = Signal()
    go = Signal()
    m.d.comb += [
        ready.eq(Cat(target.ready | ~Value.cast(condition) for target, _, condition in targets)
                 .all()),
        go.eq(source.valid & ready),
        source.ready.eq(ready),
    ]
    for target, payload, condition in targets:
        m.d.comb += [
            Value.cast(target.payload).eq(payload),
            target.valid.eq(go & condition),
        ]
    return go
