"""Where the tests find the project's files."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CAPTURES = PROJECT / "captures"
CAPTURE_NAMES = sorted(path.stem for path in CAPTURES.glob("*.json"))
"""Names of the captures of ESP packets."""
HANDOFFS = sorted((CAPTURES / "handoff").glob("*.json"))
"""Files that say what Linux handed an offload device."""
VXLAN = sorted((CAPTURES / "vxlan").glob("*.json"))
"""Such files of a device that also cuts the super-frames of UDP tunnels."""
