"""Small netlists as Yosys maps them and writes them with ``write_json``."""


def cell(kind, outputs=("O", "Q"), **nets):
    """A cell of a netlist; its nets are lists of bits or single ones."""
    connections = {port: net if isinstance(net, list) else [net] for port, net in nets.items()}
    return {
        "type": kind,
        "port_directions": {
            port: "output" if port in outputs else "input" for port in connections},
        "connections": connections,
    }


def flop(d, q):
    return cell("FDRE", C=1, CE="1", D=d, Q=q, R="0")


def mapped_module(cells, ports=(), names=()):
    """A module of cells, of ports (name, direction, bits), and of names of nets."""
    return {
        "cells": {str(number): each for number, each in enumerate(cells)},
        "ports": {name: {"direction": way, "bits": bits} for name, way, bits in ports},
        "netnames": {name: {"hide_name": 0, "bits": bits} for name, bits in dict(names).items()},
    }
