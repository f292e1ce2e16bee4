// Runs a load through the Verilated rig of the engine without cocotb, to measure what cocotb costs.
// Arguments: folder of the SA table, clocks to wait for the sweep, frames to come out of tx and rx.
// The load lies in the current folder. Prints the clocks of the run, and the processor time in
// seconds that they took.

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "Vtop.h"
#include "verilated.h"

namespace {

vluint64_t now = 0;

void run_clocks(Vtop& top, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        top.clk = 1;
        top.eval();
        ++now;
        top.clk = 0;
        top.eval();
        ++now;
    }
}

template <typename Pin>
void pulse(Vtop& top, Pin& pin) {
    pin = 1;
    run_clocks(top, 1);
    pin = 0;
}

}  // namespace

double sc_time_stamp() { return static_cast<double>(now); }

int main(int argc, char** argv) {
    constexpr unsigned reset_clocks = 4;
    if (argc != 5) return 2;
    Vtop top;
    top.rst = 1;
    run_clocks(top, reset_clocks);
    top.rst = 0;
    run_clocks(top, std::strtoul(argv[2], nullptr, 10));

    const auto run_folder = std::filesystem::current_path();
    std::filesystem::current_path(argv[1]);
    pulse(top, top.load);
    std::filesystem::current_path(run_folder);

    top.played = 1;
    top.tx_frames = std::strtoul(argv[3], nullptr, 10);
    top.rx_frames = std::strtoul(argv[4], nullptr, 10);
    const std::clock_t began = std::clock();
    const unsigned clock = top.clock;
    pulse(top, top.start);
    while (!top.done) run_clocks(top, 1);
    const double taken = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
    std::printf("%u %.6f\n", top.clock - clock, taken);
    top.final();
    return 0;
}
