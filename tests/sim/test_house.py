"""The order of the test folders: who may import whom, and a bench for each block."""

import ast
from pathlib import Path

import pytest

from espnic.sim.mutate.source import mutated
from tests.support.benched import BENCHED_ELSEWHERE, bench_of, benches, blocks, relative
from tests.support.mutants import MUTANTS
from tests.support.paths import PROJECT

TEST_FOLDERS = ("tests", "cocotb_tests")
TEST_FILES = sorted(
    path for folder in TEST_FOLDERS for path in (PROJECT / folder).rglob("test_*.py"))


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


def test_no_test_file_is_imported():
    modules = {relative(path).removesuffix(".py").replace("/", ".") for path in TEST_FILES}
    found = {relative(path): sorted(names) for folder in TEST_FOLDERS
             for path in (PROJECT / folder).rglob("*.py")
             if (names := imported_modules(path) & modules)}
    assert not found, "what tests share belongs into tests/support"


def test_every_folder_of_python_files_is_a_package():
    folders = {path.parent for room in ("hdl", "model", "proofs", "sim", *TEST_FOLDERS)
               for path in (PROJECT / room).rglob("*.py")}
    assert not [relative(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def test_every_block_has_its_bench_in_the_room_of_the_same_name():
    wanted = {block: bench_of(block) for block in blocks()}
    assert not {block: bench for block, bench in wanted.items()
                if not (PROJECT / "cocotb_tests" / bench).is_file()}


def test_only_blocks_are_benched_elsewhere():
    assert BENCHED_ELSEWHERE.keys() <= set(blocks())


def quick_tests(bench: str) -> int:
    """Number of the quick tests of a file in ``cocotb_tests``."""
    tree = ast.parse((PROJECT / "cocotb_tests" / bench).read_text())
    return [ast.unparse(mark) for node in tree.body if isinstance(node, ast.FunctionDef)
            for mark in node.decorator_list].count("pytest.mark.quick")


def test_every_bench_of_a_block_has_one_quick_test():
    counts = {bench: quick_tests(bench) for bench in benches()}
    assert not {bench: count for bench, count in counts.items() if count != 1}


@pytest.mark.parametrize("block", blocks())
def test_a_block_has_a_mutant_that_is_a_change_of_its_source(block):
    name = block.removesuffix(".py")
    assert mutated(name, MUTANTS[name]) != (PROJECT / "hdl" / block).read_text()
    compile(mutated(name, MUTANTS[name]), block, "exec")


def test_only_blocks_have_mutants():
    assert {f"{name}.py" for name in MUTANTS} == set(blocks())


@pytest.mark.parametrize("block", blocks())
def test_each_signal_of_a_block_is_made_where_amaranth_finds_its_name(block):
    """Waves, timing reports and tests find a register by its name, which ``a, b = ...`` hides."""
    unnamed = [
        ast.unparse(node) for node in ast.walk(ast.parse((PROJECT / "hdl" / block).read_text()))
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Tuple) for target in node.targets)
        and "Signal(" in ast.unparse(node.value) and "name=" not in ast.unparse(node.value)]
    assert not unnamed


def test_every_text_file_is_read_and_written_as_utf_8():
    """Else a locale without UTF-8 breaks the command."""
    without = []
    for path in (*(PROJECT / "model").rglob("*.py"), *(PROJECT / "sim").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and opens_text(call) and "encoding" not in {
                    keyword.arg for keyword in call.keywords}:
                without.append(f"{path.relative_to(PROJECT)}:{call.lineno}")
    # The published vectors are read by tests alone.
    assert [place for place in without if "capture/vectors.py" not in place] == []


def opens_text(call: ast.Call) -> bool:
    """Whether a call reads or writes a text file."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else (
        call.func.id if isinstance(call.func, ast.Name) else "")
    modes = [mode.value for mode in call.args if isinstance(mode, ast.Constant)]
    return name in ("read_text", "write_text") or (
        name in ("open", "fdopen") and not {"r", "w", "a", "x", "rt", "wt"}.isdisjoint(modes))
