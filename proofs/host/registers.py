"""Proofs of ``Registers``: nothing that can be read tells a bit of a key."""

from amaranth.hdl import Cat

from espnic.hdl.host.axi_lite import WORD_ADDRESS_BITS, WriteAccess
from espnic.hdl.host.registers import Registers
from espnic.hdl.layouts import SaCommand
from espnic.model.interface import registers as table
from espnic.model.interface.features import Features
from espnic.model.interface.registers import Access
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.twins import Twins, bits_of

_SECRET_WORDS = [one for one in table.SA_PARAMETERS if one.access == Access.WRITE]
_SECRET_FIELDS = {field.name for register in _SECRET_WORDS for field in register.fields}
_KEYS = bits_of(SaCommand, *_SECRET_FIELDS)
_SECRET = {
    "axil.wdata": -1,
    "axil.write__payload": bits_of(WriteAccess, "data"),
    "self.parameters": _KEYS,
    "command.payload": _KEYS,
}
"""Bits that may differ: words on the bus and in its register, and the secrets of a command."""


def _silent(p: Bench) -> None:
    twins = Twins(p, lambda: Registers(Features()), _SECRET)
    twins.cut("counters", "bursts", "events")
    # Both hosts write the same but for the words of secrets.
    write = p.inside("axil.write__payload", "a")
    other = p.inside("axil.write__payload", "b")
    address = write[:WORD_ADDRESS_BITS]
    secret = Cat(address == word.offset // table.WORD_BYTES for word in _SECRET_WORDS).any()
    p.assume(write == other, when=p.inside("axil.write__valid", "a") & ~secret)
    twins.alike()


PROOFS = (
    Proof("silent", "two hosts that write different salts and keys, and else the same, read the "
          "same words in the same clocks, and see the same interrupts", _silent,
          "the largest build", depth=6, induction=1, assumes=(
              "the SA table answers both alike (`sa/store`)",
              "counters, burst detector and event queue, which are left out, give the same if they "
              "get the same")),
)
