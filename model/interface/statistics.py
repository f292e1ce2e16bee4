"""The statistics that ``ethtool -S`` prints, and the counters of the device that make them.

Names and meanings are those of the Linux drivers that offload IPsec: mlx5 for the names with
``ipsec_``, ixgbe for ``tx_ipsec`` and ``rx_ipsec``. Every frame counts once, and so does every
segment; bytes are those of whole frames from the Ethernet header on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from espnic.model.interface.codes import RxStatus, TxStatus


@dataclass(frozen=True)
class Statistic:
    """One line of the list: the counters named in ``plus`` less those named in ``minus``."""

    name: str
    doc: str
    plus: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()

    def value(self, counters: Mapping[str, int]) -> int:
        """The value of the line.

        ``counters`` are those of ``model.interface.registers.counters``, all read at one time.
        """
        return (sum(counters[name] for name in self.plus)
                - sum(counters[name] for name in self.minus))


PASSED = (
    RxStatus.SYNTAX, RxStatus.TRUNCATED, RxStatus.NOT_IP, RxStatus.BAD_HEADER,
    RxStatus.IP_OPTIONS, RxStatus.FRAGMENT, RxStatus.EXT_HEADER, RxStatus.NOT_ESP,
    RxStatus.KEEPALIVE, RxStatus.NON_ESP_MARKER, RxStatus.NO_SA, RxStatus.BAD_UDP_CHECKSUM,
    RxStatus.SA_GONE, RxStatus.FAULT, RxStatus.BAD_FRAME,
)
"""Received frames that leave without having been decrypted."""

NOT_KEPT = (RxStatus.OVERSIZE,)
"""Received frames that do not leave."""

DECRYPTED = tuple(status for status in RxStatus if status not in (*PASSED, *NOT_KEPT))
"""Received frames that were decrypted, whatever came of it."""

DROPPED = tuple(status for status in TxStatus if status > TxStatus.BYPASSED)
"""Requests that do not leave."""


def _rx(*statuses: RxStatus) -> tuple[str, ...]:
    return tuple(f"rx_{status.name.lower()}" for status in statuses)


def _tx(*statuses: TxStatus) -> tuple[str, ...]:
    return tuple(f"tx_{status.name.lower()}" for status in statuses)


_OPENED, _SEALED = _rx(RxStatus.OK), _tx(TxStatus.SEALED)

HARDWARE = (
    Statistic("ipsec_dec_in_packets", "frames that were decrypted", _rx(*DECRYPTED)),
    Statistic("ipsec_dec_out_packets", "frames that left decrypted", _OPENED),
    Statistic("ipsec_dec_bypass_packets", "frames that left without having been decrypted",
              _rx(*PASSED)),
    Statistic("ipsec_dec_drop_packets", "received frames that did not leave", _rx(*NOT_KEPT)),
    Statistic("ipsec_dec_auth_fail_packets", "frames that failed authentication",
              _rx(RxStatus.AUTH_FAILED)),
    Statistic("ipsec_enc_in_packets", "frames sealed and requests refused",
              (*_SEALED, *_tx(*DROPPED))),
    Statistic("ipsec_enc_out_packets", "frames that left sealed", _SEALED),
    Statistic("ipsec_enc_bypass_packets", "frames that left as they came",
              _tx(TxStatus.BYPASSED)),
    Statistic("ipsec_enc_drop_packets", "requests refused", _tx(*DROPPED)),
    Statistic("ipsec_add_sa_success", "SAs added", ("sa_add_success",)),
    Statistic("ipsec_add_sa_fail", "SAs that could not be added", ("sa_add_fail",)),
    Statistic("ipsec_del_sa_success", "SAs deleted", ("sa_delete_success",)),
    Statistic("ipsec_del_sa_fail", "SAs that could not be deleted", ("sa_delete_fail",)),
    Statistic("ipsec_cmd_drop", "SA commands given while another one ran",
              ("sa_command_dropped",)),
    Statistic("ipsec_rx_pkts", "frames opened", _OPENED),
    Statistic("ipsec_rx_bytes", "bytes of frames opened", ("rx_bytes_opened",)),
    Statistic("ipsec_rx_drop_pkts", "received frames that did not leave", _rx(*NOT_KEPT)),
    Statistic("ipsec_rx_drop_bytes",
              "bytes of received frames that did not leave, each up to the longest frame",
              ("rx_bytes_in",), ("rx_bytes_out",)),
    Statistic("ipsec_rx_drop_mismatch_sa_sel",
              "frames outside the selector of their SA: 0, the stack checks selectors"),
    Statistic("ipsec_tx_pkts", "frames sealed", _SEALED),
    Statistic("ipsec_tx_bytes", "bytes of frames sealed", ("tx_bytes_sealed",)),
    Statistic("ipsec_tx_drop_pkts", "requests refused", _tx(*DROPPED)),
    Statistic("ipsec_tx_drop_bytes", "bytes of requests refused", ("tx_bytes_dropped",)),
    Statistic("tx_ipsec", "frames sealed", _SEALED),
    Statistic("rx_ipsec", "frames opened", _OPENED),
)
"""Statistics that the device counts."""

DRIVER = (
    Statistic("ipsec_rx_drop_sp_alloc", "no memory for a secpath"),
    Statistic("ipsec_rx_drop_sadb_miss", "a handle that the driver does not know"),
    Statistic("ipsec_rx_drop_syndrome", "a status that the driver does not know"),
    Statistic("ipsec_tx_drop_bundle", "more than one transform"),
    Statistic("ipsec_tx_drop_no_state", "no state in the secpath"),
    Statistic("ipsec_tx_drop_not_ip", "neither IPv4 nor IPv6, or a state without handle"),
    Statistic("ipsec_tx_drop_trailer", "a trailer that cannot be read"),
    Statistic("ipsec_tx_drop_metadata", "no room for what the device must be told"),
)
"""Statistics that the driver counts: frames that never reach the device or never leave it."""


def statistics(
    counters: Mapping[str, int], driver: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """The whole list in its order: the device's statistics, then the driver's.

    ``driver`` has values of ``DRIVER`` by name; those not given are 0. Raises ``KeyError``
    for a name that is not in ``DRIVER``.
    """
    kept = dict(driver or {})
    values = {one.name: one.value(counters) for one in HARDWARE}
    values |= {name: kept.pop(name, 0) for name in _names(DRIVER)}
    if kept:
        raise KeyError(f"the driver keeps no statistic {sorted(kept)[0]!r}")
    return values


def _names(statistics: Iterable[Statistic]) -> list[str]:
    return [one.name for one in statistics]
