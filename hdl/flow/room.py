"""Whether there is room, known a clock before it is asked for."""

from amaranth.hdl import Module, Signal, Value


def room_for(
    m: Module, places: int, enters: Value, leaves: Value, late: bool = False,
) -> Signal:
    """Count what is in ``places`` places; say whether one more may enter, as a register.

    ``enters`` and ``leaves`` are strobes, one each clock; nothing enters without room. They come
    late in a clock, so what follows from the count is prepared for each way that it may go.
    With ``late`` that something enters is told one clock later: a place is kept free for it.
    """
    uncounted = int(late)
    in_flight = Signal(range(places + 1))
    room = Signal(init=1)
    with m.If(enters & ~leaves):
        m.d.sync += [in_flight.eq(in_flight + 1), room.eq(in_flight < places - 1 - uncounted)]
    with m.Elif(leaves & ~enters):
        m.d.sync += [in_flight.eq(in_flight - 1), room.eq(in_flight < places + 1 - uncounted)]
    return room
