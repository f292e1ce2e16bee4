"""Wireshark's table of ESP SAs as an SA file, completed by the packets of a capture."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnic.model.host import sa_forms, safile
from espnic.model.host.esp_sa_table import parse
from espnic.model.interface.codes import IcvSize
from espnic.sim.capture.pcap import read_capture
from tests.support.paths import CAPTURES

FIELD = CAPTURES / "field"
KEY = "0x" + "00112233445566778899aabbccddeeff" + "01020304"
GCM = "AES-GCM with 16 octet ICV [RFC4106]"
OLD_GCM = "AES-GCM [RFC4106]"
ROW = ("IPv4", "192.0.2.1", "192.0.2.2", "0x00000257", GCM, KEY, "NULL", "", "32-bit", "0")
SHOWN_FIELDS = ("source", "destination", "spi", "mode", "key", "salt", "icv", "esn",
                "encapsulation", "encap_source_port", "encap_destination_port")
"""Fields that engine and software need to receive on an SA."""


def line(*cells):
    return ",".join(f'"{cell}"' for cell in cells) + "\n"


def changed(**cells):
    """A row with other cells, by the name of the column."""
    columns = ("protocol", "src", "dst", "spi", "alg", "key", "auth", "auth_key", "sn", "high")
    return line(*(cells.get(name, cell) for name, cell in zip(columns, ROW, strict=True)))


@pytest.fixture
def sas_of(tmp_path):
    """The SAs and the number of unused rows that a table gives for a capture of the kernel."""
    def sas_of(table, name):
        path = tmp_path / "esp_sa"
        path.write_text(table, encoding="utf-8")
        return sa_forms.load(path).sas_of(read_capture(CAPTURES / f"{name}.pcap").packets)
    return sas_of


def table_of(name, alg=GCM, auth="NULL", numbers=(), src="*", dst="*", spi=None):
    """The table of a capture's SAs."""
    return "".join(
        line(f"IPv{sa.outer_family}", src, dst, spi or f"0x{sa.spi:08x}", alg,
             f"0x{sa.key.hex()}{sa.salt.hex()}", auth, "", *numbers)
        for sa in safile.load(CAPTURES / f"{name}.json").sas)


def shown(sas):
    return [[getattr(sa, name) for name in SHOWN_FIELDS] for sa in sas]


@pytest.mark.parametrize("name", [
    "tun4_gcm128", "trn4_gcm128", "tun46_gcm128", "tun66_gcm256", "trn6_gcm128", "tun4_gcm192",
    "natt_tun4_gcm256", "natt_trn4_gcm128", "tun4_gcm128_icv64", "tun4_gcm128_icv96",
    "esn_wrap_trn4_gcm128", "natt_esn_tun4_gcm128", "frag_outer_trn6_gcm128"])
def test_packets_say_what_an_old_table_does_not(sas_of, name):
    """Mode, encapsulation, addresses, and lengths of ICV and sequence number."""
    file, unused = sas_of(table_of(name, OLD_GCM), name)
    known = sorted(safile.load(CAPTURES / f"{name}.json").sas, key=lambda sa: sa.spi)
    assert (unused, file.unsupported) == (0, ())
    assert shown(sorted(file.sas, key=lambda sa: sa.spi)) == shown(known)


def test_high_half_of_the_table_is_taken(sas_of):
    """The capture begins above 2^32."""
    name = "esn_hi_tun4_gcm256"
    [high] = {sa.initial_seq >> 32 for sa in safile.load(CAPTURES / f"{name}.json").sas}
    for text in (str(high), hex(high)):
        file, _ = sas_of(table_of(name, numbers=("64-bit", text)), name)
        assert {(sa.esn, sa.esn_high) for sa in file.sas} == {(True, high)}
    # The table says that there are none, and none is looked for.
    file, _ = sas_of(table_of(name, numbers=("32-bit", "0")), name)
    assert {sa.esn for sa in file.sas} == {False}


def test_files_of_wireshark_are_read(sas_of):
    for name in ("tun4_gcm128", "natt_esn_tun4_gcm128"):
        path = FIELD / f"{name}.esp_sa"
        file, unused = sas_of(path.read_text(encoding="utf-8"), name)
        known = safile.load(CAPTURES / f"{name}.json").sas
        assert unused == 0 and shown(file.sas) == shown(known)
        assert [sa.name for sa in file.sas] == [f"0x{sa.spi:08x}" for sa in known]


def test_first_row_that_fits_counts_as_in_wireshark(sas_of):
    good = table_of("tun4_gcm128")
    wrong = changed(src="*", dst="*", spi="*")
    file, unused = sas_of(good + wrong, "tun4_gcm128")
    assert unused == 1 and shown(file.sas) == shown(safile.load(CAPTURES / "tun4_gcm128.json").sas)
    file, unused = sas_of(wrong + good, "tun4_gcm128")
    assert unused == 2 and {sa.key.hex() for sa in file.sas} == {KEY[2:34]}


def test_sas_of_other_suites_are_left_to_software(sas_of):
    file, _ = sas_of(table_of("tun4_gcm128", "AES-CBC [RFC3602]", "HMAC-SHA-256-128 [RFC4868]"),
                     "tun4_gcm128")
    assert file.sas == () and {sa.reason for sa in file.unsupported} == {
        "algorithm AES-CBC [RFC3602], the engine does rfc4106(gcm(aes))"}


def test_table_for_another_capture_is_refused(sas_of, tmp_path):
    with pytest.raises(safile.SaFileError) as caught:
        sas_of(line(*ROW), "tun4_gcm128")
    assert str(caught.value) == (f"{tmp_path}/esp_sa: no row is for an ESP packet of the capture, "
                                 "expected one by addresses and SPI")


A, B, C6 = (ip_address(text) for text in ("192.0.2.1", "192.0.2.2", "2001:db8::2"))


@pytest.mark.parametrize(("cells", "fits"), [
    ({}, True), ({"spi": "0x257"}, True), ({"spi": "0X00000257"}, True), ({"spi": "*"}, True),
    ({"spi": "0x0000025*"}, True), ({"spi": "0x******57"}, True), ({"spi": "0x*****357"}, False),
    ({"spi": "0x258"}, False), ({"src": "*", "dst": "*"}, True), ({"dst": "192.0.2.0/24"}, True),
    ({"dst": "192.0.*.2"}, True), ({"dst": "192.0.2.*"}, True), ({"dst": "192.0.3.*"}, False),
    ({"dst": "192.0.2.20"}, False), ({"src": "192.0.2.2"}, False),
    ({"protocol": "IPv6", "src": "*", "dst": "*"}, False)])
def test_row_fits_packets_by_addresses_and_spi(cells, fits):
    [row] = parse("x", changed(**cells))
    assert row.matches(A, B, 0x257) == fits


def test_row_of_ipv6_fits_packets_of_ipv6():
    for dst in ("2001:db8::2", "2001:db8::/64", "2001:DB8:0::2", "*"):
        [row] = parse("x", changed(protocol="IPv6", src="*", dst=dst))
        assert row.matches(C6, C6, 0x257) and not row.matches(A, B, 0x257)
    [row] = parse("x", changed(protocol="IPv6", src="fe80::1%eth0", dst="*"))
    assert row.matches(ip_address("fe80::1"), C6, 0x257)


@pytest.mark.parametrize(("alg", "auth", "icvs"), [
    ("AES-GCM with 8 octet ICV [RFC4106]", "NULL", [8]),
    ("AES-GCM with 12 octet ICV [RFC4106]", "NULL", [12]), (GCM, "NULL", [16]),
    (OLD_GCM, "ANY 96 bit authentication [no checking]", [12]), (OLD_GCM, "NULL", [16, 12, 8]),
    ("NULL", "NULL", [])])
def test_names_say_the_length_of_the_icv(alg, auth, icvs):
    [row] = parse("x", changed(alg=alg, auth=auth))
    assert row.icvs == tuple(IcvSize(icv // 4 - 2) for icv in icvs)


def test_key_is_hex_behind_0x_and_else_its_characters():
    for text in ("0123456789abcdefghij", r"\x30123456789abcdefgh\x69j"):
        assert parse("x", changed(key=text))[0].key == b"0123456789abcdefghij"
    assert parse("x", changed(key=KEY.replace("0x", "0X").upper()))[0].key.hex() == KEY[2:]


def test_rows_out_of_use_comments_and_blank_lines_are_passed_over():
    text = "# This file is automatically generated, DO NOT MODIFY.\n\n#" + changed() + changed()
    assert len(parse("x", text)) == 1


@pytest.mark.parametrize(("cells", "message"), [
    ({"spi": "257"}, 'SPI "257", expected 0x and hex digits, eight where * is one of them, or *'),
    ({"spi": "0x25*"},
     'SPI "0x25*", expected 0x and hex digits, eight where * is one of them, or *'),
    ({"spi": ""}, 'SPI "", expected 0x and hex digits, eight where * is one of them, or *'),
    ({"src": "gateway"}, 'source "gateway", expected an IPv4 address, a network, or *'),
    ({"src": ""}, 'source "", expected an IPv4 address, a network, or *'),
    ({"dst": "2001:db8::1"},
     'destination "2001:db8::1", expected an IPv4 address, a network, or *'),
    ({"dst": "192.0.*"}, 'destination "192.0.*", expected an IPv4 address, a network, or *'),
    ({"key": KEY[2:]}, "key: 40 bytes, expected 0x and hex of 20, 28, 36 bytes: key and salt"),
    ({"key": KEY[:-1]},
     "key: not hex of whole bytes, expected 0x and hex of 20, 28, 36 bytes: key and salt"),
    ({"key": KEY[:-8]}, "key: 16 bytes, expected 0x and hex of 20, 28, 36 bytes: key and salt"),
    ({"key": ""}, "key: 0 bytes, expected 0x and hex of 20, 28, 36 bytes: key and salt"),
    ({"key": "\u20ac" * 20},
     "key: not hex of whole bytes, expected 0x and hex of 20, 28, 36 bytes: key and salt"),
    ({"sn": "48-bit"},
     'sequence number "48-bit", "0", expected 32-bit or 64-bit, and its high half'),
    ({"high": "-1"},
     'sequence number "32-bit", "-1", expected 32-bit or 64-bit, and its high half'),
])
def test_wrong_cell_is_one_line_with_file_line_and_expectation(cells, message):
    with pytest.raises(safile.SaFileError) as caught:
        parse("esp_sa", "# a comment\n" + changed(**cells))
    assert str(caught.value) == f"esp_sa: line 2: {message}"


@pytest.mark.parametrize("text, message", [
    ('"IPv4","*"\n', "2 columns, expected 8 or 10 as in Wireshark's table of ESP SAs"),
    (changed() + '"IPX","*"\n', "2 columns, expected 8 or 10 as in Wireshark's table of ESP SAs"),
    (changed() + changed(protocol="IPX"), 'protocol "IPX", expected IPv4 or IPv6')])
def test_wrong_row_is_refused(text, message):
    with pytest.raises(safile.SaFileError, match="^esp_sa: line [12]: ") as caught:
        parse("esp_sa", text)
    assert str(caught.value).endswith(message)


@given(data=st.data())
def test_no_damage_to_the_table_is_more_than_one_line(data):
    text = changed() + changed(src="192.0.*.1", spi="0x0000****")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 20, len(text))))
    piece = data.draw(st.one_of(st.text(max_size=8), st.text('",*\\x0', max_size=8), st.text(
        "0123456789", min_size=4400, max_size=4400)))
    try:
        rows = parse("x", text[:start] + piece + text[end:])
    except safile.SaFileError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
    else:
        assert all(row.matches(A, B, 0x257) in (True, False) for row in rows)


def test_wrong_key_is_no_error_and_opens_nothing(sas_of):
    """The engine says that the ICV is wrong."""
    [first, *_] = sas_of(changed(src="*", dst="*", spi="*", alg=OLD_GCM), "tun4_gcm128")[0].sas
    assert (first.icv, first.esn, first.mode) == (IcvSize.ICV16, False, "tunnel")
