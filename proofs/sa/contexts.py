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


def _given(contexts: SaContexts, layout: data.StructLayout) -> Value:
    """The row of a memory that a write gives, as it lies there."""
    payload = contexts.write.payload
    # The key of the record is that of the look-up; in a row it is that of the cipher.
    given = {**values_of(payload.record), **values_of(payload.secrets),
             "spi": payload.record.key.spi, "present": payload.record.valid}
    return Cat(Value.cast(given[field]) for field in layout.members)


def _state(direction: SaDirection) -> Callable[[Bench], None]:
    def describe(p: Bench) -> None:
        p.block(contexts := SaContexts(_LANES, _SAS, direction))
        sa = p.constant(range(_SAS), "sa")
        last = Signal(row_layouts(_LANES, direction)["state"])
        bits = Value.cast(last)
        with p.m.If(contexts.write.valid & (contexts.record_sa == sa)):
            p.m.d.sync += bits.eq(_given(contexts, last.shape()))
        p.prove(p.row("state.ram", sa) == Cat(bits, parities(bits)))
        _look_up(p, contexts, sa, data.View(last.shape(), p.past(p.past(bits))))
    return describe


def _look_up(p: Bench, contexts: SaContexts, sa: Value, kept: data.View) -> None:
    """Ask that the answer to a look-up of ``sa`` has what its row ``kept`` when it was asked."""
    def before(value) -> Value:
        """A value when it was asked."""
        return p.past(p.past(value))

    begun = before(Const(1))
    asked, o = contexts.i.payload, contexts.o.payload
    serial = before(asked.serial) == kept.serial if contexts.direction == SaDirection.RX else 1
    candidate = begun & before(asked.hit & contexts.swept & (asked.sa == sa))
    hit = candidate & kept.valid & serial
    p.prove(o.hit == hit, when=candidate)
    p.prove(~o.hit, when=begun & ~before(asked.hit))
    p.prove((o.sa == sa) & (o.fault == (before(asked.fault) | contexts.stopped)), when=hit)
    for field in kept.shape().members:
        p.prove(o.context[field] == kept[field], when=candidate & o.hit)


def _secret(direction: SaDirection) -> Callable[[Bench], None]:
    def describe(p: Bench) -> None:
        p.block(contexts := SaContexts(_LANES, _SAS, direction))
        layout = row_layouts(_LANES, direction)["secret"]
        sa, bit = p.constant(range(_SAS), "sa"), p.constant(range(layout.size), "bit")
        p.assume(bit < layout.size)
        port, writes = contexts.secrets, contexts.write.valid & contexts.write.payload.secret
        # Any two bits of a row: if they are of one write, all are.
        last, shown, shows = Signal(2), Signal(2), Signal()
        with p.m.If(writes & (contexts.record_sa == sa)):
            p.m.d.sync += last.eq(_pair(_given(contexts, layout), bit))
        with p.m.If(port.read):
            p.m.d.sync += [shows.eq(port.sa == sa), shown.eq(last)]
        fields = {**values_of(port.row), **values_of(port.row.secrets)}
        row = Cat(Value.cast(fields[field]) for field in layout.members)
        p.prove(_pair(row, bit) == shown, when=shows)
        p.prove(_pair(p.row("secret.ram", sa), bit) == last)
    return describe


def _pair(row: Value, bit: Value) -> Value:
    """The first bit of a row, which is of none of its secrets, and one other."""
    return Cat(row[0], row.bit_select(bit, 1))


_SMALL = f"{_SAS} SAs, {_LANES} AES lane"
_CONTEXT = ("a look-up that hits gives all that one write gave its row, the last before it, and "
            "nothing of another")
_SECRETS = ("secrets at the port are those of one write, with its serial and whether its SA is "
            "present, the last before they were read")
PROOFS = tuple(
    Proof(f"{name}_{direction.name.lower()}", says, make(direction),
          f"{_SMALL}, {'receive' if direction == SaDirection.RX else 'transmit'}",
          depth=5, induction=3, quick=direction == SaDirection.RX)
    for name, says, make in (("context", _CONTEXT, _state), ("secrets", _SECRETS, _secret))
    for direction in (SaDirection.RX, SaDirection.TX)
)
