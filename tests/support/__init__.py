"""What tests share: SAs, packets, frames, benches of the Linux side, and where things lie."""
