"""The way of a received frame up to the stack."""

from collections import Counter

from espnic.model.interface.codes import RxChecksum, RxStatus, SaDirection
from espnic.model.linux.esn_fields import EsnFields
from espnic.model.linux.netdev import NetDevice
from espnic.model.linux.places import Places
from espnic.model.linux.same_key import SameKey
from espnic.model.linux.skb import SecPath, SkBuff, XfrmStatus
from espnic.model.net.header_fields import ESP_SEQUENCE

STATUS = {
    RxStatus.OK: XfrmStatus.CRYPTO_SUCCESS,
    RxStatus.AUTH_FAILED: XfrmStatus.CRYPTO_TUNNEL_ESP_AUTH_FAILED,
    RxStatus.BAD_TRAILER: XfrmStatus.CRYPTO_INVALID_PACKET_SYNTAX,
    RxStatus.SYNTAX: XfrmStatus.CRYPTO_INVALID_PACKET_SYNTAX,
}
"""Statuses with which the device has judged for the stack. With every other status the frame goes
up without a mark and the stack does the work: it also judges replays, before it decrypts."""

_TWINS_MAY_HAVE = (RxStatus.AUTH_FAILED, RxStatus.SYNTAX)
"""Statuses that a good frame of an SA has when the device takes it for one of its twin's."""


class Receive:
    """The driver's judgement of received frames.

    ``dropped`` counts those of IPsec that do not go up, ``device`` those that the MAC found bad.
    """

    def __init__(
        self, places: Places, esn_fields: EsnFields, same_key: SameKey, dropped: Counter[str],
        device: NetDevice,
    ) -> None:
        self._places = places
        self._esn_fields = esn_fields
        self._same_key = same_key
        self._dropped = dropped
        self._device = device

    def up(self, frame: bytes, completion: dict[str, int]) -> SkBuff | None:
        """The frame that goes up to the stack for a frame from the device; None for a dropped one.

        ``completion`` has the fields of RX_COMPLETION. A frame that the device has opened or
        judged carries the SA and a status; any other carries neither, and is as it came. A frame
        with a status or a handle that the driver does not know is dropped: it might be in clear. So
        is a bad frame, whose bytes are not those that were sent.
        """
        if completion["status"] == RxStatus.BAD_FRAME:
            self._device.stats.update(("rx_errors", "rx_crc_errors"))
            return None
        try:
            status = STATUS.get(RxStatus(completion["status"]))
        except ValueError:
            self._dropped["ipsec_rx_drop_syndrome"] += 1
            return None
        opened = status == XfrmStatus.CRYPTO_SUCCESS
        if status is None or not (completion["sa"] or opened):
            return SkBuff(frame)
        place = SaDirection.RX, completion["sa"]
        x = self._places.states.get(place)
        if x and completion["status"] in _TWINS_MAY_HAVE and self._same_key.may_be_for_twin(x):
            return SkBuff(frame)
        if x is None:
            self._dropped["ipsec_rx_drop_sadb_miss"] += 1
            return None
        if not opened:
            return SkBuff(frame, SecPath(x, status))
        sequence_low = ESP_SEQUENCE.read(frame[completion["esp_offset"]:])
        if not self._esn_fields.agrees(x, place, sequence_low):
            status = XfrmStatus.CRYPTO_GENERIC_ERROR
        if x.encap:
            # Linux pulls the UDP header and leaves it in the sum.
            good = completion["outer_checksum"] == RxChecksum.GOOD
            return SkBuff(frame, SecPath(x, status), csum_level=0 if good else None)
        return SkBuff(frame, SecPath(x, status), completion["frame_checksum"])
