"""Properties of the model for any SA, packet and damage."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st

from espnic.model.crypto import gcm
from espnic.model.esp import esp, trailer
from espnic.model.host import stack
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import Encapsulation, IcvSize, RxStatus
from espnic.model.net import ip
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.traffic import frames
from tests.support.sas import device_with, make_sa

settings.register_profile("espnic", max_examples=200, deadline=None, derandomize=True)
settings.load_profile("espnic")

ADDRESSES = {4: st.integers(0, 2**32 - 1).map(IPv4Address),
             6: st.integers(0, 2**128 - 1).map(IPv6Address)}


@st.composite
def sas(draw):
    """Any SA that the engine can take."""
    family = draw(st.sampled_from([4, 6]))
    mode = draw(st.sampled_from(["tunnel", "transport"]))
    esn = draw(st.booleans())
    return SecurityAssociation(
        name="any",
        spi=draw(st.integers(1, 2**32 - 1)),
        source=draw(ADDRESSES[family]),
        destination=draw(ADDRESSES[family]),
        mode=mode,
        inner_family=family if mode == "transport" else draw(st.sampled_from([4, 6])),
        key=draw(st.binary(min_size=32, max_size=32))[:draw(st.sampled_from([16, 24, 32]))],
        salt=draw(st.binary(min_size=4, max_size=4)),
        seqiv_salt=draw(st.binary(min_size=8, max_size=8)),
        icv=draw(st.sampled_from(IcvSize)),
        esn=esn,
        encapsulation=draw(st.sampled_from(Encapsulation)),
        tfcpad=draw(st.sampled_from([0, 0, 64, 150])),
    )


@st.composite
def outgoing_packets(draw):
    """A clear packet on any SA, at a sequence number that the receiver's ESN state fits."""
    sa = draw(sas())
    sequence = draw(st.integers(1, 2**(64 if sa.esn else 32) - 1))
    payload = draw(st.binary(min_size=0 if sa.mode == "tunnel" else 1, max_size=200))
    protocol = draw(st.sampled_from([1, 6, 17, 47, 132, 253]))
    if sa.mode == "transport":
        source, destination = sa.source, sa.destination
    else:
        source, destination = draw(ADDRESSES[sa.inner_family]), draw(ADDRESSES[sa.inner_family])
    traffic_class = draw(st.integers(0, 255))
    if sa.inner_family == 4:
        header = bytes([0x45, traffic_class, 0, 0]) + draw(st.binary(min_size=2, max_size=2))
        header += draw(st.sampled_from([b"\0\0", b"\x40\0"])) + bytes([64, protocol, 0, 0])
    else:
        label = draw(st.integers(0, 2**20 - 1))
        header = (6 << 28 | traffic_class << 20 | label).to_bytes(4, "big")
        header += bytes([0, 0, protocol, 64])
    clear = ip.fix_lengths(header + source.packed + destination.packed, len(payload)) + payload
    sa = replace(sa, esn_high=sequence >> 32 if sa.esn else 0, initial_seq=sequence)
    link = stack.LINK + draw(st.sampled_from([b"", frames.VLAN_TAG]))
    return stack.Outgoing(sa, sequence, clear, link, draw(st.integers(0, 2**16 - 1)))


@given(st.sampled_from([16, 24, 32]), st.data())
def test_gcm_seal_then_open_is_the_identity_and_equals_the_steps(key_bytes, data):
    key, iv = (data.draw(st.binary(min_size=n, max_size=n)) for n in (key_bytes, 12))
    aad, text = (data.draw(st.binary(max_size=70)) for _ in range(2))
    ciphertext, tag = gcm.seal(key, iv, aad, text)
    assert gcm.open(key, iv, aad, ciphertext) == (text, tag)
    steps = gcm.seal_steps(key, iv, aad, text)
    assert (steps.text, steps.tag) == (ciphertext, tag)
    assert gcm.open_steps(key, iv, aad, ciphertext).text == text


@given(sas(), st.integers(1, 2**64 - 1), st.binary(min_size=2, max_size=300))
def test_esp_seal_then_open_is_the_identity(sa, sequence, text):
    sequence = sequence if sa.esn else sequence % 2**32
    opened = esp.open(sa, sequence >> 32, esp.seal(sa, sequence, text).packet)
    assert (opened.text, opened.authentic) == (text, True)


@given(outgoing_packets(), st.data())
def test_any_flipped_bit_of_the_esp_packet_is_refused_and_the_frame_left_as_it_came(
    outgoing, data,
):
    sa = outgoing.sa
    wire = stack.software_frame(outgoing)
    device = device_with(sa)
    parsed = dict(device.receive(wire).trace)["rx.parse"]
    start = parsed["esp_offset"]
    bit = data.draw(st.integers(8 * start, 8 * (start + parsed["esp_bytes"]) - 1))
    broken = bytearray(wire)
    broken[bit // 8] ^= 0x80 >> bit % 8
    result = device.receive(bytes(broken))
    in_spi = bit < 8 * (start + 4)
    no_sa = {RxStatus.NO_SA, RxStatus.NON_ESP_MARKER}
    # Over IPv6 software gives the UDP header in front of ESP a checksum, and one bit breaks it.
    summed = sa.encapsulation == Encapsulation.UDP and sa.outer_family == 6
    broken_esp = RxStatus.BAD_UDP_CHECKSUM if summed else RxStatus.AUTH_FAILED
    assert result.status in (no_sa if in_spi else {broken_esp})
    assert result.frame == broken


@given(outgoing_packets(), st.data())
def test_a_refused_frame_leaves_as_it_came_whatever_is_done_to_it(outgoing, data):
    wire = bytearray(stack.software_frame(outgoing))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    frame = bytes(wire[:data.draw(st.integers(0, len(wire)))])
    result = device_with(outgoing.sa).receive(frame)
    if result.status != RxStatus.OK:
        assert result.frame == frame
    assert len(result.frame) == len(frame)


@given(outgoing_packets(), st.booleans())
def test_software_and_device_give_the_same_frame_and_both_deliver_the_packet(
    outgoing, with_trailer,
):
    sa = outgoing.sa
    wire = stack.software_frame(outgoing)
    device = device_with(sa)
    with_trailer = with_trailer or bool(sa.tfcpad)
    request = stack.device_request(outgoing, 1, with_trailer)
    assert device.transmit(request.descriptor, request.frame).frame == stack.software_frame(
        outgoing, udp6_checksum=False)
    result = device.receive(wire)
    assert result.status == RxStatus.OK
    by_device = Receiver([sa]).deliver(result.frame, result.completion)
    by_software = Receiver([sa]).deliver(wire, {"status": RxStatus.NO_SA})
    assert by_device == by_software == outgoing.clear


@given(st.lists(st.tuples(st.integers(0, 15), st.binary(min_size=1, max_size=40)), max_size=12))
def test_a_frame_is_processed_as_if_the_ones_before_had_never_been(entries):
    sa = make_sa()
    device = device_with(sa)
    kinds = frames.kinds(sa)
    for index, payload in entries:
        device.receive(kinds[-index].frame)
        text = payload + trailer.build(len(payload), 6)
        frame = frames.sealed(sa, text)
        assert device.receive(frame) == device_with(sa).receive(frame)


@given(st.binary(max_size=120))
def test_no_bytes_at_all_make_the_device_stumble(frame):
    result = device_with(make_sa()).receive(frame)
    assert result.frame == frame
