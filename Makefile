# Each target sets up the machine by itself; see .ci/setup.
BIN := .venv/bin
CAPTURE := captures/tun4_gcm128

.PHONY: setup run life docs lint check test night prove clean

setup:
	@sh .ci/setup

# ESP packets of the Linux kernel through the RTL and the model: received, then sent.
run: setup
	$(BIN)/espnic run --rx $(CAPTURE).pcap --sa $(CAPTURE).json -o out/rx
	$(BIN)/espnic run --tx $(CAPTURE).plain.pcap --sa $(CAPTURE).json -o out/tx

# The life of an SA pair: driver, registers and packets, on the RTL and on the model.
life: setup
	$(BIN)/espnic life

# All documents and parts of documents that are made from the code.
docs: setup
	$(BIN)/python -m espnic.sim.docs

# Style, types, and which room may import from which.
lint: setup
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Lint, the plain tests that are quick, and the quick bench of each block.
check: lint
	$(BIN)/pytest -n auto --dist worksteal -m "not slow"

# All tests but those of the night.
test: lint
	$(BIN)/pytest -n auto --dist worksteal -m "not night and not mutants"

# What takes long and repeats what the other tests prove: larger sizes, faults put into the RTL.
night: setup
	$(BIN)/pytest -n auto --dist worksteal -m "night or mutants"

# Properties of the blocks, for all inputs, by a solver.
prove: setup
	$(BIN)/espnic prove --jobs 2

clean:
	rm -rf build out
