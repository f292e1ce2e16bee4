"""The blocks that there are, and the bench of each."""

import ast
from pathlib import Path

from tests.support.paths import PROJECT

BENCHED_ELSEWHERE = {
    "engine.py": ("engine/test_traffic.py", "the engine's benches fill a room of their own"),
    "flow/frames_inside.py": ("flow/test_frame_gate.py", "it counts the frames behind the gate"),
    "host/axi_lite.py": ("host/test_registers.py", "its accesses end in the registers"),
    "host/counter_bank.py": ("rx/test_path.py", "it counts frames; all else in test_registers.py"),
    "host/counters.py": ("rx/test_path.py", "they count frames; all else in test_registers.py"),
    "sa/commands.py": ("sa/test_store.py", "commands act on the memories of the store"),
    "sa/lookup_control.py": ("sa/test_lookup.py", "it is the control of that table"),
}
"""Blocks without a bench of their own: the bench that covers each, and why."""


def relative(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def has_component(path: Path) -> bool:
    """Whether a file describes a block."""
    return any(isinstance(node, ast.ClassDef)
               and any(ast.unparse(base) == "wiring.Component" for base in node.bases)
               for node in ast.parse(path.read_text()).body)


def blocks() -> list[str]:
    """Files of ``hdl`` that describe a block."""
    hdl = PROJECT / "hdl"
    return sorted(str(path.relative_to(hdl)) for path in hdl.rglob("*.py") if has_component(path))


def bench_of(block: str) -> str:
    """The file in ``cocotb_tests`` that a block has its bench in."""
    if block in BENCHED_ELSEWHERE:
        return BENCHED_ELSEWHERE[block][0]
    room, name = block.split("/")
    return f"{room}/test_{name}"


def benches() -> list[str]:
    """The benches of blocks, each once."""
    return sorted({bench_of(block) for block in blocks()})
