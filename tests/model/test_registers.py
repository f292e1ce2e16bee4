"""The register map."""

import pytest

from espnic.model.device.device import Device
from espnic.model.interface import registers
from espnic.model.interface.codes import OPERATION_BITS, TxOperation
from espnic.model.interface.layouts import SA_COMMAND, SA_RESPONSE
from espnic.model.interface.registers import ADDRESS_BITS, REGISTERS, WORD_BITS, WORD_BYTES, Access


def test_registers_have_offsets_and_names_of_their_own():
    offsets = [register.offset for register in REGISTERS]
    assert offsets == sorted(set(offsets))
    assert all(offset % WORD_BYTES == 0 and offset < 1 << ADDRESS_BITS for offset in offsets)
    assert len(registers.BY_NAME) == len(REGISTERS)


def test_room_for_what_is_to_come_has_no_register():
    for low, high, _ in registers.ROOM:
        assert not [register.name for register in REGISTERS if low <= register.offset < high]


@pytest.mark.parametrize("register", REGISTERS, ids=lambda register: register.name)
def test_fields_lie_in_their_register_without_overlap(register):
    taken = 0
    for field in register.fields:
        assert field.mask and not field.mask & taken
        taken |= field.mask
    assert taken < 1 << WORD_BITS


@pytest.mark.parametrize("layout, group", [
    (SA_COMMAND, [registers.SA_DOORBELL, *registers.SA_PARAMETERS]),
    (SA_RESPONSE, [registers.SA_STATUS, *registers.READ_BACK]),
])
def test_every_bit_of_a_command_and_its_response_has_a_place(layout, group):
    bits = dict.fromkeys((field.name for field in layout.fields), 0)
    for register in group:
        for field in register.fields:
            if field.name in bits:
                part = ((1 << field.bits) - 1) << field.part
                assert not bits[field.name] & part
                bits[field.name] |= part
    assert bits == {field.name: (1 << field.bits) - 1 for field in layout.fields}


def test_keys_and_salts_are_write_only():
    secret = {register.name for register in REGISTERS
              for field in register.fields
              if field.name in ("key", "salt", "seqiv_salt", "table_key")}
    assert len(secret) == 8 + 1 + 2 + 6
    assert {registers.BY_NAME[name].access for name in secret} == {Access.WRITE}


def test_no_beat_without_a_descriptor_and_no_turned_bit_makes_a_request_to_bypass():
    one, other = TxOperation
    assert 0 not in (one, other) and (one ^ other).bit_count() == OPERATION_BITS > 1


def test_counters_are_those_of_the_model():
    assert set(registers.counters()) == set(Device().counters)
