"""Files made of the register map, read back by other tools."""

import re
import subprocess
from pathlib import Path

import pytest
from peakrdl_cheader.exporter import CHeaderExporter
from systemrdl import RDLCompiler
from systemrdl.node import AddrmapNode, RegNode
from systemrdl.rdltypes import AccessType, OnWriteType

from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.model.interface.registers import (
    ADDRESS_BITS,
    CAPABILITIES,
    MAGIC,
    REGISTERS,
    VERSION,
    Access,
)
from espnic.sim.registers.c_header import ENUMS
from espnic.sim.registers.documents import DESCRIPTION, FILES, HEADER
from espnic.sim.registers.systemrdl import FIELD_ENUMS

SOFTWARE = {
    Access.READ: (AccessType.r, None),
    Access.READ_WRITE: (AccessType.rw, None),
    Access.WRITE: (AccessType.w, None),
    Access.CLEAR: (AccessType.rw, OnWriteType.woclr),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_are_those_of_the_map(path):
    assert path.read_text() == FILES[path](), f"{path.name} is stale: run make docs"


@pytest.fixture(scope="module")
def top() -> AddrmapNode:
    compiler = RDLCompiler()
    compiler.compile_file(str(DESCRIPTION))
    return compiler.elaborate().top


def test_systemrdl_has_the_registers_of_the_map(top):
    found = {node.inst_name: node for node in top.children()}
    assert list(found) == [register.name for register in REGISTERS]
    for register in REGISTERS:
        node = found[register.name]
        assert isinstance(node, RegNode)
        assert node.absolute_address == register.offset
        assert node.get_property("regwidth") == 32
        assert node.get_property("desc") == register.doc


@pytest.mark.parametrize("register", REGISTERS, ids=lambda register: register.name)
def test_systemrdl_has_the_fields_of_the_map(top, register):
    node = top.get_child_by_name(register.name)
    found = {field.inst_name: field for field in node.fields()}
    fields = [field for field in register.fields if not field.reserved]
    assert set(found) == {field.name for field in fields}
    for field in fields:
        one = found[field.name]
        assert (one.low, one.width) == (field.low, field.bits)
        access = SOFTWARE[field.access or register.access]
        assert (one.get_property("sw"), one.get_property("onwrite")) == access
        assert one.get_property("desc") == field.doc
        reset = (register.reset & field.mask) >> field.low
        assert one.get_property("reset") == (None if register in CAPABILITIES else reset)
        enum, wanted = one.get_property("encode"), FIELD_ENUMS.get(field.name)
        assert (enum is None) == (wanted is None)
        if enum and wanted:
            assert {name: member.value for name, member in enum.members.items()} == {
                name: int(member) for name, member in wanted.__members__.items()}


def run_c(folder: Path, lines: list[str], *headers: str) -> None:
    """Compile and run a program of assertions, with every warning an error."""
    program = "".join(f'#include "{header}"\n' for header in headers)
    program += "#include <stddef.h>\n#include <stdio.h>\n"
    program += "#define CHECK(what, wanted) \\\n"
    program += "  if ((unsigned long)(what) != (unsigned long)(wanted)) { puts(#what); bad = 1; }\n"
    program += "int main(void) {\n  int bad = 0;\n"
    program += "".join(f"  {line};\n" for line in lines) + "  return bad;\n}\n"
    source = folder / "check.c"
    source.write_text(program)
    subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I", str(HEADER.parent),
         "-o", str(folder / "check"), str(source)], check=True)
    done = subprocess.run([str(folder / "check")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def check(name: str, wanted: int | str) -> str:
    return f"CHECK(ESPNIC_{name}, {wanted if isinstance(wanted, str) else f'{wanted}ul'})"


def test_the_header_has_offsets_masks_and_values_of_the_map(tmp_path):
    lines = [check("MAP_TYPE", MAGIC), check("MAP_VERSION", VERSION),
             check("MAP_SIZE", 1 << ADDRESS_BITS)]
    for register in REGISTERS:
        lines.append(check(register.name, register.offset))
        for field in register.fields:
            name = f"{register.name}_{field.name.upper()}"
            if field.bits < 32 and not field.reserved:
                lines += [check(f"{name}_MASK", field.mask), check(f"{name}_SHIFT", field.low)]
    for layout in (TX_DESCRIPTOR, RX_COMPLETION):
        for field in layout.fields:
            if field.reserved:
                continue
            name = f"{layout.name}_{field.name}".upper()
            ones = layout.pack({field.name: (1 << field.bits) - 1})
            low = (ones & -ones).bit_length() - 1
            lines += [check(f"{name}_LOW", low), check(f"{name}_BITS", field.bits)]
        lines.append(check(f"{layout.name.upper()}_BITS", layout.bits))
    lines += [
        check("RX_STATUS_AUTH_FAILED", 1), check("SA_OPERATION_READ", 4),
        check("EVENT_KIND_AUTH_BURST", 3), check("ICV_SIZE_ICV16", 2),
        check("SA_RESULT_ENOENT", 4),
    ]
    run_c(tmp_path, lines, HEADER.name)
    text = HEADER.read_text()
    for enum in ENUMS:
        for name, value in enum.__members__.items():
            assert re.search(rf"_{name} = {int(value)}\b", text)


def test_the_header_is_c90(tmp_path):
    source = tmp_path / "c90.c"
    source.write_text(f'#include "{HEADER.name}"\nint unused;\n')
    subprocess.run(["gcc", "-std=c90", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                    "-I", str(HEADER.parent), str(source)], check=True)


def test_an_other_generator_makes_the_same_of_the_description(top, tmp_path):
    """PeakRDL lays the registers out as a C structure: the same places and masks."""
    CHeaderExporter().export(top, str(tmp_path / "peakrdl.h"))
    lines = []
    for register in REGISTERS:
        lines.append(check(register.name, f"offsetof(espnic_t, {register.name})"))
        for field in register.fields:
            if field.bits < 32 and not field.reserved:
                other = f"ESPNIC__{register.name}__{field.name.upper()}"
                name = f"{register.name}_{field.name.upper()}"
                lines += [check(f"{name}_MASK", f"{other}_bm"),
                          check(f"{name}_SHIFT", f"{other}_bp")]
    run_c(tmp_path, lines, HEADER.name, str(tmp_path / "peakrdl.h"))
