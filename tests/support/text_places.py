"""Lengths of texts and their offsets in a frame, for the benches that move text."""

FIRST_OFFSET = 50
"""Offset of a text after Ethernet, IPv4 and ESP headers and IV."""


def lengths_and_offsets(chance, width):
    """Texts of 0 to 3 beats, and texts around the beats' borders at every offset."""
    size = width // 8
    offsets = range(FIRST_OFFSET, FIRST_OFFSET + 2 * size, 4)
    cases = [(length, chance.choice(offsets)) for length in range(3 * size + 1)]
    cases += [(max(0, border - extra), offset) for offset in offsets[:len(offsets) // 2]
              for border in (0, size, -offset % size, size + -offset % size)
              for extra in (-1, 0, 1)]
    cases += [(length, 270) for length in (0, 1, size, 2 * size + 1)]
    chance.shuffle(cases)
    return cases
