"""Hand what passes a stream to others as well."""

from amaranth.hdl import Module, Signal


def push(m: Module, source, *targets, payload=None) -> None:
    """Give each transfer of ``source`` to the targets too, in the same clock.

    They get the payload of the source, or ``payload`` in its place. A target must be ready
    whenever a transfer comes: its ``ready`` is not looked at.
    """
    passes = Signal()
    m.d.comb += passes.eq(source.valid & source.ready)
    for target in targets:
        m.d.comb += [
            target.payload.eq(source.payload if payload is None else payload),
            target.valid.eq(passes),
        ]
