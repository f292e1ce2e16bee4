"""Agents that drive and watch the ports of a design in cocotb."""
