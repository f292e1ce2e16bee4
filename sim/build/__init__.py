"""Steps from a component to a simulation: Verilog, simulators, builds, and what they keep."""
