"""Where the tests find the project's files."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CAPTURES = PROJECT / "captures"
