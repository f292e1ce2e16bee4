"""The mixes that are known to be hard, and are measured and published whatever a search finds.

A mix stays in the list when the engine has learnt to carry it.
"""

from dataclasses import dataclass

from espnic.sim.rate.mix import Kind, Mix, SaChoice, Stretch

SMALL_BYTES = 138
"""Length of the frame of a clear packet of 64 bytes in an IPv4 tunnel, with an ICV of 16 bytes."""
_LARGE_BYTES = 9074
"""Length of the frame of a clear packet of 9,000 bytes."""
_BESIDE_TX = (Stretch(Kind.OPENED, 64, 12, spread=1436),)
"""Frames that come in while the direction out is looked at."""
_BESIDE_RX = (Stretch(Kind.SEALED, 64, 12, spread=1436),)
_TUNNELS = SaChoice(key=16, icv=16, esn=False, family=4, udp=False)
_SHORTEST = SaChoice(icv=8, family=4, udp=False)
"""SAs whose shortest frame has 62 bytes: one beat at 512 bits."""


@dataclass(frozen=True)
class Known:
    """A mix, and the direction for whose sake it is known."""

    name: str
    side: str
    mix: Mix


def _out(name: str, *stretches: Stretch, sas: SaChoice = _TUNNELS) -> Known:
    return Known(name, "tx", Mix(stretches, _BESIDE_TX, sas))


def _in(name: str, *stretches: Stretch, sas: SaChoice = _TUNNELS) -> Known:
    return Known(name, "rx", Mix(_BESIDE_RX, stretches, sas))


def _burst(payload_bytes: int, mss: int) -> Stretch:
    return Stretch(Kind.CUT, payload_bytes, mss=mss)


_EVERY_TX = tuple(
    Stretch(kind, 62, 6, spread=1438) for kind in (Kind.SEALED, Kind.APPENDED, Kind.BYPASSED))
_EVERY_RX = tuple(
    Stretch(kind, 62, 6, spread=1438) for kind in (Kind.OPENED, Kind.FORGED, Kind.PLAIN))

KNOWN = (
    *(_out(f"64K-{count}", _burst(65400, 1460), Stretch(Kind.SEALED, SMALL_BYTES, count))
      for count in (40, 100)),
    *(_out(f"16K-{count}", _burst(16384, 1460), Stretch(Kind.SEALED, SMALL_BYTES, count))
      for count in (32, 64)),
    _out("jumbo-burst-40", _burst(2 * 8960, 8960), Stretch(Kind.SEALED, SMALL_BYTES, 40)),
    _out("short-burst-20", _burst(2 * 1460, 1460), Stretch(Kind.SEALED, SMALL_BYTES, 20)),
    *(_in(f"in-jumbo-plain-{count}", Stretch(Kind.OPENED, _LARGE_BYTES),
          Stretch(Kind.PLAIN, 60, count)) for count in (60, 100)),
    *(_out(f"out-jumbo-plain-{count}", Stretch(Kind.SEALED, _LARGE_BYTES),
           Stretch(Kind.BYPASSED, 60, count)) for count in (60, 100)),
    _out("out-jumbo-esp-100", Stretch(Kind.SEALED, _LARGE_BYTES),
         Stretch(Kind.SEALED, SMALL_BYTES, 100)),
    _out("small-clear-burst-65", Stretch(Kind.SUMMED, 60, 65),
         Stretch(Kind.CUT_PLAIN, 32768, mss=8960)),
    _in("in-expired-plain-100", Stretch(Kind.EXPIRED, 9600), Stretch(Kind.PLAIN, 60, 100)),
    _in("one-beat-esp", Stretch(Kind.OPENED, 62, 40), sas=_SHORTEST),
    _in("one-beat-forged", Stretch(Kind.FORGED, 62, 40, spread=2), sas=_SHORTEST),
    _out("one-beat-sealed", Stretch(Kind.SEALED, 62, 40), sas=_SHORTEST),
    Known("every-sa-in", "rx", Mix(_EVERY_TX, _EVERY_RX, shuffled=True)),
    Known("every-sa-out", "tx", Mix(_EVERY_TX, _EVERY_RX, shuffled=True)),
)
