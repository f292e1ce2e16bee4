"""The model of the fabric, and the delays that are published for UltraScale+, in ps.

The delays are those of RapidWright's light timing model (github.com/Xilinx/RapidWright, folder
``timing/ultrascaleplus``: ``intrasite_delay_terms.txt``, version 0.5, and
``intersite_delay_terms.txt``, version 0.4), which AMD fitted to Vivado on Virtex UltraScale+ and
described in Maidee, Neely, Kaviani and Lavin, An Open-Source Lightweight Timing Model for
RapidWright, FPT 2019. The files name no speed grade. What they do not have is marked as assumed.
"""

import heapq
from collections.abc import Sequence

LUTS_A_TILE, FFS_A_TILE = 16, 32
"""Room at an interconnect tile, which serves two CLBs of 8 LUTs and 16 registers."""
RAM_PERIOD, RAM_ROWS = 8, 5
"""A column of block RAM stands in place of every 16th column of CLBs, as about on an XCVU3P (12
among 100 columns of interconnect); a RAMB36 is as high as 5 CLBs."""
UTILISATION = 0.6
"""Share of the LUTs and registers that is used where the block lies."""

# Pins of LUTs, from A1 to A6: to the pin of the site, and through the LUT.
_SITE_PINS = (74, 53, 48, 44, 44, 43)
_THROUGH = (150, 125, 100, 90, 50, 35)
LUT_PINS = tuple(pin + lut for pin, lut in zip(_SITE_PINS, _THROUGH, strict=True))
"""From the site's pin to the output, for the pins A1 to A6."""
LUT_FASTEST = min(LUT_PINS)

X_PIN = 65
"""To the pin of a site beside a LUT: AX to HX, A_I to H_I."""
CONTROL_PIN = 5
"""To the pin for clock enable or reset."""

FF_OUT, FF_SETUP = 77, 25
FF_CONTROL_SETUP = 65
"""Assumed, as the files have no set-up time for clock enable and reset."""
FF_FROM_PIN = 100
FF_FROM = {"LUT": 50, "MUX": 32, "O": 25, "CO": 0}
"""Within the site, from what drives it."""

MUX_IN, MUX_SELECT = 70, 77
"""Through MUXF7. Those of MUXF8 and MUXF9 are assumed to be the same."""
MUX_FROM_LUT = {"I0": 25, "I1": 21}
"""From a LUT, or assumed the same from a MUXF7, to the next multiplexer of the site."""
MUX_LEAVES = 32

LUT_TO_CARRY = 15
CARRY_LEAVES = 30
CARRY_TO_CARRY = 20 + 26
"""From the last carry of a CARRY8 to the one above."""

CARRY_S = {
    # Through a CARRY8 from S to the sums, and to the carries, of its own bit and all above.
    "O": ((65, 96, 134, 139, 206, 240, 226, 241), (56, 117, 123, 204, 237, 224, 238),
          (58, 86, 167, 200, 188, 202), (61, 149, 184, 172, 187), (63, 95, 129, 137),
          (58, 131, 138), (56, 85), (56,)),
    "CO": ((71, 109, 115, 186, 216, 201, 217, 199), (91, 98, 184, 213, 199, 214, 197),
           (63, 148, 176, 162, 177, 168), (133, 159, 146, 162, 170), (70, 103, 113, 163),
           (105, 113, 166), (61, 124), (124,)),
}
CARRY_DI = {
    # DI reaches the carry of its own bit, and the sums above.
    "O": ((None, 81, 109, 115, 178, 208, 196, 211), (None, 99, 102, 162, 196, 183, 198),
          (None, 94, 150, 186, 174, 188), (None, 147, 182, 170, 185), (None, 84, 115, 123),
          (None, 102, 107), (None, 93), (None,)),
    "CO": ((57, 83, 90, 182, 184, 170, 186, 140), (73, 78, 144, 172, 158, 173, 127),
           (69, 134, 160, 148, 163, 117), (131, 157, 144, 160, 113), (59, 87, 98, 100),
           (74, 82, 95), (69, 67), (60,)),
}
CARRY_CI = {"O": (56, 76, 67, 82, 86, 116, 103, 116), "CO": (52, 42, 57, 60, 92, 77, 92, 23)}
CARRY_CYINIT = {
    "O": (110, 132, 131, 135, 193, 228, 216, 231), "CO": (107, 105, 110, 177, 203, 191, 206, 160)}

LUT_RAM_OUT = 312
LUT_RAM_SETUP = {"write enable": 180, "address": 117 + 74, "data": 81, "shifted": 69}
"""The address with its site's pin."""

RAM_OUT = {
    # Without output register, by bit; then the parity bits.
    "A": (1003, 979, 937, 957, 919, 934, 920, 923, 888, 901, 885, 899, 895, 899, 891, 893, 873, 876,
          886, 878, 881, 882, 879, 877, 883, 889, 875, 882, 866, 880, 863, 876),
    "B": (992, 966, 927, 944, 902, 916, 901, 907, 877, 885, 876, 884, 877, 880, 870, 878, 857, 850,
          859, 862, 870, 869, 866, 868, 868, 879, 858, 875, 852, 863, 846, 857),
    "PA": (926, 902, 862, 865), "PB": (916, 892, 854, 856),
}
RAM_REGISTER_OUT = {"A": 220, "B": 229}
"""With output register: the slowest bit, up to 12 ps above the fastest."""
RAM_ADDRESS_SETUP = {
    "A": (358, 333, 330, 338, 337, 352, 285, 267, 283, 277, 276, 294, 279, 274, 287),
    "B": (383, 347, 341, 334, 343, 362, 287, 285, 306, 305, 309, 303, 284, 290, 329),
}
RAM_SETUP = {
    # Data: the slowest bit. RSTRAM has 0, which the file calls wrong: assumed as RSTREG.
    "DINA": 313, "DINPA": 228, "DINB": 298, "DINPB": 245, "WE": 394, "EN": 342, "REGCE": 233,
    "RSTREG": 313, "RSTRAM": 313, "ADDREN": 445,
}

LEAVE = 43
"""From the output of a site into the interconnect, or from a long line out of it."""
RAM_CROSSING = 2.3 * 16
"""Across a column of block RAM, on single and double lines."""
_ACROSS = ((1, 43 + 3.5 * 1), (1, 43 + 3.5 * 5), (2, 43 + 3.5 * 10), (6, 43 + 3.5 * 14 + LEAVE))
"""Single, double, quad and long lines across: columns of interconnect, and delay."""
_ALONG = ((1, 43 + 3.6 * 1), (2, 43 + 3.6 * 3), (4, 43 + 3.6 * 5), (12, 43 + 3.6 * 12 + LEAVE))
"""The same along a column, by rows."""
SPAN = 600
"""Largest distance that is known."""


def across(columns: int) -> float:
    """Delay of the fastest lines across so many columns of interconnect."""
    return _BY_COLUMNS[columns]


def along(rows: int) -> float:
    """Delay of the fastest lines along so many rows."""
    return _BY_ROWS[rows]


def _fastest(lines: Sequence[tuple[int, float]]) -> list[float]:
    """The delay by distance, where lines may be joined, also beyond the goal and back."""
    longest = max(length for length, _ in lines)
    delays = [float("inf")] * (SPAN + longest)
    delays[0] = 0.0
    waiting = [(0.0, 0)]
    while waiting:
        delay, distance = heapq.heappop(waiting)
        if delay > delays[distance]:
            continue
        for length, more in lines:
            for reached in (distance + length, abs(distance - length)):
                if reached < len(delays) and delay + more < delays[reached]:
                    delays[reached] = delay + more
                    heapq.heappush(waiting, (delay + more, reached))
    return delays[:SPAN]


_BY_COLUMNS, _BY_ROWS = _fastest(_ACROSS), _fastest(_ALONG)
