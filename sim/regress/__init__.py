"""Regressions: the benches with fresh seeds, and a report of what they found."""
