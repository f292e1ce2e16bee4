"""A second opinion: scapy's ESP. It gives AES-GCM a 16-byte ICV whatever is asked for."""

from random import Random

import pytest
from scapy.layers.inet import TCP, UDP

from espnic.model.esp import seqiv
from espnic.model.host import stack
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import Encapsulation
from espnic.model.net import ip
from tests.support import offload_cases as cases
from tests.support.clear_packets import NOT_OPENED, clear_packet
from tests.support.sas import device_with, make_sa
from tests.support.scapy_views import layers, scapy_sa, sums

KINDS = [
    (family, mode, key_bytes, esn, encapsulation)
    for family in (4, 6)
    for mode in ("tunnel", "transport")
    for key_bytes in (16, 24, 32)
    for esn in (False, True)
    for encapsulation in (Encapsulation.NONE, Encapsulation.UDP)
]


@pytest.mark.parametrize(("family", "mode", "key_bytes", "esn", "encapsulation"), KINDS)
def test_scapy_opens_what_the_model_seals_and_seals_what_it_opens(
    family, mode, key_bytes, esn, encapsulation,
):
    sa = make_sa(family, key_bytes, mode=mode, esn=esn, esn_high=3 if esn else 0,
                 encapsulation=encapsulation)
    high, random = (3 if esn else 0), Random(key_bytes)
    addresses = (sa.source, sa.destination) if mode == "transport" else None
    for sequence_low in (1, 2, 0x7FFFFFFF):
        sequence = high << 32 | sequence_low
        clear = clear_packet(family, random.randbytes(random.randrange(1, 200)), 253, 0, addresses)
        # scapy leaves the UDP checksum over IPv6 at 0, as the device does.
        wire = stack.software_frame(stack.Outgoing(sa, sequence, clear), udp6_checksum=False)
        other = scapy_sa(sa, high)
        assert bytes(other.decrypt(layers(wire[14:]))) == clear
        sealed = bytes(other.encrypt(layers(clear), seq_num=sequence_low,
                                     iv=seqiv.iv(sequence, sa.seqiv_salt)))
        assert ip.split(sealed).payload == ip.split(wire[14:]).payload
        result = device_with(sa).receive(wire[:14] + sealed)
        assert Receiver([sa]).deliver(result.frame, result.completion) == clear
        receiver = Receiver([sa]) if not esn else None
        if receiver is not None:
            assert receiver.deliver(wire[:14] + sealed, NOT_OPENED) == clear


@pytest.mark.parametrize(("family", "mode", "key_bytes", "esn", "encapsulation"), KINDS)
def test_scapy_opens_each_segment_and_finds_its_checksums_and_the_whole_stream(
    family, mode, key_bytes, esn, encapsulation,
):
    sa = make_sa(family, key_bytes, mode=mode, esn=esn, encapsulation=encapsulation)
    random = Random(key_bytes)
    for payload_bytes, mss in ((1, 1), (5000, 1448), (1000, 333), (20, 3)):
        clear = cases.random_clear(random, sa, payload_bytes)
        first = (1 << 32) - 2 if esn else 5
        request = stack.device_request(stack.Outgoing(sa, first, clear, mss=mss), 1)
        frames = device_with(sa).transmit(request.descriptor, request.frame).frames
        assert len(frames) == -(-payload_bytes // mss)
        stream = {}
        for place, frame in enumerate(frames):
            other = scapy_sa(sa, (first + place) >> 32)
            packet = bytes(other.decrypt(layers(frame[14:])))
            assert sums(packet) == (0, 0)
            data = layers(packet)
            at = data[TCP].seq if TCP in data else place
            stream[at] = bytes(data[TCP].payload if TCP in data else data[UDP].payload)
        whole = layers(clear)
        if TCP in whole:
            start = whole[TCP].seq
            stream = {(at - start) % 2**32: part for at, part in stream.items()}
        assert b"".join(stream[at] for at in sorted(stream)) == bytes(
            whole[TCP].payload if TCP in whole else whole[UDP].payload)
