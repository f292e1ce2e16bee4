"""Modules, instances and memories of Verilog in the layout that Yosys writes."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_MODULE = re.compile(r"^module (\S+) *\((.*?)\);\n(.*?)^endmodule\n", re.DOTALL | re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+|[A-Za-z_]\w*)( +(\\\S+|\w+) +\($)", re.MULTILINE)
_RESET = re.compile(
    r"^    if \(rst\) begin\n      (\S+) += (\S+);\n    end\n  end\n", re.MULTILINE)
"""The reset at the end of a process that chooses what a register takes."""
_REGISTER = re.compile(r"^  always @\(posedge clk\)\n    (\S+ +)<= (\S+) ?;\n", re.MULTILINE)
_MEMORY = re.compile(r"^  reg (?:\[(\d+):0\] )?(\S+) +\[(\d+):0\];$", re.MULTILINE)


@dataclass(frozen=True)
class Instance:
    """An instance in a module; names as ``unescaped`` gives them."""

    module: str
    name: str


@dataclass(frozen=True)
class Memory:
    """A memory of a module."""

    written_name: str
    """Name as it stands in the text; a space must end one that begins with a backslash."""
    bits: int
    """Bits of a row."""
    rows: int


@dataclass(frozen=True)
class Module:
    """A module of a text."""

    written_name: str
    """Name as it stands in the text."""
    ports: tuple[str, ...]
    """Names of the ports as they stand in the text, in its order."""
    body: str
    """Lines between the head, which lists the ports, and ``endmodule``."""
    text: str
    """The whole module."""

    @property
    def name(self) -> str:
        return unescaped(self.written_name)

    @property
    def instances(self) -> list[Instance]:
        """Instances in the module, in the order of the text."""
        return [Instance(unescaped(match[1]), unescaped(match[3]))
                for match in _INSTANCE.finditer(self.body)]

    @property
    def memories(self) -> list[Memory]:
        return [Memory(name, int(high or 0) + 1, int(last) + 1)
                for high, name, last in _MEMORY.findall(self.body)]


def modules(text: str) -> Iterator[Module]:
    """The modules of a text, in its order."""
    return map(_module, _MODULE.finditer(text))


def change_modules(text: str, changed: Callable[[Module], str]) -> str:
    """The text with each module replaced by what ``changed`` gives for it."""
    return _MODULE.sub(lambda match: changed(_module(match)), text)


def rename_instantiated(text: str, renamed: Callable[[str], str]) -> str:
    """The text with other modules instantiated; ``renamed`` takes and gives names as written."""
    return _INSTANCE.sub(lambda match: f"  {renamed(match[1])}{match[2]}", text)


def with_resets_in_registers(text: str) -> str:
    """The text with the reset of each register beside its clock, not in what it takes.

    It is how people write it, and all that a register takes depends on no input any more: a
    simulator works it out once a clock, not again for each input that changes. A text with
    sources, whose resets are cases, stays as it is.
    """
    return change_modules(text, _with_resets_in_registers)


def _with_resets_in_registers(module: Module) -> str:
    taken = {match[2] for match in _REGISTER.finditer(module.text)}
    resets = {match[1]: match[2] for match in _RESET.finditer(module.text) if match[1] in taken}

    def register(match: re.Match[str]) -> str:
        written, next_value = match[1], match[2]
        if next_value not in resets:
            return match[0]
        return (f"  always @(posedge clk)\n    if (rst) {written}<= {resets[next_value]};\n"
                f"    else {written}<= {next_value} ;\n")

    without = _RESET.sub(
        lambda match: "  end\n" if match[1] in resets else match[0], module.text)
    return _REGISTER.sub(register, without)


def unescaped(written_name: str) -> str:
    """A name without the backslash that begins one with special characters."""
    return written_name.removeprefix("\\")


def _module(match: re.Match[str]) -> Module:
    ports = tuple(port.strip() for port in match[2].split(","))
    return Module(match[1], ports, match[3], match[0])
