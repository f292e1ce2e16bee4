"""Documents made of the register map: Markdown, SystemRDL and C header."""

from collections.abc import Iterator

from espnic.model.interface.registers import ROOM, rows
from espnic.model.interface.statistics import HARDWARE
from espnic.sim.files import PROJECT
from espnic.sim.registers.c_header import ENUMS, NAME, cheader
from espnic.sim.registers.systemrdl import systemrdl

DOCUMENT = PROJECT / "docs" / "registers.md"
DESCRIPTION = PROJECT / "registers" / "espnic.rdl"
HEADER = PROJECT / "registers" / NAME

_HEAD = """# Registers

32-bit registers on AXI4-Lite, at byte offsets. Made from `model/interface/registers.py` by
`make docs`, as are `registers/espnic.rdl` (SystemRDL 2.0) and the C header
`registers/espnic_regs.h`; the RTL decodes the same table, and `model/device/register_file.py` is
its golden model. For HTML: `pip install peakrdl`, `peakrdl html registers/espnic.rdl -o out/html`.

Access: R reads only, RW reads what was written last, W is written only and reads 0, RW1C is
cleared by writing 1. Every other access, and every offset not listed, answers SLVERR and changes
nothing. Bits without a field read 0. Bytes without write strobe keep their value.

**SA commands.** Write the parameters, write `SA_DOORBELL`, wait for `done` in `SA_STATUS` (or
for the interrupt), read `result`. While `busy`, writes to the doorbell and the parameters answer
SLVERR. Salts and keys are cleared when the command starts, whatever command it is: write them
before each ADD. An ADD is EINVAL unless all words of its key and its salt, and for transmit of its
IV salt, were written whole since the last command. A command with a reserved bit is EINVAL too.
After a good READ the `READ_` registers hold the SA, after any other command they are 0.

**Counters.** To read one of 64 bits: read its low word, then its high word, which the first read
has kept.

**Events.** While `event_valid` in `EVENT`, read `EVENT_SEQUENCE_0` and
`EVENT_SEQUENCE_1`, then write 1 to `EVENT_POP`. A read removes nothing from the queue.
`event_present` is 1 while the queue holds an event. An event that comes to a full queue is dropped,
sets `events_lost` and counts in `EVENTS_LOST`: then read the SAs, which know what it told.

**Bursts.** An AUTH_FAILED verdict opens a window of `BURST_CLOCKS` clocks. When the window has
`BURST_THRESHOLD` of them (and that is not 0), there is one AUTH_BURST event; the next failure after
the window opens another.

**Stop.** Write 1 to `quiesce`: frames that have begun are taken to their end, then
`rx_stopped` and `tx_stopped` are 1 and no other frame is taken (tready is 0). When `rx_idle` and
`tx_idle` are 1 too, all frames have left. To go on, write 0. Commands work meanwhile.

**Self-test.** Write 1 to `self_test`, together with the value that `quiesce` is to have: the
ciphers are tested when the command that runs has ended. `self_test` reads 1 until that has ended,
and `self_testing` is 1; it is 1 after a reset too. Then `rx_failed` and `tx_failed` tell the
outcome. SA commands wait meanwhile.

| offset | register | access | reset | bits | field | meaning |
| --- | --- | --- | --- | --- | --- | --- |
"""

_ROOM = """
## Room

Offsets that are kept for what is to come. They answer SLVERR; a later version of the map adds
registers here and moves none.

| from | to | for |
| --- | --- | --- |
"""

_STATISTICS = """
## Statistics

Statistics that `ethtool -S` prints for the device (`model/interface/statistics.py`), computed from
the counters.

| name | sum of counters | meaning |
| --- | --- | --- |
"""

_VALUES = """
## Values

| enumeration | values |
| --- | --- |
"""


def markdown() -> str:
    """Text of docs/registers.md."""
    return (_HEAD + "".join(map(_row, rows()))
            + _ROOM + "".join(
                _row((f"{low:#05x}", f"{high - 1:#05x}", what)) for low, high, what in ROOM)
            + _STATISTICS + "".join(map(_row, _statistics()))
            + _VALUES + "".join(map(_row, _values())))


def _statistics() -> Iterator[tuple[str, ...]]:
    for one in HARDWARE:
        formula = " + ".join(one.plus) + "".join(f" - {name}" for name in one.minus)
        yield one.name, formula or "0", one.doc


def _values() -> Iterator[tuple[str, ...]]:
    for enum in ENUMS:
        yield enum.__name__, ", ".join(
            f"{int(value)} {name}" for name, value in enum.__members__.items())


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |\n"


FILES = {DOCUMENT: markdown, DESCRIPTION: systemrdl, HEADER: cheader}
"""Each file made of the map, with the function that makes its text."""
