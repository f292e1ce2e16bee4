"""Append bytes to the last beat of a packet."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data


def lengthened_beat(width: int, ending_bytes: int) -> data.StructLayout:
    """A beat of a packet with up to ``ending_bytes`` bytes after it, ``count`` bytes in all.

    With ``enable`` 0 nothing is to be appended, and the rest does not count.
    """
    return data.StructLayout({
        "enable": 1,
        "data": width + 8 * ending_bytes,
        "count": range(width // 8 + ending_bytes + 1),
    })


def append(m: Module, i, o, lengthened, known):
    """Pass packets, each with what is appended to its last beat; return when one ends.

    What does not fit the last beat leaves in one beat more. Combinational.

    Parameters
    ----------
    i, o : stream of beat(width)
        Packets without and with their endings.
    lengthened : lengthened_beat(width, ...)
        The last beat of ``i`` and its ending; not looked at with other beats.
    known : Value
        The ending is there; until then the last beat waits.
    """
    width = len(o.payload.data)
    beat_bytes = width // 8
    spilled = Signal(len(lengthened.data) - width)
    spilled_bytes = Signal(range(len(spilled) // 8 + 1))
    overflow = Signal()
    ready = Signal()
    appends = Signal()
    too_long = Signal()
    ends = Signal()
    m.d.comb += [
        ready.eq(~i.payload.last | known),
        appends.eq(i.payload.last & lengthened.enable),
        too_long.eq(lengthened.count > beat_bytes),
    ]
    with m.If(overflow):
        m.d.comb += [
            o.payload.data.eq(spilled),
            o.payload.count.eq(spilled_bytes),
            o.payload.last.eq(1),
            o.valid.eq(1),
        ]
        with m.If(o.ready):
            m.d.sync += overflow.eq(0)
    with m.Else():
        m.d.comb += [
            o.payload.data.eq(Mux(appends, lengthened.data[:width], i.payload.data)),
            o.payload.first.eq(i.payload.first),
            o.payload.last.eq(i.payload.last & ~(appends & too_long)),
            o.payload.count.eq(Mux(
                appends, Mux(too_long, beat_bytes, lengthened.count), i.payload.count)),
            o.valid.eq(i.valid & ready),
            i.ready.eq(o.ready & ready),
            ends.eq(o.ready & i.valid & i.payload.last & known),
        ]
        with m.If(ends & appends & too_long):
            m.d.sync += [
                overflow.eq(1),
                spilled.eq(lengthened.data[width:]),
                spilled_bytes.eq(lengthened.count - beat_bytes),
            ]
    return ends
