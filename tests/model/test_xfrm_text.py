"""The output of ``ip xfrm state`` as an SA file.

The files of captures/field were formatted by iproute2 6.1 from the SAs of the captures; the other
texts are those of its versions and of newer ones.
"""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnic.model.host import sa_forms, safile, xfrm_text
from espnic.model.interface.codes import Encapsulation, IcvSize
from espnic.model.sa.sa import ANY_FAMILY
from tests.support.paths import CAPTURES

FIELD = CAPTURES / "field"
KEY = "00112233445566778899aabbccddeeff"
STATE = f"""\
src 192.0.2.1 dst 192.0.2.2
\tproto esp spi 0xc420a5ed reqid 1 mode tunnel
\treplay-window 32 flag af-unspec
\taead rfc4106(gcm(aes)) 0x{KEY}01020304 128
\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000
"""
ESN = """\
\tanti-replay esn context:
\t seq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x0
\t replay_window 128, bitmap-length 4
\t 00000000 00000000 00000000 00000000 
"""  # noqa: W291


@pytest.fixture
def load(tmp_path):
    """Load a text as an SA file."""
    def load(text):
        path = tmp_path / "state.txt"
        path.write_text(text, encoding="utf-8")
        return sa_forms.load(path)
    return load


@pytest.fixture
def refusal(load, tmp_path):
    """The complaint about a text, without the name of its file."""
    def refusal(text):
        with pytest.raises(safile.SaFileError) as caught:
            load(text)
        message = str(caught.value)
        assert "\n" not in message and KEY[8:24] not in message
        return message.removeprefix(f"{tmp_path / 'state.txt'}: ")
    return refusal


@pytest.mark.parametrize("name", [
    "tun4_gcm128", "esn_wrap_tun4_gcm128", "natt_esn_tun4_gcm128", "trn6_gcm256"])
def test_output_of_iproute2_gives_the_sas_of_the_json(name):
    """Plain, with -s, and with -o; ESN, encapsulation, selectors."""
    told = sa_forms.load(FIELD / f"{name}.xfrm")
    known = safile.load(CAPTURES / f"{name}.json")
    # The names, and what no kernel shows of an SA.
    assert [replace(sa, name="", seqiv_salt=None) for sa in told.sas] == [
        replace(sa, name="", seqiv_salt=None) for sa in known.sas]
    assert [sa.name for sa in told.sas] == [f"0x{sa.spi:08x}" for sa in known.sas]
    assert told.unsupported == ()


def test_states_of_a_gateway_are_read_and_what_the_engine_cannot_do_is_said():
    file = sa_forms.load(FIELD / "gateway.xfrm")
    out, into, marked, transport = file.sas
    assert (out.esn, out.replay_window, out.tfcpad, out.initial_seq) == (True, 128, 1300, 0x3ED)
    assert (out.inner_family, out.selector, out.encapsulation) == (ANY_FAMILY, None, 0)
    assert (into.esn, into.replay_window, into.initial_seq) == (True, 1024, (1 << 32) + 0x2F1)
    assert (into.esn_high, into.esn_overlap) == (0, True)
    assert (into.encapsulation, into.encap_source_port, into.encap_destination_port) == (
        Encapsulation.UDP, 40517, 4500)
    assert (marked.icv, marked.esn, marked.replay_window) == (IcvSize.ICV8, False, 32)
    assert (transport.mode, transport.icv, len(transport.key)) == ("transport", IcvSize.ICV12, 32)
    assert transport.selector.source == ip_network("2001:db8::7/128")
    assert transport.inner_family == 6
    assert [(sa.name, sa.reason) for sa in file.unsupported] == [
        ("0x108db594 to 192.0.2.1",
         "the destination and SPI of SA 0x108db594, and the engine knows no mark"),
        ("0xc420a5ed",
         "algorithm cbc(aes) with hmac(sha256), the engine does rfc4106(gcm(aes))"),
        ("0x000001f1", "protocol ah, the engine does esp"),
        ("0x0000c0de", "mode beet, the engine does tunnel and transport"),
        ("0x0000c0df", "encapsulation espintcp, the engine does espinudp"),
        ("0x00000000", "no key yet: Linux waits for its negotiation"),
    ]


@pytest.mark.parametrize("change", [
    lambda text: text, lambda text: text.replace("\t", "    "), lambda text: text.replace("\t", ""),
    lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text,
    lambda text: "root@gw:~# ip xfrm state\n" + text,
    lambda text: text.replace("\n", "\\") + "\n",
    lambda text: text.replace("0xc420a5ed reqid 1 ", "0xc420a5ed(3290473965) reqid 1(0x00000001) "),
    lambda text: text.replace(" 128", " (160 bits) 128"),
    lambda text: text + "\tlastused 2024-06-10 12:01:01\n\tif_id 0x2a\n\tpcpu-num 3\n\tdir in\n",
])
def test_text_may_be_pasted_indented_and_counted_in_any_way(load, change):
    [sa] = load(change(STATE)).sas
    assert (sa.spi, sa.key.hex(), sa.salt.hex(), sa.icv) == (
        0xC420A5ED, KEY, "01020304", IcvSize.ICV16)
    assert (sa.source, sa.destination) == (ip_address("192.0.2.1"), ip_address("192.0.2.2"))


@pytest.mark.parametrize(("flags", "esn", "inner"), [
    ("", False, 4), (" flag af-unspec", False, ANY_FAMILY), (" flag esn", True, 4),
    (" flag decap-dscp af-unspec esn", True, ANY_FAMILY),
    # iproute2 before 3.11 does not know the name of the flag.
    (" flag af-unspec 80", True, ANY_FAMILY), (" flag  (0x00000000)", False, 4),
    # With -s extra flags follow with no blank before them.
    (" seq 0x00000000 flag esnextra_flag oseq-may-wrap (0x10000000)", True, 4),
    (" seq 0x00000000 flag af-unspec esn (0x10100000)", True, ANY_FAMILY)])
def test_flags_say_esn_and_the_families_inside(load, flags, esn, inner):
    [sa] = load(STATE.replace(" flag af-unspec", flags) + ESN).sas
    assert (sa.esn, sa.inner_family, sa.replay_window) == (esn, inner, 128)


@pytest.mark.parametrize(("counters", "first"), [
    (("0x0", "0x0", "0x0", "0x0"), 1), (("0x0", "0x5", "0x0", "0x0"), 6),
    (("0x0", "0x0", "0x0", "0xa"), 0xB), (("0x1", "0xfffffff0", "0x0", "0x0"), 0x1_FFFF_FFF1),
    (("0x0", "0x0", "0x2", "0x7"), 0x2_0000_0008)])
def test_first_number_is_the_one_after_the_highest(load, counters, first):
    values = dict(zip(("seq-hi", "seq", "oseq-hi", "oseq"), counters, strict=True))
    line = ", ".join(f"{name} {value}" for name, value in values.items())
    esn = ESN.replace("seq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x0", line)
    [sa] = load(STATE.replace("af-unspec", "af-unspec esn") + esn).sas
    assert sa.initial_seq == first
    # Without ESN the upper half means nothing.
    [sa] = load(STATE.replace("seq 0x0, oseq 0x0", "seq 0x7, oseq 0x9")).sas
    assert sa.initial_seq == 10


def test_sa_of_a_newer_kernel_that_only_sends_has_no_window(load):
    text = STATE.replace("replay-window 32 flag af-unspec", "flag af-unspec esn") + (
        "\tanti-replay esn context:\t oseq-hi 0x0, oseq 0xa\n\tdir out\n")
    [sa] = load(text).sas
    assert (sa.esn, sa.initial_seq, sa.replay_window) == (True, 11, 32)


def test_sa_whose_numbers_are_used_up_is_left_to_software(load):
    file = load(STATE.replace("oseq 0x0", "oseq 0xffffffff"))
    assert file.sas == () and file.unsupported[0].reason == "its sequence numbers are used up"


def test_one_spi_at_several_destinations_is_several_sas(load):
    other = STATE.replace("dst 192.0.2.2", "dst 192.0.2.3")
    in_udp = STATE + "\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n"
    file = load(STATE + other + in_udp)
    assert [sa.name for sa in file.sas] == [
        "0xc420a5ed", "0xc420a5ed to 192.0.2.3", "0xc420a5ed to 192.0.2.2"]


def test_selector_may_name_a_host_in_its_network(load, refusal):
    for text, family in (("10.1.1.5/24", 4), ("2001:db8::5/64", 6)):
        [sa] = load(STATE + f"\tsel src {text} dst {text} proto tcp dport 80 \n").sas
        assert sa.inner_family == family and sa.selector.source == ip_network(text, strict=False)
    assert refusal(STATE + "\tsel src here/24 dst 10.0.0.0/8\n") == (
        'SA 0xc420a5ed: selector: src: "here/24", expected a network, as 10.1.1.0/24')


@given(data=st.data())
def test_no_damage_to_the_text_is_more_than_one_line(data):
    """A piece is cut out, doubled, or has another in its place."""
    text = (FIELD / "gateway.xfrm").read_text(encoding="utf-8")[:2600]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 60, len(text))))
    piece = data.draw(st.one_of(
        st.just(""), st.just(2 * text[start:end]), st.text(max_size=12),
        st.text("0123456789", min_size=4400, max_size=4400)))
    text = text[:start] + piece + text[end:]
    try:
        safile.collect("x", xfrm_text.entries("x", text))
    except safile.SaFileError as error:
        assert "\n" not in str(error) and len(str(error)) < 400


@pytest.mark.parametrize(("change", "message"), [
    (("128\n", "\n"), "line 1: aead: no key in hex and ICV length after the name, expected a line "
                      "of ip xfrm state"),
    ((f"0x{KEY}01020304", "<<Keys hidden>>"),
     "line 1: key hidden, expected the output of ip xfrm state without nokeys"),
    (("01020304", ""), "SA 0xc420a5ed: key: 12 bytes, expected hex of 16 or 24 or 32 bytes"),
    ((" 128", " 80"), "SA 0xc420a5ed: icv_bits: 80, expected 64, 96 or 128"),
    (("0xc420a5ed", "c420a5ed"), "line 2: proto esp spi c420a5ed reqid 1 mode tunnel: expected "
                                 "proto, spi, reqid and mode as ip xfrm state shows them"),
    (("0xc420a5ed", "0xc420a5ed(7)"), "line 2: proto esp spi 0xc420a5ed(7) reqid 1 mode tunnel: "
                                      "expected proto, spi, reqid and mode as ip xfrm state shows "
                                      "them"),
    (("\tproto", "\tprot"), "line 1: no line with proto and mode, expected a whole state"),
    (("192.0.2.1 ", "gateway "), 'SA 0xc420a5ed: src: "gateway", expected an IP address'),
    (("32 flag", "32 flag esn"), None),
    (("replay-window 32 flag af-unspec", "replay-window 0 flag esn"),
     "SA 0xc420a5ed: replay_window: 0, expected 1 to 4096 with ESN, as the kernel"),
])
def test_state_that_cannot_be_used_is_refused_in_one_line(load, refusal, change, message):
    text = STATE.replace(*change)
    assert text != STATE
    if message is None:
        assert load(text).sas
    else:
        assert refusal(text) == message


def test_policies_and_other_texts_are_refused_in_one_line(refusal):
    policy = ("src 10.1.1.0/24 dst 10.1.2.0/24 \n\tdir out priority 0 ptype main \n"
              "\ttmpl src 192.0.2.1 dst 192.0.2.2\n\t\tproto esp reqid 1 mode tunnel\n")
    assert refusal(policy) == "line 1: a policy, expected the output of ip xfrm state"
    for text in ("", "\n", "hello\n", "spi,src,dst\n"):
        assert refusal(text) == ("no SA file, expected JSON, the output of ip xfrm state, or the "
                                 "file esp_sa of Wireshark")
    assert refusal('{"sas": [') == "line 1: Expecting value, expected JSON"
