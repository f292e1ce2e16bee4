"""Fresh seeds, and the names of the tests that run with them."""

import random
import re

SEED_BITS = 31
_PART = re.compile(r"(?<=\[)seed\d+-|-?seed\d+(?=[]-])")


def fresh_base() -> int:
    """A number to draw seeds from."""
    return random.SystemRandom().getrandbits(SEED_BITS)


def seeds_of(base: str, test: str, count: int) -> list[int]:
    """Seeds of a test: the same in all processes of a call."""
    draw = random.Random(f"{base} {test}")
    return [draw.getrandbits(SEED_BITS) for _ in range(count)]


def without_seed(test: str) -> str:
    """Name of a test, without the fresh seed that it ran with."""
    return _PART.sub("", test).removesuffix("[]")
