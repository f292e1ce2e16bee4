# Each target sets up the machine by itself; see .ci/setup.
BIN := .venv/bin
CAPTURE := captures/tun4_gcm128

.PHONY: setup run test clean

setup:
	@sh .ci/setup

# ESP packets of the Linux kernel through the RTL and the model: received, then sent.
run: setup
	$(BIN)/espnic run --rx $(CAPTURE).pcap --sa $(CAPTURE).json -o out/rx
	$(BIN)/espnic run --tx $(CAPTURE).plain.pcap --sa $(CAPTURE).json -o out/tx

test: setup
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist worksteal

clean:
	rm -rf build out
