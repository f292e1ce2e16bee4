"""cocotb side of the memory in tests/test_build.py."""

import cocotb
from cocotb.triggers import Timer

ROM = [*[0] * 100, *range(20), *[255] * 8]


@cocotb.test()
async def every_address_has_its_value(dut):
    for address, value in enumerate(ROM):
        dut.address.value = address
        await Timer(1, "ns")
        assert int(dut.value.value) == value, f"address {address}"
