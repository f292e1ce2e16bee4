"""The core file for FuseSoC (CAPI2), with targets of Edalize's flows."""


def core(name: str, version: str, words: str) -> str:
    """Text of the core file; ``words`` tell the build in one line."""
    return f"""CAPI=2:
name: espnic:esp:{name}:{version}
description: Inline IPsec ESP offload engine, {words}

filesets:
  rtl:
    files: [{name}.v]
    file_type: verilogSource
  example:
    files: [{name}_example.v]
    file_type: verilogSource
  tb:
    files: [{name}_tb.v]
    file_type: verilogSource

targets:
  default:
    filesets: [rtl]
    toplevel: {name}
  lint:
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
    filesets: [rtl, example]
    toplevel: {name}_example
  sim:
    flow: sim
    flow_options:
      tool: icarus
    filesets: [rtl, tb]
    toplevel: {name}_tb
  sim_verilator:
    flow: sim
    flow_options:
      tool: verilator
      mode: cc
      verilator_options: [--main, --timing, --timescale, 1ns/1ps]
    filesets: [rtl, tb]
    toplevel: {name}_tb
"""
