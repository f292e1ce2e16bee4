"""Designs with a player and a recorder around them, for simulations at the simulator's own pace.

The rig (``sim/rig.v``) takes beats from files and writes beats to files in the folder
where the simulator is at the start of a run. Python wakes for a run, not for a beat.
"""

import re
from dataclasses import dataclass

from hdl.lookup_control import HASH_KEY_BITS, HASH_KEY_DEFAULT
from model.layouts import RX_COMPLETION, SA_COMMAND, SA_RESPONSE, TX_DESCRIPTOR
from sim.build import PROJECT
from sim.netlist import Netlist

SOURCE = PROJECT / "sim" / "rig.v"
DESIGN = "inner"
"""Instance name of what the rig is around."""

_IDLE = {
    "hash_key": f" = {HASH_KEY_BITS}'h{HASH_KEY_DEFAULT:x}",
    "rx_i__payload": " = 0", "rx_i__valid": " = 0",
    "tx_i__payload": " = 0", "tx_i__valid": " = 0",
}
"""What drives those inputs of the SA table that no command comes through."""

_MODULE = re.compile(r"^module (\\?\S+) *\(.*?\);\n(.*?)^endmodule\n", re.DOTALL | re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+|[A-Za-z_]\w*) +(\\\S+|\w+) +\($", re.MULTILINE)
_MEMORY = re.compile(r"^  reg \[\d+:0\] (\S+) +\[\d+:0\];$", re.MULTILINE)
_PORT = r"^  (?:input|output) (?:\[(\d+):0\] )?{};$"


@dataclass(frozen=True)
class Rig:
    """A netlist to build, and the memories of the SA table that ``load`` or ``done`` moves."""

    netlist: Netlist
    memories: tuple[str, ...]
    """File name of each, in the form of ``$readmemh``."""


def engine_rig(engine: Netlist, width: int) -> Rig:
    """The engine with its four streams played and recorded; registers stay ports.

    Ports besides: ``start`` begins a run, when ``tx.play`` and ``rx.play`` are in the
    folder; ``tx_frames`` and ``rx_frames`` say how many frames are to come out; ``done`` rises
    when they have, or when nothing moves any more. ``gap`` and ``stall``: probabilities in
    1/256. ``load`` reads the memories of the SA table from files.
    """
    paths = _memories(engine, "sas")
    users = {"tx": (TX_DESCRIPTOR.bits, 0), "rx": (0, RX_COMPLETION.bits)}
    streams = "".join(
        _player(side, width, users[side][0]) + _recorder(side, width, users[side][1])
        for side in ("tx", "rx"))
    through = [name for name in (*engine.inputs, *engine.outputs)
               if name.startswith("s_axil_") or name == "irq"]
    inputs = {"start": 1, "load": 1, "gap": 8, "stall": 8, "seed": 32,
              "tx_frames": 32, "rx_frames": 32}
    inputs |= {name: _bits(engine, name) for name in through if name in engine.inputs}
    outputs = {"done": 1, "clock": 32}
    outputs |= {name: _bits(engine, name) for name in through if name in engine.outputs}
    axis = [name for name in (*engine.inputs, *engine.outputs) if "_axis_" in name]
    wires = "".join(f"  wire [{_bits(engine, name) - 1}:0] {name};\n" for name in axis)
    moved = " | ".join(f"({port}_tvalid & {port}_tready)" for port in (
        "s_axis_tx", "m_axis_tx", "s_axis_rx", "m_axis_rx"))
    body = wires + "  wire flush;\n" + streams + (
        "  espnic_watch watch (.clk(clk), .rst(rst), .start(start), .flush(flush), .done(done),\n"
        f"    .clock(clock), .moved({moved}),\n"
        "    .complete(tx_count == tx_frames && rx_count == rx_frames));\n"
    ) + _instance(engine) + _move("load", "$readmemh", paths)
    return Rig(_netlist(engine, inputs, outputs, body), tuple(paths))


def table_rig(table: Netlist) -> Rig:
    """The SA table, with a player of commands from ``commands.play``.

    Ports besides: ``start``; ``commands`` says how many there are; ``done`` rises when
    all have been answered, and the memories of the table are in their files two clocks later.
    ``refused`` counts the answers other than OK.
    """
    paths = _memories(table, "")
    bits = SA_COMMAND.bits
    inputs = {"start": 1, "commands": 32}
    outputs = {"done": 1, "clock": 32, "answers": 32, "refused": 32}
    wires = "".join(
        f"  wire [{_bits(table, name) - 1}:0] {name}{_IDLE.get(name, '')};\n"
        for name in (*table.inputs, *table.outputs) if name not in ("clk", "rst"))
    body = wires + (
        "  wire flush;\n"
        f"  espnic_player #(.WIDTH({8 * -(-bits // 8)}), .FILE(\"commands.play\"),\n"
        "    .LOG(\"commands.log\")) player (.clk(clk), .rst(rst), .start(start),\n"
        "    .flush(flush), .clock(clock), .gap(8'd0), .seed(32'd0), .tdata(command__payload),\n"
        "    .tvalid(command__valid), .tready(command__ready));\n"
        "  espnic_answers answer_counter (.clk(clk), .rst(rst), .start(start),\n"
        "    .valid(response__valid), .ready(response__ready), .answers(answers),\n"
        f"    .result(response__payload[{SA_RESPONSE.fields[0].bits - 1}:0]), .refused(refused));\n"
        "  espnic_watch watch (.clk(clk), .rst(rst), .start(start), .flush(flush), .done(done),\n"
        "    .clock(clock), .moved(response__valid), .complete(answers == commands));\n"
    ) + _instance(table) + _move("flush", "$writememh", paths)
    return Rig(_netlist(table, inputs, outputs, body), tuple(paths))


def _netlist(
    design: Netlist, inputs: dict[str, int], outputs: dict[str, int], body: str,
) -> Netlist:
    ports = {"clk": 1, "rst": 1} | inputs
    lines = [f"  input [{bits - 1}:0] {name}" if bits > 1 else f"  input {name}"
             for name, bits in ports.items()]
    lines += [f"  output [{bits - 1}:0] {name}" if bits > 1 else f"  output {name}"
              for name, bits in outputs.items()]
    name = f"{design.top}_rig"
    top = f"module {name} (\n" + ",\n".join(lines) + "\n);\n" + body + "endmodule\n"
    text = design.text + SOURCE.read_text() + top
    return Netlist(name, text, tuple(sorted(ports)), tuple(sorted(outputs)))


def _player(side: str, width: int, user: int) -> str:
    port = f"s_axis_{side}"
    seed = "seed" if side == "tx" else "~seed"
    return (
        f"  espnic_player #(.WIDTH({width}), .USER({max(user, 1)}), .FILE(\"{side}.play\"),\n"
        f"    .LOG(\"{side}.log\")) {side}_player (.clk(clk), .rst(rst), .start(start),\n"
        f"    .flush(flush), .clock(clock), .gap(gap), .seed({seed}),\n"
        f"    {_connections(port, user)});\n"
    )


def _recorder(side: str, width: int, user: int) -> str:
    port = f"m_axis_{side}"
    seed = "~seed" if side == "tx" else "seed"
    return (
        f"  wire [31:0] {side}_count;\n"
        f"  espnic_recorder #(.WIDTH({width}), .USER({max(user, 1)}), .FILE(\"{side}.record\"))\n"
        f"    {side}_recorder (.clk(clk), .rst(rst), .start(start), .flush(flush),\n"
        f"    .clock(clock), .stall(stall), .seed({seed}), .frames({side}_count),\n"
        f"    {_connections(port, user)});\n"
    )


def _connections(port: str, user: int) -> str:
    names = ["tdata", "tkeep", "tlast", "tvalid", "tready"] + (["tuser"] if user else [])
    return ", ".join(f".{name}({port}_{name})" for name in names)


def _instance(design: Netlist) -> str:
    ports = ",\n    ".join(f".{name}({name})" for name in (*design.inputs, *design.outputs))
    return f"  {design.top} {DESIGN} (\n    {ports});\n"


def _move(signal: str, task: str, paths: dict[str, str]) -> str:
    calls = "".join(f"      {task}(\"{file}\", {path});\n" for file, path in paths.items())
    return f"  always @(posedge clk)\n    if ({signal}) begin\n{calls}    end\n"


def _bits(netlist: Netlist, port: str) -> int:
    match = re.search(_PORT.format(re.escape(port)), netlist.text, re.MULTILINE)
    assert match is not None, f"port {port} is in the list but not in the text"
    return int(match[1] or 0) + 1


def _memories(netlist: Netlist, instance: str) -> dict[str, str]:
    """Hierarchical path of each memory of the SA table, by a file name that goes for both rigs.

    The table's own memories lie in its ``lookup``, ``rx`` and ``tx``; those of the hash key
    circuit are constants.
    """
    bodies = {match[1].removeprefix("\\"): match[2] for match in _MODULE.finditer(netlist.text)}

    def children(module: str) -> dict[str, str]:
        return {name: kind.removeprefix("\\") for kind, name in
                _INSTANCE.findall(bodies[module])}

    table = children(netlist.top)[instance] if instance else netlist.top
    prefix = f"{DESIGN}.{instance}." if instance else f"{DESIGN}."
    paths = {}
    for part in ("lookup", "rx", "tx"):
        for memory in _MEMORY.findall(bodies[children(table)[part]]):
            name = memory.removeprefix("\\").split("$")[0]
            paths[f"{part}.{name}.hex"] = f"{prefix}{part}.{memory} "
    return paths
