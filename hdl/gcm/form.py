"""Form of the AES-GCM core in a build: its rate, and where its S-boxes are."""

from dataclasses import dataclass
from math import gcd

from espnic.hdl.layouts import GHASH_STAGES
from espnic.model.interface.codes import AES_ROUNDS_MAX
from espnic.model.interface.features import Features, Sbox


@dataclass(frozen=True)
class CipherForm:
    """Rate of a core and kind of its S-boxes.

    A core that is folded takes a slot every ``fold``th clock. A block passes each of its AES
    rounds ``fold`` times, in a ring; so does the key schedule. Blocks enter at the same turn of
    ``fold`` clocks. They come round at other turns only if the clocks of the ring and ``fold``
    have no common divisor, so a ring may need a register without a round.
    """

    fold: int = 1
    """Clocks of a slot: 1, 2 or 4."""
    block_ram: bool = False
    """The S-boxes of the rounds are in block RAM; those of the key schedule never are."""

    @property
    def rounds(self) -> int:
        """AES rounds that are built."""
        return -(-AES_ROUNDS_MAX // self.fold)

    @property
    def spare_register(self) -> bool:
        """Whether the ring has a register without a round."""
        return gcd(self.rounds, self.fold) != 1

    @property
    def last_round(self) -> int:
        """Index of the round that is the last of a block."""
        return (AES_ROUNDS_MAX - 1) % self.rounds

    @property
    def last_turn(self) -> int:
        """Number of times that a block has been round the ring when it comes to that round."""
        return (AES_ROUNDS_MAX - 1) // self.rounds

    @property
    def aes_latency(self) -> int:
        """Clocks of ``AesPipeline``."""
        turn_clocks = self.rounds + self.spare_register
        return self.last_turn * turn_clocks + self.last_round + 2

    @property
    def multiplier_latency(self) -> int:
        """Clocks of ``GfMultiplier``."""
        return GHASH_STAGES + self.fold - 1

    @property
    def ghash_latency(self) -> int:
        """Clocks of ``Ghash``."""
        return 1 + self.multiplier_latency


PLAIN = CipherForm()
"""A slot in each clock, all S-boxes in LUTs."""


def form_of(features: Features) -> CipherForm:
    """The form of the cores of a build."""
    return CipherForm(features.fold, features.sbox is Sbox.BRAM)
