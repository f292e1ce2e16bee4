"""Proofs of ``SaContexts``: a packet gets all of one write, or nothing."""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Signal, Value
from amaranth.lib import data

from espnic.hdl.layouts import values_of
from espnic.hdl.sa.contexts import SaContexts, row_layouts
from espnic.hdl.sa.parity_memory import parities
from espnic.model.interface.codes import SaDirection
from espnic.proofs.bench import Bench, Proof

_LANES, _SAS = 1, 2


class _Row:
    """One row of a memory: what the last write to it gave, all of it at once."""

    def __init__(self, p: Bench, contexts: SaContexts, name: str, writes: Value, sa: Value) -> None:
        layout = row_layouts(_LANES, contexts.direction)[name]
        self.kept = Signal(layout, name=f"{name}_kept")
        payload = contexts.write.payload
        # The key of the record is that of the look-up; in a row it is that of the cipher.
        given = {**values_of(payload.record), **values_of(payload.secrets),
                 "spi": payload.record.key.spi, "present": payload.record.valid}
        with p.m.If(writes & (contexts.record_sa == sa)):
            p.m.d.sync += [self.kept[field].eq(given[field]) for field in layout.members]
        p.prove(p.row(f"{name}.ram", sa) == self.with_parity(self.kept))

    @staticmethod
    def with_parity(row) -> Value:
        """The bits of a row as the memory has them."""
        return Cat(Value.cast(row), parities(Value.cast(row)))


def _state(direction: SaDirection) -> Callable[[Bench], None]:
    def describe(p: Bench) -> None:
        p.block(contexts := SaContexts(_LANES, _SAS, direction))
        sa = p.constant(range(_SAS), "sa")
        row = _Row(p, contexts, "state", contexts.write.valid, sa)
        asked, o = contexts.i.payload, contexts.o.payload
        kept = data.View(row.kept.shape(), p.past(row.kept))
        serial = p.past(asked.serial) == kept.serial if direction == SaDirection.RX else Const(1)
        candidate = p.past(asked.hit & contexts.swept & (asked.sa == sa)
                           & (asked.sa < _SAS)) & p.begun
        hit = candidate & kept.valid & serial
        p.prove(o.hit == hit, when=candidate)
        p.prove(~o.hit, when=p.begun & ~p.past(asked.hit))
        p.prove((o.sa == sa) & (o.fault == (p.past(asked.fault) | contexts.stopped)), when=hit)
        for field in kept.shape().members:
            p.prove(o.context[field] == kept[field], when=candidate & o.hit)
    return describe


def _secret(direction: SaDirection) -> Callable[[Bench], None]:
    def describe(p: Bench) -> None:
        p.block(contexts := SaContexts(_LANES, _SAS, direction))
        sa = p.constant(range(_SAS), "sa")
        row = _Row(p, contexts, "secret",
                   contexts.write.valid & contexts.write.payload.secret, sa)
        port, shows = contexts.secrets, Signal()
        shown = Signal(row.kept.shape())
        with p.m.If(port.read):
            p.m.d.sync += [shows.eq(port.sa == sa), shown.eq(row.kept)]
        fields = {**values_of(port.row), **values_of(port.row.secrets)}
        for field in shown.shape().members:
            p.prove(Value.cast(fields[field]) == Value.cast(shown[field]), when=shows)
        p.prove(p.read_data("secret.ram") == row.with_parity(shown), when=shows)
    return describe


_SMALL = f"{_SAS} SAs, {_LANES} AES lane"
_CONTEXT = ("a look-up that hits gives all that one write gave its row, the last before it, and "
            "nothing of another")
_SECRETS = ("secrets at the port are those of one write, with its serial and whether its SA is "
            "present, the last before they were read")
PROOFS = tuple(
    Proof(f"{name}_{direction.name.lower()}", says, make(direction),
          f"{_SMALL}, {'receive' if direction == SaDirection.RX else 'transmit'}",
          depth=5, induction=2, quick=direction == SaDirection.RX)
    for name, says, make in (("context", _CONTEXT, _state), ("secrets", _SECRETS, _secret))
    for direction in (SaDirection.RX, SaDirection.TX)
)
