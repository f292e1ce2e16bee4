"""From a component to a simulation: Verilog, simulators, builds."""
