"""Designs with players and recorders around them, for simulations at the simulator's own pace.

The rig (``sim/rig/rig.v``) takes beats from files and writes beats to files in the folder
where the simulator is at the start of a run. Python wakes for a run, not for a beat.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from espnic.model.interface.codes import SIDES, RxStatus, TxStatus
from espnic.model.interface.layouts import RX_COMPLETION, SA_COMMAND, SA_RESPONSE, TX_VERDICT
from espnic.model.interface.registers import TABLE_KEY_BITS, TABLE_KEY_DEFAULT
from espnic.sim.build.netlist import Netlist
from espnic.sim.build.verilog_text import modules, unescaped
from espnic.sim.rig.taps import tap_names

SOURCE = Path(__file__).with_name("rig.v")
DESIGN = "inner"
"""Instance name of the design in its rig."""

_IDLE = {
    "table_key": f" = {TABLE_KEY_BITS}'h{TABLE_KEY_DEFAULT:x}",
    "rx_i__payload": " = 0", "rx_i__valid": " = 0",
    "tx_i__payload": " = 0", "tx_i__valid": " = 0",
    "window_query__payload": " = 0", "window_query__valid": " = 0",
    "window_answer__ready": " = 0", "received": " = 0",
    "tx_sent__query__payload": " = 0", "tx_sent__query__valid": " = 0",
    "tx_sent__answer__ready": " = 0", "tx_sent__commit": " = 0", "tx_sent__counted": " = 0",
    "self_test": " = 0",
    **{f"{side}_cipher__{name}": " = 1" for side in SIDES for name in ("ended", "passed")},
}
"""Values of the inputs of the SA table that carry no command. All self-tests pass at once."""

_LEAVES = {
    "tx": (TX_VERDICT, f"<= {int(TxStatus.BYPASSED)}"),
    "rx": (RX_COMPLETION, f"!= {int(RxStatus.OVERSIZE)}"),
}
"""Layout of the verdict on a frame, and the condition on its status under which it leaves."""
_SELF_TEST_CLOCKS = 1100
"""Clocks of the self-test after reset at any width, and more."""


@dataclass(frozen=True)
class Rig:
    """A netlist to build, and the memories of the SA table that it reads from files or writes."""

    netlist: Netlist
    memories: tuple[str, ...]
    """File name of each, in the form of ``$readmemh``."""


def sides_of(engine: Netlist) -> tuple[str, ...]:
    """The directions that an engine has, of ``SIDES``."""
    return tuple(side for side in SIDES if f"s_axis_{side}_tdata" in engine.inputs)


def sweep_clocks(size: int) -> int:
    """Clocks after reset until an SA table of this size is swept and the ciphers are tested."""
    return size + _SELF_TEST_CLOCKS


def engine_rig(engine: Netlist) -> Rig:
    """The engine, built with taps, with players and recorders beside the ports of its streams.

    All ports of the engine but the taps stay. Further ports: ``played`` connects the streams
    to the players and recorders instead of the ports. ``start`` begins a run, when
    ``tx.play`` and ``rx.play`` are in the folder, with ``tx_frames`` and ``rx_frames`` frames;
    ``judged`` counts how many of them have a verdict; ``done`` rises when all have one and
    those that leave have left and every beat is in (the tail of a frame that is too long comes
    after its verdict), or, with ``stuck``, when nothing moves any more. ``gap`` and
    ``stall`` are probabilities in 1/256. ``load`` reads the memories of the SA table from files.
    ``tx_gaps`` and ``rx_gaps`` count the clocks in which an output had no beat within a frame.
    A direction that the engine lacks has no files; its counts are 0.
    """
    sides = sides_of(engine)
    paths = _memories(engine, "sas")
    inputs = {"played": 1, "start": 1, "load": 1, "gap": 8, "stall": 8, "seed": 32,
              "tx_frames": 32, "rx_frames": 32}
    inputs |= _through(engine.inputs)
    outputs = {"done": 1, "stuck": 1, "clock": 32, "judged": 32, "tx_gaps": 32, "rx_gaps": 32}
    outputs |= _through(engine.outputs)
    moved = " | ".join(
        f"(play_{side}_tvalid & s_axis_{side}_tready)"
        f" | (m_axis_{side}_tvalid & record_{side}_tready)" for side in sides)
    complete = " && ".join(
        f"{side}_judged == {side}_frames && {side}_count == {side}_leaving && {side}_idle"
        for side in sides)
    parts = [_tap(engine, name) for name in tap_names(sides)]
    for side in sides:
        parts += [_player(engine, side), _recorder(engine, side), _verdicts(side)]
    parts += [f"  assign {side}_gaps = 0;\n" for side in SIDES if side not in sides]
    body = "  wire flush;\n" + "".join(parts) + (
        f"  assign judged = {' + '.join(f'{side}_judged' for side in sides)};\n"
        "  espnic_watch watch (.clk(clk), .rst(rst), .start(start), .flush(flush), .done(done),\n"
        f"    .stuck(stuck), .clock(clock), .moved({moved}),\n"
        f"    .complete({complete}));\n"
    ) + _instance(engine, _played_streams(engine)) + _move("load", "$readmemh", paths)
    return Rig(_netlist(engine, inputs, outputs, body), tuple(paths))


def table_rig(table: Netlist) -> Rig:
    """The SA table, with a player of commands from ``commands.play``.

    Further ports: ``start``; ``commands``, the number of commands; ``done`` rises when all
    have been answered, and the memories of the table are in their files two clocks later.
    ``refused`` counts the answers other than OK.
    """
    paths = _memories(table, "")
    bits = SA_COMMAND.bits
    inputs = {"start": 1, "commands": 32}
    outputs = {"done": 1, "clock": 32, "answers": 32, "refused": 32}
    wires = "".join(
        f"  wire [{table.ports[name] - 1}:0] {name}{_IDLE.get(name, '')};\n"
        for name in table.ports if name not in ("clk", "rst"))
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
    text = design.text + SOURCE.read_text(encoding="utf-8") + top
    return Netlist(name, text, dict(sorted(ports.items())), dict(sorted(outputs.items())),
                   design.sources)


def _through(ports: Mapping[str, int]) -> dict[str, int]:
    """The ports of the engine that the rig has too, with their bits."""
    return {name: bits for name, bits in ports.items()
            if name not in ("clk", "rst") and not name.startswith("tap_")}


def _player(engine: Netlist, side: str) -> str:
    """A player, and the wires ``play_<side>_<signal>`` and ``<side>_idle`` that it drives."""
    port = f"s_axis_{side}"
    seed = "seed" if side == "tx" else "~seed"
    pins = {name: f"play_{side}_{name}" for name in _signals(engine, port)}
    wires = "".join(f"  wire [{engine.ports[f'{port}_{name}'] - 1}:0] {wire};\n"
                    for name, wire in pins.items())
    pins |= {"tready": f"{port}_tready", "idle": f"{side}_idle"}
    return wires + (
        f"  wire {side}_idle;\n"
        f"  espnic_player #({_sizes(engine, port)}, .FILE(\"{side}.play\"),\n"
        f"    .LOG(\"{side}.log\")) {side}_player (.clk(clk), .rst(rst), .start(start),\n"
        f"    .flush(flush), .clock(clock), .gap(gap), .seed({seed}),\n"
        f"    {_connections(pins)});\n"
    )


def _recorder(engine: Netlist, side: str) -> str:
    """A recorder, the wire ``record_<side>_tready`` that it drives, and its count of frames."""
    port = f"m_axis_{side}"
    seed = "~seed" if side == "tx" else "seed"
    pins = {name: f"{port}_{name}" for name in _signals(engine, port)}
    pins["tready"] = f"record_{side}_tready"
    return (
        f"  wire {pins['tready']};\n"
        f"  wire [31:0] {side}_count;\n"
        f"  espnic_recorder #({_sizes(engine, port)}, .FILE(\"{side}.record\"))\n"
        f"    {side}_recorder (.clk(clk), .rst(rst), .start(start), .flush(flush),\n"
        f"    .clock(clock), .stall(stall), .seed({seed}), .frames({side}_count),\n"
        f"    .gaps({side}_gaps),\n"
        f"    {_connections(pins)});\n"
    )


def _verdicts(side: str) -> str:
    """The counts ``<side>_judged`` and ``<side>_leaving``."""
    layout, leaves = _LEAVES[side]

    def part(name: str) -> str:
        place = [field.name for field in layout.fields].index(name)
        low = sum(field.bits for field in layout.fields[:place])
        return f"tap_{side}_verdict_payload[{low + layout.fields[place].bits - 1}:{low}]"

    last = part("last") if side == "tx" else "1'b1"
    return (
        f"  wire [31:0] {side}_judged, {side}_leaving;\n"
        f"  espnic_verdicts {side}_verdicts (.clk(clk), .rst(rst), .start(start),\n"
        f"    .valid(tap_{side}_verdict_valid), .last({last}),\n"
        f"    .leaves({part('status')} {leaves}),\n"
        f"    .judged({side}_judged), .leaving({side}_leaving));\n"
    )


def _tap(engine: Netlist, name: str) -> str:
    bits = engine.ports[f"tap_{name}_payload"]
    return (
        f"  wire tap_{name}_valid;\n  wire [{bits - 1}:0] tap_{name}_payload;\n"
        f"  espnic_tap #(.WIDTH({bits}), .FILE(\"{name}.tap\")) {name}_tap (.clk(clk),\n"
        f"    .rst(rst), .start(start), .flush(flush), .valid(tap_{name}_valid),\n"
        f"    .payload(tap_{name}_payload));\n"
    )


def _played_streams(engine: Netlist) -> dict[str, str]:
    """Expression that drives each stream input of the engine."""
    drivers = {}
    for side in sides_of(engine):
        for name in _signals(engine, f"s_axis_{side}"):
            port = f"s_axis_{side}_{name}"
            drivers[port] = f"played ? play_{side}_{name} : {port}"
        port = f"m_axis_{side}_tready"
        drivers[port] = f"played ? record_{side}_tready : {port}"
    return drivers


def _signals(engine: Netlist, port: str) -> list[str]:
    """Signals of a stream that run in its direction: all that it has but ``tready``."""
    return [name for name in ("tdata", "tkeep", "tlast", "tvalid", "tuser")
            if f"{port}_{name}" in engine.ports]


def _sizes(engine: Netlist, port: str) -> str:
    user = engine.ports[f"{port}_tuser"] if "tuser" in _signals(engine, port) else 1
    return f".WIDTH({engine.ports[f'{port}_tdata']}), .USER({user})"


def _connections(pins: dict[str, str]) -> str:
    return ", ".join(f".{pin}({wire})" for pin, wire in pins.items())


def _instance(design: Netlist, drivers: dict[str, str] | None = None) -> str:
    """Instance of the design; a port that ``drivers`` lacks is wired to its own name."""
    pins = {name: name for name in design.ports} | (drivers or {})
    ports = ",\n    ".join(f".{name}({wire})" for name, wire in pins.items())
    return f"  {design.top} {DESIGN} (\n    {ports});\n"


def _move(signal: str, task: str, paths: dict[str, str]) -> str:
    calls = "".join(f"      {task}(\"{file}\", {path});\n" for file, path in paths.items())
    return f"  always @(posedge clk)\n    if ({signal}) begin\n{calls}    end\n"


def _memories(netlist: Netlist, instance: str) -> dict[str, str]:
    """Hierarchical path of each memory of the SA table, by a file name that both rigs share.

    The table's own memories lie in its ``lookup``, ``rx``, ``tx``, ``windows``, ``sent`` and two
    ``usage``, or as ``ram`` in a part of these that checks the parity; those of the table key
    circuit are constants.
    """
    known = {module.name: module for module in modules(netlist.text)}

    def children(module: str) -> dict[str, str]:
        return {child.name: child.module for child in known[module].instances}

    table = children(netlist.top)[instance] if instance else netlist.top
    prefix = f"{DESIGN}.{instance}." if instance else f"{DESIGN}."
    paths = {}
    for part in ("lookup", "rx", "tx", "windows", "sent", "rx_usage", "tx_usage"):
        if part not in children(table):
            continue
        module = children(table)[part]
        for memory in known[module].memories:
            name = unescaped(memory.written_name).split("$")[0]
            paths[f"{part}.{name}.hex"] = f"{prefix}{part}.{memory.written_name} "
        for name, checked in children(module).items():
            if [memory.written_name for memory in known[checked].memories] == ["ram"]:
                paths[f"{part}.{name}.hex"] = f"{prefix}{part}.{name}.ram "
    return paths
