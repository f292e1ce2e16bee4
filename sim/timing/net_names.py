"""Names of the design for the nets of a mapped netlist."""

import re
from collections.abc import Mapping

from espnic.sim.timing.yosys_json import Bit, Net

_INVENTED = re.compile(r"_(?:LUT4|CCU2C|PFUMX|L6MUX21|TRELLIS_FF|TRELLIS_DPR16X4)_")
"""Part of the names that Yosys makes for ECP5, from a near name and the cells between."""


def net_names(netnames: Mapping[str, Net]) -> dict[Bit, str]:
    """The shortest of the names that the design gives each net.

    Names that had to be numbered, ``i__payload$25``, are the last choice.
    """
    def rank(name: str) -> tuple[bool, int, str]:
        return "$" in name, len(name), name

    names: dict[Bit, str] = {}
    for name, net in netnames.items():
        if net["hide_name"] or _INVENTED.search(name):
            continue
        for place, bit in enumerate(net["bits"]):
            full = f"{name}[{place}]" if len(net["bits"]) > 1 else name
            if bit not in names or rank(full) < rank(names[bit]):
                names[bit] = full
    return names
