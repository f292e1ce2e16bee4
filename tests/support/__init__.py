"""Parts that tests share: SAs, packets, frames, devices, comparisons, mutants, and paths."""
