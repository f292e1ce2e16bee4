"""Small inputs that were reported from outside, with what a replay must say of each."""

from dataclasses import dataclass

from tests.support.paths import CAPTURES

FIELD = CAPTURES / "field"


@dataclass(frozen=True)
class Input:
    """A capture with its SAs, and the words that the summary of a replay must have."""

    capture: str
    sas: str
    says: tuple[str, ...]
    sent: bool = False
    """Clear packets to be sealed; else frames from the wire."""

    def arguments(self, command: str, output: object) -> list[str]:
        """Arguments of a call that replays it into a folder."""
        return [command, "--tx" if self.sent else "--rx", str(FIELD / self.capture),
                "--sa", str(FIELD / self.sas), "-o", str(output)]


INPUTS = {
    "ESP in UDP whose sender fills the checksum": Input(
        "natt.pcap", "natt.json", ("OK 2",)),
    "a frame behind one that is too long": Input(
        "window_behind_oversize.pcap", "window_behind_oversize.json", ("OK 2", "OVERSIZE 1")),
    "a window larger than that of the build": Input(
        "r_w1024.pcap", "r_w1024.json",
        ("NO_SA 700", "ab: device_window with a replay_window of 1,024 packets, this build keeps "
         "128 at most; it is left to software")),
    "a packet without payload in transport mode": Input(
        "empty_transport.plain.pcap", "empty_transport.json",
        ("SEALED 1", "peer refuses packet 1: no payload: Linux takes the trailer"), sent=True),
    "IPv4 and IPv6 inside one SA": Input(
        "dual_stack.pcap", "dual_stack.json",
        ("SEALED 2", "opened again 2 packets, as they were in clear"), sent=True),
    "addresses with a zone": Input(
        "zone_id.pcap", "zone_id.json",
        ("SEALED 1", "opened again 1 packets, as they were in clear"), sent=True),
    "packets of a pcapng without a limit": Input(
        "spb_snaplen0.pcapng", "natt.json", ("NO_SA 2",)),
    "packets of a pcapng with a limit above their length": Input(
        "spb_snaplen262144.pcapng", "natt.json", ("NO_SA 2",)),
}
