"""Proofs of ``SaCommands``: a key goes to the rows of the secrets, and nowhere else."""

from espnic.hdl.gcm.hash_subkey import HashSubkey
from espnic.hdl.layouts import SaCommand, lanes_of
from espnic.hdl.sa.commands import SaCommands
from espnic.hdl.sa.contexts import row_write
from espnic.model.interface.features import Features
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.twins import Twins, bits_of

_FEATURES = Features(width=128, sas=16)
_LANES = lanes_of(_FEATURES.width)
_KEYS = bits_of(SaCommand, "salt", "seqiv_salt", "key")
_SECRET = {
    "command.payload": _KEYS,
    "self.command": _KEYS,
    "row": bits_of(row_write(_LANES), "secrets"),
    "hash_subkey.i.payload": bits_of(HashSubkey(_LANES).i.payload.shape(), "key"),
    "hash_subkey.o.payload": -1,
}
"""Bits that may differ: the secrets of a command and of the row that it writes, the hash subkey."""


def _silent(p: Bench) -> None:
    twins = Twins(p, lambda: SaCommands(_FEATURES), _SECRET)
    twins.cut("hash_subkey")
    twins.alike()


PROOFS = (
    Proof("silent", "commands that differ in salts and keys alone get the same responses in the "
          "same clocks, and write and ask the same, but for the secrets of a row", _silent,
          f"{_FEATURES.sas} SAs, {_LANES} AES lane", depth=4, induction=1, assumes=(
              "memories and look-up table answer both alike, and so do the ciphers in a self-test",
              "the hash subkey, which is left out, takes the same time for each key")),
)
