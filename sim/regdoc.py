"""Writes docs/registers.md from the register map."""

from pathlib import Path

from model.registers import rows

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "registers.md"

_HEAD = """# Registers

32-bit registers on AXI4-Lite, at byte offsets. Made from `model/registers.py` by
`python -m sim.regdoc`.

Access: R reads only, RW reads what was written last, W is written only and reads 0, RW1C is
cleared by writing 1. Every other access, and every offset not listed, answers SLVERR and changes
nothing. Bits without a field read 0. Bytes without write strobe keep their value.

To do an SA command: write its parameters, write `SA_DOORBELL`, wait for `done` in `SA_STATUS` (or
for the interrupt), read `result`. While `busy`, writes to the doorbell and the parameters answer
SLVERR. Salts and keys are cleared when the command starts: write them before each ADD. After a
good READ the SA is in the `READ_` registers, after any other command they are 0.

To read a 64-bit counter: read its low word, then its high word, which the first read has kept.

| offset | register | access | reset | bits | field | meaning |
| --- | --- | --- | --- | --- | --- | --- |
"""


def markdown() -> str:
    """The text of docs/registers.md."""
    lines = ("| " + " | ".join(row) + " |\n" for row in rows())
    return _HEAD + "".join(lines)


if __name__ == "__main__":
    DOCUMENT.write_text(markdown())
    print(DOCUMENT)
