"""What drives and watches the ports of a design in cocotb."""
