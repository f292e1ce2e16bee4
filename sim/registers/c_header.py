"""The register map as a C header, for a driver."""

from collections.abc import Iterator
from enum import IntEnum, IntFlag

from espnic.model.interface import codes
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR, Layout
from espnic.model.interface.registers import (
    ADDRESS_BITS,
    MAGIC,
    REGISTERS,
    VERSION,
    WORD_BITS,
    Register,
)

NAME = "espnic_regs.h"

ENUMS: tuple[type[IntEnum] | type[IntFlag], ...] = (
    codes.RxStatus, codes.TxStatus, codes.RxChecksum, codes.TxOperation, codes.SaOperation,
    codes.SaSelect, codes.SaResult, codes.SaDirection, codes.KeySize, codes.IcvSize,
    codes.ReplayWindow, codes.Encapsulation, codes.EventKind, codes.SaMemory,
)
"""Enumerations of the values of fields in registers, descriptors and completions."""

_HEAD = """/* SPDX-License-Identifier: Apache-2.0 */
/* Made from model/interface/registers.py by make docs. */
#ifndef ESPNIC_REGS_H
#define ESPNIC_REGS_H
"""
_FOOT = "\n#endif\n"


def cheader() -> str:
    """Text of the header.

    It has the byte offset of each register; shift and mask, in its register, of each field that
    is not a whole word; the values of all enumerations; lowest bit and width, in ``tuser``, of
    each field of descriptor and completion. Reserved fields are left out: software writes 0 there.
    """
    body = "".join(f"{line}\n" for part in (_map(), *map(_register, REGISTERS),
                                            *map(_enum, ENUMS),
                                            _layout(TX_DESCRIPTOR), _layout(RX_COMPLETION))
                   for line in part)
    return _HEAD + body + _FOOT


def _map() -> Iterator[str]:
    yield ""
    yield "/* What TYPE, VERSION and SIZE read. */"
    yield _define("MAP_TYPE", f"{MAGIC:#010x}u")
    yield _define("MAP_VERSION", f"{VERSION}u")
    yield _define("MAP_SIZE", f"{1 << ADDRESS_BITS:#x}u")


def _register(register: Register) -> Iterator[str]:
    yield ""
    yield f"/* {register.access}: {register.doc}. */"
    yield _define(register.name, f"{register.offset:#05x}u")
    for field in register.fields:
        if field.bits < WORD_BITS and not field.reserved:
            name = f"{register.name}_{field.name.upper()}"
            yield _define(f"{name}_SHIFT", str(field.low))
            yield _define(f"{name}_MASK", f"{field.mask:#010x}u")


def _enum(enum: type[IntEnum] | type[IntFlag]) -> Iterator[str]:
    name = _snake(enum.__name__)
    yield ""
    yield f"enum espnic_{name} {{"
    members = (f"\tESPNIC_{name.upper()}_{member} = {int(value)}"
               for member, value in enum.__members__.items())
    yield ",\n".join(members)
    yield "};"


def _layout(layout: Layout) -> Iterator[str]:
    name = layout.name.upper()
    yield ""
    yield f"/* Bits of {layout.name} in tuser. */"
    yield _define(f"{name}_BITS", str(layout.bits))
    low = 0
    for field in layout.fields:
        if not field.reserved:
            yield _define(f"{name}_{field.name.upper()}_LOW", str(low))
            yield _define(f"{name}_{field.name.upper()}_BITS", str(field.bits))
        low += field.bits


def _define(name: str, value: str) -> str:
    return f"#define ESPNIC_{name} {value}"


def _snake(name: str) -> str:
    """``RxStatus`` as ``rx_status``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter
                   for letter in name).lstrip("_")
