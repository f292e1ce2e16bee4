"""The register map as SystemRDL 2.0, for the tools that read it."""

from collections.abc import Iterator
from enum import IntEnum

from espnic.model.interface.codes import (
    Encapsulation,
    EventKind,
    IcvSize,
    KeySize,
    ReplayWindow,
    SaDirection,
    SaOperation,
    SaResult,
)
from espnic.model.interface.registers import (
    CAPABILITIES,
    REGISTERS,
    WORD_BITS,
    Access,
    Register,
    RegisterField,
)

NAME = "espnic"

FIELD_ENUMS: dict[str, type[IntEnum]] = {
    "key_size": KeySize,
    "icv_size": IcvSize,
    "replay_window": ReplayWindow,
    "replay_window_max": ReplayWindow,
    "encapsulation": Encapsulation,
    "operation": SaOperation,
    "direction": SaDirection,
    "result": SaResult,
    "kind": EventKind,
}
"""Enumeration of each field whose values have names."""

_SOFTWARE = {
    Access.READ: "sw = r; hw = w;",
    Access.READ_WRITE: "sw = rw; hw = r;",
    Access.WRITE: "sw = w; hw = r;",
    Access.CLEAR: "sw = rw; hw = w; onwrite = woclr;",
}


def systemrdl() -> str:
    """Text of the description, made of ``model.interface.registers`` and nothing else."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield "// Made from model/interface/registers.py by make docs."
    yield f"addrmap {NAME} {{"
    yield '    name = "ESP offload engine";'
    yield "    littleendian;"
    yield f"    default regwidth = {WORD_BITS};"
    yield f"    default accesswidth = {WORD_BITS};"
    for enum in dict.fromkeys(FIELD_ENUMS.values()):
        yield from _enum(enum)
    for register in REGISTERS:
        yield from _register(register)
    yield "};"


def _enum(enum: type[IntEnum]) -> Iterator[str]:
    bits = max(field.bits for register in REGISTERS for field in register.fields
               if FIELD_ENUMS.get(field.name) is enum)
    yield ""
    yield f"    enum {enum.__name__} {{"
    for member in enum:
        yield f"        {member.name} = {bits}'d{int(member)};"
    yield "    };"


def _register(register: Register) -> Iterator[str]:
    yield ""
    yield "    reg {"
    yield f'        desc = "{_quoted(register.doc)}";'
    for field in register.fields:
        if not field.reserved:
            yield from _field(register, field)
    yield f"    }} {register.name} @ {register.offset:#05x};"


def _field(register: Register, field: RegisterField) -> Iterator[str]:
    yield "        field {"
    yield f'            desc = "{_quoted(field.doc)}";'
    yield f"            {_SOFTWARE[field.access or register.access]}"
    if register not in CAPABILITIES:
        reset = (register.reset & field.mask) >> field.low
        yield f"            reset = {field.bits}'h{reset:x};"
    if field.name in FIELD_ENUMS:
        yield f"            encode = {FIELD_ENUMS[field.name].__name__};"
    yield f"        }} \\{field.name}[{field.low + field.bits - 1}:{field.low}];"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
