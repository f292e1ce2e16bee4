"""The order of the test folders: who may import whom, and a bench for each block."""

import ast
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

TEST_FOLDERS = ("tests", "cocotb_tests")
TEST_FILES = sorted(
    path for folder in TEST_FOLDERS for path in (PROJECT / folder).rglob("test_*.py"))
BENCHED_ELSEWHERE = {
    "engine.py": ("engine/test_traffic.py", "the engine's benches fill a room of their own"),
    "flow/frames_inside.py": ("flow/test_frame_gate.py", "it counts the frames behind the gate"),
    "host/axi_lite.py": ("host/test_registers.py", "its accesses end in the registers"),
    "host/counter_bank.py": ("host/test_registers.py", "counters are read through registers"),
    "host/counters.py": ("host/test_registers.py", "counters are read through registers"),
    "rx/path.py": ("engine/test_traffic.py", "the engine is little more than its two paths"),
    "sa/commands.py": ("sa/test_store.py", "commands act on the memories of the store"),
    "sa/lookup_control.py": ("sa/test_lookup.py", "it is the control of that table"),
    "tx/path.py": ("engine/test_traffic.py", "the engine is little more than its two paths"),
}
"""Blocks without a bench of their own: the bench that covers each, and why."""


def relative(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def imported_modules(path: Path) -> set[str]:
    """Dotted names of the modules, or of what a file takes from them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{relative(path)}:{node.lineno} imports relatively"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def has_component(path: Path) -> bool:
    """Whether a file describes a block."""
    return any(isinstance(node, ast.ClassDef)
               and any(ast.unparse(base) == "wiring.Component" for base in node.bases)
               for node in ast.parse(path.read_text()).body)


def blocks() -> list[str]:
    """Files of ``hdl`` that describe a block."""
    hdl = PROJECT / "hdl"
    return sorted(str(path.relative_to(hdl)) for path in hdl.rglob("*.py") if has_component(path))


def test_no_test_file_is_imported():
    modules = {relative(path).removesuffix(".py").replace("/", ".") for path in TEST_FILES}
    found = {relative(path): sorted(names) for folder in TEST_FOLDERS
             for path in (PROJECT / folder).rglob("*.py")
             if (names := imported_modules(path) & modules)}
    assert not found, "what tests share belongs into tests/support"


def test_every_folder_of_python_files_is_a_package():
    folders = {path.parent for room in ("hdl", "model", "sim", *TEST_FOLDERS)
               for path in (PROJECT / room).rglob("*.py")}
    assert not [relative(folder) for folder in folders if not (folder / "__init__.py").is_file()]


@pytest.mark.parametrize("block", blocks())
def test_a_block_has_its_bench_in_the_room_of_the_same_name(block):
    room, name = block.rsplit("/", 1) if "/" in block else ("engine", block)
    bench, _ = BENCHED_ELSEWHERE.get(block, (f"{room}/test_{name}", ""))
    assert (PROJECT / "cocotb_tests" / bench).is_file()
    if block in BENCHED_ELSEWHERE:
        assert not (PROJECT / "cocotb_tests" / room / f"test_{name}").is_file()


def test_only_blocks_are_benched_elsewhere():
    assert BENCHED_ELSEWHERE.keys() <= set(blocks())
