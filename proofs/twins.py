"""Two copies of a block that differ in secrets alone: what others see of them is the same."""

from collections.abc import Callable, Mapping

from amaranth.hdl import Const, Value
from amaranth.hdl._ast import AnySeq
from amaranth.lib import wiring

from espnic.proofs.bench import Bench

Masks = Mapping[str, int]
"""Bits that may differ, by the path of a port or a register; -1 for all of them."""


class Twins:
    """Two copies, ``a`` and ``b``, which get the same but for secrets.

    Blocks in them may be cut. Then the copies of such a block must get the same, and give the
    same: that follows, for they are alike, have begun alike and know nothing else.

    Parameters
    ----------
    make
        Gives a copy.
    secret
        Bits of ports and registers that hold secrets, or come of them.
    """

    def __init__(self, p: Bench, make: Callable[[], wiring.Component], secret: Masks) -> None:
        self._p, self._secret = p, secret
        self.a, self.b = make(), make()
        p.block(self.a, "a")
        p.block(self.b, "b", driven=[".".join(map(str, path)) for path, _, _ in
                                     self.b.signature.flatten(self.b)])
        self._give(self.a, self.b, "", wiring.In)

    def cut(self, *paths: str) -> None:
        """Leave blocks out, in both copies alike."""
        for path in paths:
            a, b = (self._p.cut(path, name) for name in ("a", "b"))
            for value in (Value.cast(port) for _, member, port in a.signature.flatten(a)
                          if member.flow == wiring.Out):
                if not isinstance(value, Const):
                    self._p.m.d.comb += value.eq(AnySeq(len(value)))
            self._give(a, b, f"{path}.", wiring.Out)
            self._same(a, b, f"{path}.", wiring.In)

    def alike(self) -> None:
        """Ask that all registers are the same, and all outputs, but for the secrets."""
        pairs = zip(self._p.registers("a"), self._p.registers("b"), strict=True)
        for (path, one), (same_path, other) in pairs:
            assert path == same_path
            self._compare(path, one, other)
        self._same(self.a, self.b, "", wiring.Out)

    def _ports(self, a, b, prefix: str, flow):
        pairs = zip(a.signature.flatten(a), b.signature.flatten(b), strict=True)
        for (path, member, one), (_, _, other) in pairs:
            value = Value.cast(one)
            if member.flow == flow and not isinstance(value, Const):
                yield prefix + ".".join(map(str, path)), value, Value.cast(other)

    def _give(self, a, b, prefix: str, flow) -> None:
        """Let ports of ``b`` have what those of ``a`` have, but secrets of its own."""
        for path, one, other in self._ports(a, b, prefix, flow):
            mask = self._mask(path, len(one))
            self._p.m.d.comb += other.eq(one & ~mask | AnySeq(len(one)) & mask)

    def _same(self, a, b, prefix: str, flow) -> None:
        for path, one, other in self._ports(a, b, prefix, flow):
            self._compare(path, one, other)

    def _compare(self, path: str, one: Value, other: Value) -> None:
        mask = self._mask(path, len(one))
        self._p.prove(((one ^ other) & ~mask) == 0)

    def _mask(self, path: str, bits: int) -> Const:
        return Const(self._secret.get(path, 0) & ((1 << bits) - 1), bits)


def bits_of(layout, *names: str) -> int:
    """The mask of the named members of a layout."""
    return sum(((1 << layout[name].width) - 1) << layout[name].offset for name in names)
