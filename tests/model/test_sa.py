"""Security associations: what is refused, and where the bytes lie in an SA command."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from espnic.model.interface.codes import Encapsulation, SaDirection, SaOperation, SaResult, SaSelect
from espnic.model.interface.layouts import SA_COMMAND
from espnic.model.sa.sa import command_values, from_command
from espnic.model.sa.table import SaTable
from tests.support.sas import all_kinds_of_sa, make_sa, sa_id


def test_p28_command_fields_lie_as_the_layout_says():
    sa = make_sa(key_bytes=32, key=bytes(range(32)), salt=b"\x11\x22\x33\x44", spi=0xAABBCCDD,
                 seqiv_salt=bytes(range(8)), destination=ip_address("192.0.2.2"))
    values = command_values(SaOperation.ADD, SaDirection.TX, 5, sa)
    assert values["key"] & 0xFFFF == 0x0100
    assert values["key"] >> 240 == 0x1F1E
    assert values["salt"] == 0x11223344
    assert values["seqiv_salt"] == 0x0001020304050607
    assert (values["destination"], values["ipv6"]) == (0xC0000202, 0)
    assert (values["operation"], values["direction"], values["sa"]) == (1, 1, 5)
    six = command_values(SaOperation.ADD, SaDirection.RX, 5, make_sa(6))
    assert six["destination"] >> 112 == 0x2001
    assert six["ipv6"] == 1


@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
def test_a_command_carries_all_that_the_device_needs(sa):
    packed = SA_COMMAND.pack(command_values(SaOperation.ADD, SaDirection.RX, 1, sa))
    carried = from_command(SA_COMMAND.unpack(packed))
    assert carried == replace(sa, name="", source=carried.source)


@pytest.mark.parametrize(("change", "message"), [
    ({"spi": 0}, "spi: 0, expected 1 to 0xffffffff"),
    ({"key": bytes(20)}, "key: 20 bytes, expected 16, 24 or 32 bytes"),
    ({"salt": bytes(3)}, "salt: 3 bytes, expected 4 bytes"),
    ({"seqiv_salt": bytes(4)}, "seqiv_salt: 4 bytes, expected 8 bytes"),
    ({"mode": "beet"}, "mode: beet, expected tunnel or transport"),
    ({"source": ip_address("::1")},
     "destination: 192.0.2.2, expected an IPv6 address as the source"),
    ({"mode": "transport", "inner_family": 6},
     "inner_family: 6, expected 4 as outside in transport mode"),
    ({"esn_high": 1 << 32}, "esn_high: 4294967296, expected 0 to 2^32 - 1"),
    ({"initial_seq": 1 << 64, "esn": True},
     "initial_seq: 18446744073709551616, expected 1 to 2^64 - 1"),
])
def test_what_is_no_sa_is_refused_in_one_line(change, message):
    with pytest.raises(ValueError) as caught:
        make_sa(**change)
    assert str(caught.value) == message


def test_table_looks_up_by_destination_encapsulation_and_spi_until_deleted():
    table = SaTable(4)
    sa = make_sa()
    key = sa.destination, Encapsulation.NONE, sa.spi
    assert table.look_up(*key) == 0
    assert table.add(3, sa) == SaResult.OK
    assert table.look_up(*key) == 3
    assert table.look_up(sa.source, *key[1:]) == 0
    assert table.look_up(sa.destination, Encapsulation.UDP, sa.spi) == 0
    assert table.look_up(sa.destination, Encapsulation.NONE, sa.spi ^ 1) == 0
    assert table.read(3) == (SaResult.OK, sa)
    assert table.delete(3) == SaResult.OK
    assert table.look_up(*key) == 0
    assert table.get(3) is None


def test_a_deleted_sa_keeps_its_handle_and_what_may_be_read_until_it_is_freed():
    table = SaTable(4)
    sa, other = make_sa(), make_sa(seed=2)
    assert table.free(3) == SaResult.ENOENT
    table.add(3, sa)
    assert table.free(3) == SaResult.EBUSY
    assert table.look_up(sa.destination, Encapsulation.NONE, sa.spi) == 3
    table.lifetime(3).count(1, 100)
    assert table.delete(3) == SaResult.OK
    assert table.read(3) == (SaResult.OK, sa)
    assert table.lifetime(3).bytes == 100
    assert table.delete(3) == SaResult.ENOENT
    assert table.modify(3, SaSelect.SOFT, {}) == SaResult.ENOENT
    assert table.add(3, other) == SaResult.EEXIST
    assert table.add(2, replace(sa, key=bytes(16))) == SaResult.OK
    assert table.free(3) == SaResult.OK
    assert table.read(3) == (SaResult.ENOENT, None)
    assert table.add(3, other) == SaResult.OK
    assert table.lifetime(3).bytes == 0


def test_a_refused_add_changes_nothing():
    table = SaTable(4)
    first, second = make_sa(spi=1), make_sa(spi=2)
    table.add(1, first)
    assert table.add(1, second) == SaResult.EEXIST
    assert table.add(2, replace(first, key=bytes(16))) == SaResult.EEXIST
    assert table.look_up(second.destination, Encapsulation.NONE, 2) == 0
    assert table.read(1) == (SaResult.OK, first)
    assert table.get(2) is None
