"""SA files: what is read, and the one line that each mistake gives."""

import json
from ipaddress import ip_address, ip_network

import pytest

from espnic.model.host import safile
from espnic.model.interface.codes import Encapsulation, IcvSize
from espnic.model.sa.sa import ANY_FAMILY, esp_ports

GOOD = {
    "spi": "0x10cbac2f", "src": "192.0.2.1", "dst": "192.0.2.2", "mode": "tunnel",
    "alg": "rfc4106(gcm(aes))", "key": "00112233445566778899aabbccddeeff", "salt": "01020304",
    "icv_bits": 128,
}
FULL = GOOD | {
    "name": "ab", "src": "2001:db8::1", "dst": "2001:db8::2", "key": "11" * 32, "icv_bits": 64,
    "outer_family": 6, "inner_family": 4, "esn": True, "initial_seq": (1 << 32) - 10,
    "replay_window": 64, "encap": {"type": "espinudp", "sport": 4501, "dport": 4500},
    "tfcpad": 100, "seqiv_salt": "0102030405060708",
    "selector": {"src": "10.1.1.0/24", "dst": "10.1.2.0/24"}, "reqid": 1, "last_seq": 5,
}
MISSING = object()


@pytest.fixture
def load(tmp_path):
    """Load a file of these SAs, or of this text."""
    def load(*sas, text=None):
        path = tmp_path / "sas.json"
        path.write_text(json.dumps({"sas": sas}) if text is None else text)
        return safile.load(path)
    return load


def test_required_fields_are_enough_and_the_rest_has_its_defaults(load):
    [sa] = load(GOOD).sas
    assert (sa.spi, sa.mode, sa.name) == (0x10CBAC2F, "tunnel", "sa1")
    assert (sa.source, sa.destination) == (ip_address("192.0.2.1"), ip_address("192.0.2.2"))
    assert (sa.key.hex(), sa.salt.hex()) == (GOOD["key"], "01020304")
    assert (sa.icv, sa.inner_family, sa.esn, sa.initial_seq) == (
        IcvSize.ICV16, ANY_FAMILY, False, 1)
    assert (sa.encapsulation, sa.tfcpad, sa.replay_window) == (Encapsulation.NONE, 0, 32)
    assert sa.seqiv_salt is sa.selector is None


def test_every_field_is_read_and_esn_is_set_as_a_driver_does(load):
    [sa] = load(FULL).sas
    assert (sa.icv, sa.key, sa.inner_family, sa.tfcpad) == (IcvSize.ICV8, b"\x11" * 32, 4, 100)
    assert (sa.esn, sa.initial_seq, sa.replay_window) == (True, (1 << 32) - 10, 64)
    assert (sa.esn_high, sa.esn_overlap) == (0, True)
    assert (sa.encapsulation, sa.encap_source_port) == (Encapsulation.UDP, 4501)
    assert sa.seqiv_salt.hex() == "0102030405060708"
    assert sa.selector.destination == ip_network("10.1.2.0/24")
    assert sa.selector.matches(ip_address("10.1.1.9"), ip_address("10.1.2.9"))
    assert not sa.selector.matches(ip_address("10.1.2.9"), ip_address("10.1.1.9"))
    assert not sa.selector.matches(ip_address("fd00::1"), ip_address("fd00::2"))


def test_an_spi_may_be_a_number_and_addresses_may_repeat_in_another_protocol(load):
    encapsulated = GOOD | {"spi": 0x10CBAC2F, "encap": {"type": "espinudp"}}
    assert [sa.spi for sa in load(GOOD, encapsulated).sas] == [0x10CBAC2F] * 2


@pytest.mark.parametrize(("spi", "number"), [
    ("0x257", 0x257), ("0X257", 0x257), ("0x0000ABCD", 0xABCD), ("c88b7652", 0xC88B7652),
    ("C88B7652", 0xC88B7652), (257, 257), ("0xffffffff", 0xFFFFFFFF),
    # The same in hex and in decimal.
    ("7", 7), ("00000007", 7)])
def test_spi_text_is_hex_where_it_can_be_nothing_else(load, spi, number):
    assert [sa.spi for sa in load(GOOD | {"spi": spi}).sas] == [number]


def test_esn_needs_a_replay_window_as_the_kernel_wants(load, tmp_path):
    """Linux 6.1, xfrm_init_replay; iproute2 refuses it before."""
    for window in (0, -1):
        with pytest.raises(safile.SaFileError) as caught:
            load(GOOD | {"esn": True, "replay_window": window})
        assert str(caught.value) == (f"{tmp_path / 'sas.json'}: SA sa1: replay_window: {window}, "
                                     "expected 1 to 4096 with ESN, as the kernel")
    [sa] = load(GOOD | {"esn": False, "replay_window": 0}).sas
    assert sa.replay_window == 0
    assert load(GOOD | {"esn": True, "replay_window": 1}).sas[0].replay_window == 1


def test_the_engine_looks_at_four_ports_of_esp_and_no_more(load):
    ports = (4600, 4500, 4600, 1, 65535, 2, 4500)
    file = load(*(GOOD | {"name": f"x{number}", "spi": f"0x{256 + number:x}",
                          "encap": {"type": "espinudp", "dport": port}}
                  for number, port in enumerate(ports)), GOOD)
    assert esp_ports(file.sas) == (4600, 4500, 1, 65535)
    assert file.unsupported == (safile.UnsupportedSa("x5", "UDP encapsulation to port 2, the "
                                "engine looks at 4 ports: 4600, 4500, 1, 65535", 2),)
    assert len(file.sas) == 7
    assert esp_ports(load(GOOD | {"encap": None}).sas) == ()


@pytest.mark.parametrize(("change", "reason"), [
    ({"alg": "rfc4543(gcm(aes))"},
     "algorithm rfc4543(gcm(aes)), the engine does rfc4106(gcm(aes))"),
    ({"alg": "cbc(aes)", "salt": None, "auth_alg": "hmac(sha1)"},
     "algorithm cbc(aes), the engine does rfc4106(gcm(aes))"),
])
def test_what_the_engine_does_not_do_is_named_with_its_reason(load, change, reason):
    file = load(GOOD | {"name": "x"} | change, GOOD)
    assert file.unsupported == (safile.UnsupportedSa("x", reason),)
    assert len(file.sas) == 1


@pytest.mark.parametrize(("field", "value", "message"), [
    ("spi", MISSING, "spi: missing, expected a number from 1 to 0xffffffff, as 0x10cbac2f"),
    ("spi", "0x100000000", 'spi: "0x100000000", expected a number from 1 to 0xffffffff, as '
                           "0x10cbac2f"),
    ("spi", "zebra", 'spi: "zebra", expected a number from 1 to 0xffffffff, as 0x10cbac2f'),
    ("spi", 0, "spi: 0, expected a number from 1 to 0xffffffff, as 0x10cbac2f"),
    ("spi", "257", 'spi: "257", expected "0x257" if that is hex, or 257 without quotes if decimal'),
    ("spi", "00000100",
     'spi: "00000100", expected "0x00000100" if that is hex, or 100 without quotes if decimal'),
    ("spi", "0x1_0", 'spi: "0x1_0", expected a number from 1 to 0xffffffff, as 0x10cbac2f'),
    ("spi", "+0x10", 'spi: "+0x10", expected a number from 1 to 0xffffffff, as 0x10cbac2f'),
    ("spi", " 0x10", 'spi: " 0x10", expected a number from 1 to 0xffffffff, as 0x10cbac2f'),
    ("spi", "0o17", 'spi: "0o17", expected a number from 1 to 0xffffffff, as 0x10cbac2f'),
    ("spi", "\u0661\u0662", r'spi: "\u0661\u0662", expected a number from 1 to 0xffffffff, as '
                            "0x10cbac2f"),
    ("spi", "*", 'spi: "*", expected a number from 1 to 0xffffffff, as 0x10cbac2f'),
    ("spi", "", 'spi: "", expected a number from 1 to 0xffffffff, as 0x10cbac2f'),
    ("spi", True, "spi: true, expected a number from 1 to 0xffffffff, as 0x10cbac2f"),
    ("src", "192.0.2.256", 'src: "192.0.2.256", expected an IP address'),
    ("dst", 7, "dst: 7, expected an IP address"),
    ("dst", MISSING, "dst: missing, expected an IP address"),
    ("dst", "2001:db8::1", 'dst: "2001:db8::1", expected an IPv4 address as src'),
    ("mode", "beet", "mode: beet, expected tunnel or transport"),
    ("mode", MISSING, "mode: missing, expected tunnel or transport"),
    ("alg", MISSING, "alg: missing, expected an algorithm, as rfc4106(gcm(aes))"),
    ("key", "0011", "key: 2 bytes, expected hex of 16 or 24 or 32 bytes"),
    ("key", "xy" * 16, "key: not hex, expected hex of 16 or 24 or 32 bytes"),
    ("key", MISSING, "key: missing, expected hex of 16 or 24 or 32 bytes"),
    ("salt", "01020304" * 2, "salt: 8 bytes, expected hex of 4 bytes"),
    ("salt", None, "salt: null, expected hex of 4 bytes"),
    ("icv_bits", 80, "icv_bits: 80, expected 64, 96 or 128"),
    ("icv_bits", "128", 'icv_bits: "128", expected 64, 96 or 128'),
    ("icv_bits", MISSING, "icv_bits: missing, expected 64, 96 or 128"),
    ("esn", 1, "esn: 1, expected true or false"),
    ("esn", "yes", 'esn: "yes", expected true or false'),
    ("initial_seq", 0, "initial_seq: 0, expected 1 to 2^32 - 1"),
    ("initial_seq", 1 << 32, "initial_seq: 4294967296, expected 1 to 2^32 - 1"),
    ("initial_seq", 1.5, "initial_seq: 1.5, expected a sequence number"),
    ("replay_window", -1, "replay_window: -1, expected 0 to 4096"),
    ("tfcpad", 70000, "tfcpad: 70000, expected 0 to 65535"),
    ("inner_family", 5, "inner_family: 5, expected 4 or 6"),
    ("outer_family", 6, "outer_family: 6, expected 4 as of src and dst"),
    ("seqiv_salt", "00", "seqiv_salt: 1 bytes, expected hex of 8 bytes"),
    ("encap", 5, "encap: 5, expected an object"),
    ("encap", {"type": "gre"}, 'encap: type: "gre", expected espinudp'),
    ("encap", {"sport": "x"}, 'encap: sport: "x", expected a UDP port'),
    ("encap", {"sport": 70000}, "encap_source_port: 70000, expected 0 to 65535"),
    ("selector", {"src": "10.0.0.0/24"},
     "selector: dst: missing, expected a network, as 10.1.1.0/24"),
    ("selector", {"src": "10.0.0.0/44"},
     'selector: src: "10.0.0.0/44", expected a network, as 10.1.1.0/24'),
    ("name", 5, "name: 5, expected a text"),
    ("name", "n" * 24_000, f'name: "{"n" * 56}..., expected a text'),
    ("mode", "m" * 24_000, f'mode: "{"m" * 56}..., expected tunnel or transport'),
    ("src", "fe80::1%", 'src: "fe80::1%", expected an IP address'),
    ("name", "a\nb", r'name: "a\nb", expected a text'),
    ("name", "\ud800", r'name: "\ud800", expected a text'),
])
def test_a_wrong_field_is_one_line_with_file_sa_field_and_expectation(
    load, tmp_path, field, value, message,
):
    entry = GOOD | {"name": "ba"} | {field: value}
    if value is MISSING:
        del entry[field]
    with pytest.raises(safile.SaFileError) as caught:
        load(entry)
    sa = "1" if field == "name" else "ba"
    assert str(caught.value) == f"{tmp_path / 'sas.json'}: SA {sa}: {message}"


def test_a_tunnel_without_inner_family_carries_both_and_transport_mode_that_of_the_addresses(load):
    [both], [one], [four] = (load(GOOD | change).sas for change in (
        {}, {"mode": "transport"}, {"inner_family": 4}))
    assert [[sa.carries(version) for version in (4, 6)] for sa in (both, one, four)] == [
        [True, True], [True, False], [True, False]]


def test_zone_of_an_address_is_not_part_of_it(load):
    """A zone names an interface of the host; no packet has it."""
    scoped = GOOD | {"src": "fe80::1%eth0", "dst": "fe80::2%eth0",
                     "selector": {"src": "fe80::%eth0/64", "dst": "fe80:1::%eth1/64"}}
    [sa] = load(scoped).sas
    assert (sa.source, sa.destination) == (ip_address("fe80::1"), ip_address("fe80::2"))
    assert sa.selector.matches(ip_address("fe80::5"), ip_address("fe80:1::5"))
    assert not sa.selector.matches(ip_address("fe80:1::5"), ip_address("fe80:1::5"))
    with pytest.raises(safile.SaFileError, match="expected another destination and SPI than SA"):
        load(scoped, scoped | {"dst": "fe80::2%eth1"})


def test_transport_mode_needs_the_same_family_inside(load):
    with pytest.raises(safile.SaFileError, match="inner_family: 6, expected 4 as outside in tra"):
        load(GOOD | {"mode": "transport", "inner_family": 6})


def test_two_sas_of_one_name_or_one_destination_and_spi_are_refused(load):
    with pytest.raises(safile.SaFileError, match='SA x: name: "x", expected another name than SA'):
        load(GOOD | {"name": "x"}, GOOD | {"name": "x", "spi": 5})
    with pytest.raises(safile.SaFileError, match=(
            'SA y: spi: "0x10cbac2f", expected another destination and SPI than SA x has')):
        load(GOOD | {"name": "x"}, GOOD | {"name": "y"})


@pytest.mark.parametrize(("text", "message"), [
    ("", "line 1: Expecting value, expected JSON"),
    ('{"sas": [\n}', "line 2: Expecting value, expected JSON"),
    ("[]", "[], expected an object with sas"),
    ("{}", "sas: missing, expected a list of one SA or more"),
    ('{"sas": []}', "sas: [], expected a list of one SA or more"),
    ('{"sas": {}}', "sas: {}, expected a list of one SA or more"),
    ('{"sas": [3]}', "SA 1: 3, expected an object"),
    ('{"schema": "kpeer-2", "sas": [{}]}', 'schema: "kpeer-2", expected kpeer-1'),
    ("[" * 100_000, "nested too deep or a number too long, expected JSON"),
    ('{"sas": [' + "9" * 5000 + "]}", "nested too deep or a number too long, expected JSON"),
])
def test_a_file_that_is_no_sa_file_is_refused_in_one_line(load, tmp_path, text, message):
    with pytest.raises(safile.SaFileError) as caught:
        load(text=text)
    assert str(caught.value) == f"{tmp_path / 'sas.json'}: {message}"


def test_a_missing_file_a_folder_and_a_binary_file_are_refused_in_one_line(tmp_path):
    binary = tmp_path / "x.pcap"
    binary.write_bytes(bytes([0xD4, 0xC3, 0xB2, 0xA1]))
    for path, message in (
            (tmp_path / "none.json", "No such file or directory, expected an SA file"),
            (tmp_path, "Is a directory, expected an SA file"),
            (binary, "not text, expected an SA file")):
        with pytest.raises(safile.SaFileError) as caught:
            safile.load(path)
        assert str(caught.value) == f"{path}: {message}"


def test_no_message_shows_a_key(load):
    for key in ("zz" * 16, "ab" * 15, 0xABABAB, ["abab"]):
        with pytest.raises(safile.SaFileError, match="key: ") as caught:
            load(GOOD | {"key": key})
        assert str(key) not in str(caught.value)
        assert json.dumps(key) not in str(caught.value)
