"""Names that a build may have."""

import re

from espnic.sim.problem import InputError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WORDS = """
    always and assign automatic begin bit break buf bufif0 bufif1 byte case casex casez cell
    chandle class clocking cmos config const constraint context continue cover deassign default
    defparam design disable do edge else end endcase endclass endconfig endfunction endgenerate
    endmodule endprimitive endspecify endtable endtask enum event expect export extends extern
    final for force foreach forever fork function generate genvar highz0 highz1 if iff import
    include initial inout input inside instance int integer interface join large liblist
    library local localparam logic longint macromodule medium modport module nand negedge new
    nmos nor not notif0 notif1 null or output package packed parameter pmos posedge primitive
    priority program property protected pull0 pull1 pulldown pullup pure rand ref reg release
    repeat return rnmos rpmos rtran rtranif0 rtranif1 scalared sequence shortint shortreal
    signed small solve specify specparam static string strong0 strong1 struct super supply0
    supply1 table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1
    tri tri0 tri1 triand trior trireg type typedef union unique unsigned use var vectored
    virtual void wait wand weak0 weak1 while wire with within wor xnor xor
"""
_KEYWORDS = frozenset(_WORDS.split())
"""Keywords of Verilog and SystemVerilog (IEEE 1364-2005, annex B; IEEE 1800-2017, annex B) that
have the form of a name."""


def check_name(name: str) -> None:
    """Raise ``InputError`` unless a module can have this name in every tool."""
    if not _NAME.fullmatch(name) or name in _KEYWORDS:
        raise InputError(f"--name {name}: expected a Verilog name of letters, digits and _, "
                         "first a letter, and no keyword")
