"""Proofs of ``RegisteredQueue``."""

from collections.abc import Callable

from espnic.hdl.flow.registered_queue import RegisteredQueue
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import Watched

DEPTH = 5
BITS = 2
_SMALL = f"{DEPTH} entries of {BITS} bits"
_ORDER = "entries leave in the order in which they came, each once"


def _order(block_ram: bool) -> Callable[[Bench], None]:
    def describe(p: Bench) -> None:
        p.block(queue := RegisteredQueue(BITS, DEPTH, block_ram=block_ram))
        watched = Watched(p, queue.i, queue.o, most=DEPTH)
        p.prove(queue.o.payload == watched.value,
                when=watched.waits & queue.o.valid & (watched.ahead == 0))
        p.prove(watched.inside <= DEPTH)
        p.prove(p.offered(queue.o))
    return describe


PROOFS = (
    Proof("order", _ORDER, _order(False), _SMALL, depth=12),
    Proof("order_block", _ORDER, _order(True), _SMALL, depth=12),
)
