"""cocotb side of the memory in tests/sim/test_build.py."""

import cocotb
from cocotb.triggers import Timer

ROM = [*[0] * 100, *range(20), *[255] * 8]


@cocotb.test()
async def every_cell_has_its_contents(dut):
    await read_all(dut, ROM)


@cocotb.test()
async def every_cell_is_zero(dut):
    await read_all(dut, [0] * len(ROM))


async def read_all(dut, contents):
    for address, value in enumerate(contents):
        dut.address.value = address
        await Timer(1, "ns")
        assert int(dut.value.value) == value, f"address {address}"
