"""What drives a simulation: builds, stream agents, capture replay, trace compare, the command."""
