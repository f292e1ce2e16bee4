"""Proofs of ``BeatStore``: kept beats leave in order, the others never."""

from amaranth.hdl import Mux, Signal, Value

from espnic.hdl.flow.beat_store import READ_AHEAD, BeatStore
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.flow.queue import levels, place_behind

DEPTH, MARGIN, BITS = 5, 1, 2
_COUNT = range(DEPTH + READ_AHEAD + 2)


class _Beats:
    """Counts of the beats, and one beat that is watched from its coming to its fate."""

    def __init__(self, p: Bench, store: BeatStore) -> None:
        self.stored = Signal(range(DEPTH + 1))
        """Beats that no command has taken."""
        self.kept = Signal(_COUNT)
        """Beats that are to leave, and have not."""
        self.waits, self.leaving = Signal(), Signal()
        """The watched beat waits for a command, or to leave."""
        self.ahead, self.value = Signal(_COUNT), Signal(BITS)
        """Beats before it of those that wait for the same."""
        order = store.command.payload
        comes, leaves = store.i.valid & store.i.ready, store.o.valid & store.o.ready
        ordered = store.command.valid & store.command.ready
        beats = Mux(ordered, order.beats, 0)
        p.m.d.sync += [
            self.stored.eq(self.stored + comes - beats),
            self.kept.eq(self.kept + Mux(order.keep, beats, 0) - leaves),
        ]
        self._follow(p, store, comes, leaves, beats)
        p.neighbours(store.command)
        p.assume((order.beats >= 1) & (order.beats <= self.stored), when=store.command.valid)
        p.prove(self.kept != 0, when=leaves)
        p.prove(Value.cast(store.o.payload) == self.value,
                when=self.leaving & (self.ahead == 0) & leaves)

    def _follow(self, p: Bench, store: BeatStore, comes: Value, leaves: Value,
                beats: Value) -> None:
        """Choose a beat, and say where it is."""
        chosen, choose = Signal(), p.free(1, "choose")
        with p.m.If(choose & ~chosen & comes):
            p.m.d.sync += [
                chosen.eq(1), self.waits.eq(1), self.value.eq(store.i.payload),
                self.ahead.eq(self.stored - beats)]
        with p.m.Elif(self.waits & (self.ahead < beats)):
            p.m.d.sync += [
                self.waits.eq(0), self.leaving.eq(store.command.payload.keep),
                self.ahead.eq(self.kept - leaves + self.ahead)]
        with p.m.Elif(self.waits):
            p.m.d.sync += self.ahead.eq(self.ahead - beats)
        with p.m.Elif(self.leaving & leaves):
            p.m.d.sync += [self.ahead.eq(self.ahead - 1), self.leaving.eq(self.ahead != 0)]
        p.prove(chosen, when=self.waits | self.leaving)


def _order(p: Bench) -> None:
    store = BeatStore(BITS, DEPTH, MARGIN)
    p.block(store)
    beats = _Beats(p, store)
    _registers(p, beats)
    _places(p, beats)


def _registers(p: Bench, beats: _Beats) -> None:
    """Ask what the registers of the store have to do with each other and with the counts."""
    limit = DEPTH - MARGIN
    level, taken, staying = p.inside("level"), p.inside("taken"), p.inside("staying")
    head, remaining, fetched = p.inside("head"), p.inside("remaining"), p.inside("fetched")
    in_flight, left = p.inside("in_flight"), p.inside("left")
    _queue_levels(p)
    p.prove((level <= limit) & (taken <= level))
    p.prove(p.inside("writable") == (level < limit))
    p.prove((head < DEPTH) & (p.inside("tail") == place_behind(head, staying, DEPTH)))
    p.prove(p.inside("reading") == (remaining != 0))
    p.prove(in_flight == _queued(p) + fetched + left)
    p.prove(in_flight <= READ_AHEAD)
    p.prove(p.inside("room") == (in_flight != READ_AHEAD))
    p.prove(staying == beats.stored + remaining)
    p.prove(beats.kept + left == remaining + in_flight)


def _queue_levels(p: Bench) -> None:
    """Ask what the registers of the queue at the output have to do with each other."""
    valid, full = p.inside("ahead.next.valid"), p.inside("ahead.next.full")
    levels(p, "ahead.waiting.", READ_AHEAD - 2)
    p.prove(valid | ~full & (p.inside("ahead.waiting.level") == 0))


def _queued(p: Bench) -> Value:
    """Beats in the queue at the output: in its two registers, and behind them."""
    return (p.inside("ahead.waiting.level")
            + p.inside("ahead.next.valid") + p.inside("ahead.next.full"))


def _places(p: Bench, beats: _Beats) -> None:
    """Ask where the watched beat lies: in the memory, at its output, or in the queue behind it."""
    waiting, fetched = _queued(p), p.inside("fetched")
    full = p.inside("ahead.next.full")
    p.prove(~(beats.waits & beats.leaving))
    p.prove(beats.ahead < beats.stored, when=beats.waits)
    p.prove(beats.ahead < beats.kept, when=beats.leaving)
    steps = Mux(beats.waits, beats.ahead + p.inside("remaining"),
                beats.ahead - (waiting + fetched))[:len(beats.stored)]
    row = p.row("ram", place_behind(p.inside("head"), steps, DEPTH))
    behind = (beats.ahead - 1 - full)[:len(p.inside("ahead.waiting.level"))]
    queued = Mux(beats.ahead == 0, p.inside("ahead.next.entry"), Mux(
        full & (beats.ahead == 1), p.inside("ahead.next.kept"),
        p.row("ahead.waiting.ram", place_behind(
            p.inside("ahead.waiting.head"), behind, READ_AHEAD - 2))))
    in_queue = beats.leaving & (beats.ahead < waiting)
    at_output = beats.leaving & (beats.ahead == waiting) & fetched
    found = Mux(in_queue, queued, Mux(at_output, p.read_data("ram"), row))
    p.prove(found == beats.value, when=beats.waits | beats.leaving)


def _stream(p: Bench) -> None:
    p.block(store := BeatStore(BITS, DEPTH, MARGIN))
    p.prove(p.offered(store.o))
    _queue_levels(p)


_SMALL = f"{DEPTH} beats of {BITS} bits, {MARGIN} of them never filled"
PROOFS = (
    Proof("stream", "what is offered at `o` stays until it is taken, whatever the neighbours do",
          _stream, _SMALL, depth=8, induction=2),
    Proof("order", "beats that are kept leave in the order in which they came, each once, and "
          "others never", _order, _SMALL, depth=12, induction=2,
          assumes=("a command stays until it is taken, and all its beats, at least one, have been "
                   "written before",)),
)
