"""Receiving: the way of a frame that a driver has handed up (net/xfrm/xfrm_input.c)."""

from collections import Counter
from collections.abc import Iterable

from espnic.model.esp import esp, trailer
from espnic.model.host.receiver import EspPacket, decapsulate, find_esp, whole_packet
from espnic.model.interface.codes import ESP_TEXT_OFFSET, UDP_PORT_ESP, Encapsulation, RxStatus
from espnic.model.linux import rx_checksum
from espnic.model.linux.skb import SkBuff, XfrmStatus
from espnic.model.linux.xfrm import Direction, ExpireUpcall, KmState, XfrmState, check_expire
from espnic.model.net import ip
from espnic.model.net.header_fields import ESP_SEQUENCE, ESP_SPI

_AUTH_FAILED = (
    XfrmStatus.CRYPTO_TRANSPORT_AH_AUTH_FAILED | XfrmStatus.CRYPTO_TRANSPORT_ESP_AUTH_FAILED
    | XfrmStatus.CRYPTO_TUNNEL_AH_AUTH_FAILED | XfrmStatus.CRYPTO_TUNNEL_ESP_AUTH_FAILED
    | XfrmStatus.CRYPTO_INVALID_PROTOCOL)


class _Dropped(Exception):
    """A frame is dropped; ``args[0]`` is the name of the counter."""


class Input:
    """The receiving half of a host's xfrm; ``mib`` are the names of /proc/net/xfrm_stat, and of
    /proc/net/snmp for UDP.

    ``states`` are all SAs that the host knows, whether a device has them or not. The collection is
    the host's own: an SA that the host adds or removes later is there or gone here too.
    """

    def __init__(
        self, states: Iterable[XfrmState], mib: Counter[str], expired: ExpireUpcall,
    ) -> None:
        self._states = states
        self._mib = mib
        self._expired = expired
        self._reassembler = ip.Reassembler()
        self.checksums: Counter[str] = Counter()
        """How the checksums of opened packets were found right, by the names of
        ``rx_checksum``."""

    def receive(self, skb: SkBuff | None) -> bytes | None:
        """The clear IP packet that a frame ends as; None when it is dropped or is no IP packet.

        The checks are made in the kernel's order: the device's verdict, the SA, the replay
        window, the limits, then the packet itself, and the window again before it moves.
        """
        if skb is None:
            return None
        whole = whole_packet(self._reassembler, skb.data)
        if whole is None:
            return None
        found = find_esp(whole, self._ports())
        if found is None:
            return whole.whole()
        try:
            return self._take(skb, found)
        except _Dropped as dropped:
            self._mib[dropped.args[0]] += 1
            return None

    def _ports(self) -> set[int]:
        """The UDP ports on which a socket takes ESP."""
        return {x.encap.destination_port for x in self._states
                if x.encap and x.direction == Direction.IN} | {UDP_PORT_ESP}

    def _take(self, skb: SkBuff, found: EspPacket) -> bytes | None:
        if found.encapsulation == Encapsulation.UDP and not rx_checksum.outer_udp_is_right(
                skb, found.carrier):
            raise _Dropped(rx_checksum.UDP_ERROR)
        x = _judged(skb) if skb.sec_path else self._look_up(found, skb.mark)
        if x.state != KmState.VALID:
            raise _Dropped("XfrmInStateInvalid")
        if x.encapsulation != found.encapsulation:
            raise _Dropped("XfrmInStateMismatch")
        low = ESP_SEQUENCE.read(found.data)
        sequence = x.window.high(low) << 32 | low
        _check_window(x, sequence)
        if not check_expire(x, self._expired):
            raise _Dropped("XfrmInStateExpired")
        text = _text(x, found, sequence, done=skb.sec_path is not None)
        trailer_bytes = trailer.length(text)
        if trailer_bytes is None:
            raise _Dropped("XfrmInStateProtoError")
        if x.esn and x.window.high(low) != sequence >> 32:
            raise _Dropped("XfrmInStateSeqError")
        self._advance(x, sequence)
        x.current.packets += 1
        x.current.bytes += len(text)
        clear = decapsulate(x.association, found.carrier, text[-1], text[:-trailer_bytes])
        if clear is not None:
            rx_checksum.count_inner(skb, x, ip.split(clear), self.checksums)
        return clear

    def _look_up(self, found: EspPacket, mark: int) -> XfrmState:
        spi = ESP_SPI.read(found.data)
        for x in self._states:
            if (x.direction == Direction.IN and x.state != KmState.DEAD and x.spi == spi
                    and x.destination == found.carrier.destination and x.takes_mark(mark)):
                return x
        raise _Dropped("XfrmInNoStates")

    @staticmethod
    def _advance(x: XfrmState, sequence: int) -> None:
        if not x.replay_window:
            return
        x.window.advance(sequence)
        if x.esn and x.offload and x.offload.device.ops:
            x.offload.device.ops.advance_esn(x)


def _judged(skb: SkBuff) -> XfrmState:
    """The SA that the device has found, if it has opened the frame. Else the frame is dropped."""
    assert skb.sec_path is not None
    x, status = skb.sec_path.state, skb.sec_path.status
    if status == XfrmStatus.CRYPTO_SUCCESS:
        return x
    if status & _AUTH_FAILED:
        x.integrity_failures += 1
        raise _Dropped("XfrmInStateProtoError")
    raise _Dropped("XfrmInBufferError")


def _check_window(x: XfrmState, sequence: int) -> None:
    if x.replay_window and x.window.check(sequence) != RxStatus.OK:
        x.replay_failures += 1
        raise _Dropped("XfrmInStateSeqError")


def _text(x: XfrmState, found: EspPacket, sequence: int, done: bool) -> bytes:
    """Payload and trailer, decrypted by the device (``done``) or here."""
    sa = x.association
    if done:
        return found.data[ESP_TEXT_OFFSET:-sa.icv.bytes]
    opened = esp.open_authentic(sa, sequence >> 32, found.data)
    if opened is None:
        x.integrity_failures += 1
        raise _Dropped("XfrmInStateProtoError")
    return opened.text
