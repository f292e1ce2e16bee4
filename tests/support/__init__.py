"""What tests share: SAs, packets, frames, devices, comparisons, mutants, and where things lie."""
