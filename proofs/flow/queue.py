"""Proofs of ``Queue``: its rule of streams, and first in, first out."""

from collections.abc import Callable

from amaranth.hdl import Mux, Value

from espnic.hdl.flow.queue import Queue
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import Watched, rule

DEPTH = 3
"""Number of entries: no power of two, so that the places wrap round by hand."""
BITS = 4
_SMALL = f"{DEPTH} entries of {BITS} bits"


def place_behind(head: Value, steps: Value, depth: int) -> Value:
    """The place ``steps`` behind ``head`` in a ring of ``depth``; at most ``depth`` steps."""
    place = head + steps
    return Mux(place >= depth, place - depth, place)[:len(head)]


def levels(p: Bench, path: str = "", depth: int = DEPTH) -> None:
    """Ask what the registers of a queue in distributed RAM have to do with each other.

    ``path`` is where the queue is in the block, with a point at its end.
    """
    level, head, tail = (p.inside(f"{path}{name}") for name in ("level", "head", "tail"))
    p.prove(level <= depth)
    p.prove((head < depth) & (tail < depth))
    p.prove(p.inside(f"{path}readable") == (level != 0))
    p.prove(p.inside(f"{path}writable") == (level != depth))
    p.prove(tail == place_behind(head, level, depth))


def _block_levels(p: Bench) -> None:
    """Ask what the registers of a queue in block RAM have to do with each other."""
    level, head, tail = (p.inside(name) for name in ("level", "head", "tail"))
    p.prove(level <= DEPTH - 1)
    p.prove(p.inside("readable") == (level != 0))
    p.prove(p.inside("writable") == (level != DEPTH - 1))
    p.prove((head < DEPTH - 1) & (tail < DEPTH - 1))
    p.prove(tail == place_behind(head, level, DEPTH - 1))


def _order(through: bool) -> Callable[[Bench], None]:
    def describe(p: Bench) -> None:
        p.block(queue := Queue(BITS, DEPTH, through=through))
        watched = Watched(p, queue.i, queue.o, most=DEPTH)
        levels(p)
        p.prove(watched.inside == p.inside("level"))
        row = p.row("ram", place_behind(p.inside("head"), watched.ahead, DEPTH))
        p.prove(row == watched.value, when=watched.waits)
    return describe


def _block_order(p: Bench) -> None:
    p.block(queue := Queue(BITS, DEPTH, block_ram=True))
    watched = Watched(p, queue.i, queue.o, most=DEPTH)
    _block_levels(p)
    p.prove(watched.inside == p.inside("level") + queue.o.valid)
    behind = (watched.ahead - queue.o.valid)[:DEPTH.bit_length()]
    row = p.row("ram", place_behind(p.inside("head"), behind, DEPTH - 1))
    at_output = queue.o.valid & (watched.ahead == 0)
    p.prove(Mux(at_output, Value.cast(queue.o.payload), row) == watched.value, when=watched.waits)


_ORDER = "entries leave in the order in which they came, each once"
PROOFS = (
    rule(lambda: Queue(BITS, DEPTH), ("i",), ("o",), _SMALL, invariant=levels, quick=True),
    rule(lambda: Queue(BITS, DEPTH, through=True), ("i",), ("o",), _SMALL,
         name="stream_through", invariant=levels),
    rule(lambda: Queue(BITS, DEPTH, block_ram=True), ("i",), ("o",), _SMALL,
         name="stream_block", invariant=_block_levels),
    Proof("order", _ORDER, _order(False), _SMALL, depth=10, induction=2, quick=True),
    Proof("order_through", _ORDER, _order(True), _SMALL, depth=10, induction=2),
    Proof("order_block", _ORDER, _block_order, _SMALL, depth=10, induction=2),
)
