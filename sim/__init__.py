"""Simulation: builds, stream agents, replay of captures, comparison of traces, the command."""
