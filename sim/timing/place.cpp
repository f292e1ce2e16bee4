// Places a netlist on a model of the UltraScale+ fabric by simulated annealing, and times it.
//
// The arguments are a seed and an effort, a factor for the number of moves. Every number of the
// fabric and every delay comes from a file, as sim/timing/placer.py writes it; the result goes to
// standard output as JSON. All delays are in ps. The same input and seed give the same result.
//
// The method is that of VPR (Betz, Rose and Marquardt, Architecture and CAD for Deep-Submicron
// FPGAs, 1999): the cost is the length of the nets and the delay of each connection, weighed by how
// critical it is.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

namespace {

constexpr float kNever = -1e9f;
constexpr int kCellArc = -1;
constexpr int kLutArc = -2;
constexpr double kTimingShare = 0.6;
constexpr double kOverfillCost = 2.0;     // of a LUT too many, in blocks' average cost
constexpr float kCriticalMin = 0.02f;     // connections below it have no timing cost
constexpr size_t kNetBlocksMax = 150;     // larger nets lie everywhere: their length is left out
constexpr double kExponentMax = 20.0;     // of the criticality, at the end
constexpr double kAcceptanceGoal = 0.44;
constexpr int kTemperaturesMax = 200;
constexpr int kMovesMin = 500;            // at each temperature
constexpr int kQuenches = 3;

[[noreturn]] void fail(const char *what) {
    std::fprintf(stderr, "%s\n", what);
    std::exit(1);
}

template <typename Number> Number number();
template <> int number<int>() {
    int value;
    if (std::scanf("%d", &value) != 1) fail("input: expected an integer");
    return value;
}
template <> float number<float>() {
    float value;
    if (std::scanf("%f", &value) != 1) fail("input: expected a number");
    return value;
}
template <typename Number> std::vector<Number> numbers(int count) {
    std::vector<Number> values(count);
    for (Number &value : values) value = number<Number>();
    return values;
}

struct Fabric {
    int luts, ffs;             // of a tile
    int ram_period, ram_rows;  // block RAM in each so many columns, as high as so many rows
    float utilisation;
    float base, crossing;               // leaving a site; crossing a column of block RAM
    std::vector<float> across, along;   // delay by distance in columns and in rows
    std::vector<float> lut_pins;        // the fastest first
    int columns = 0, rows = 0;

    bool ram_column(int x) const { return x % ram_period == ram_period - 1; }
    int luts_at(int x) const { return ram_column(x) ? luts / 2 : luts; }
    int ffs_at(int x) const { return ram_column(x) ? ffs / 2 : ffs; }
};

struct Block {
    bool ram;
    std::vector<int> luts, ffs;  // needed in each of its rows
    int rows() const { return static_cast<int>(luts.size()); }
};

struct Pin {
    int block, row;
    float start, setup;  // kNever where no path starts or ends
    bool border;
};

struct Arc {
    int from, to;
    float delay;
    int net;  // kCellArc, kLutArc, or the net that is routed
};

struct Timing {
    float period = 0;
    int end = -1;
    std::vector<float> arrival;
};

class Placer {
public:
    Placer(unsigned seed, double effort) : effort_(effort), random_(seed) {}
    void read();
    void place();
    void report();

private:
    void size_grid();
    void sort_pins();
    void index_arcs();
    void scatter();
    void start_temperature();
    void anneal();
    int block_at(int tile) const;
    void legalise();

    bool fits(int block, int x, int y) const;
    void occupy(int block, int sign);
    void put(int block, int x, int y);
    int overfill_at(int tile) const;
    int overfill(int block, int x, int y) const;
    float route(const Pin &from, const Pin &to) const;
    float arc_delay(const Arc &arc) const;
    float length(int net) const;
    Timing time(bool border, bool weigh);
    void choose_lut_pins(int pin, const std::vector<float> &arrival);
    void weigh(const Timing &timing);
    void recount();
    int random(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
    bool propose(int block, int &x, int &y, int &other);
    bool propose_ram(int block, int &x, int &y, int &other);
    double change(int block, int other);
    void accept();
    bool move(double temperature, bool always, double *changed = nullptr);
    double pass(double temperature);
    void print_path(const char *name, const Timing &timing) const;

    Fabric fabric_;
    std::vector<Block> blocks_;
    std::vector<Pin> pins_;
    std::vector<Arc> arcs_;
    std::vector<int> order_;
    std::vector<std::vector<int>> into_, out_of_;   // arcs of each pin
    std::vector<std::vector<int>> nets_;            // blocks of each net
    std::vector<std::vector<int>> block_nets_, block_arcs_;
    std::vector<int> x_, y_;
    std::vector<int> luts_used_, ffs_used_;         // of each tile
    std::vector<std::vector<int>> tile_blocks_;     // those of one row
    std::vector<int> ram_at_;                       // block in each place for a block RAM, or -1
    std::vector<float> weight_, net_cost_, arc_cost_;
    std::vector<int> net_mark_, arc_mark_;
    std::vector<std::pair<int, float>> net_changes_, arc_changes_;
    double length_ = 0, delay_ = 0, length_change_ = 0, delay_change_ = 0;
    double exponent_ = 1, range_ = 1, temperature_ = 0;
    int mark_ = 0;
    double effort_;
    std::mt19937 random_;
};

void Placer::read() {
    fabric_.luts = number<int>();
    fabric_.ffs = number<int>();
    fabric_.ram_period = number<int>();
    fabric_.ram_rows = number<int>();
    fabric_.utilisation = number<float>();
    fabric_.base = number<float>();
    fabric_.crossing = number<float>();
    fabric_.across = numbers<float>(number<int>());
    fabric_.along = numbers<float>(number<int>());
    fabric_.lut_pins = numbers<float>(number<int>());
    blocks_.resize(number<int>());
    for (Block &block : blocks_) {
        block.ram = number<int>() != 0;
        const int rows = number<int>();
        block.luts = numbers<int>(rows);
        block.ffs = numbers<int>(rows);
    }
    pins_.resize(number<int>());
    for (Pin &pin : pins_) {
        pin.block = number<int>();
        pin.row = number<int>();
        pin.start = number<float>();
        pin.setup = number<float>();
        pin.border = number<int>() != 0;
    }
    arcs_.resize(number<int>());
    for (Arc &arc : arcs_) {
        arc.from = number<int>();
        arc.to = number<int>();
        arc.delay = number<float>();
        arc.net = number<int>();
    }
}

// The smallest grid with room, up to twice as high as wide: a tile is wider than high.
void Placer::size_grid() {
    int luts = 0, ffs = 0, rams = 0, tallest = 1;
    for (const Block &block : blocks_) {
        for (int need : block.luts) luts += need;
        for (int need : block.ffs) ffs += need;
        rams += block.ram;
        tallest = std::max(tallest, block.rows());
    }
    for (int columns = 1;; columns++) {
        int luts_a_row = 0, ffs_a_row = 0;
        for (int x = 0; x < columns; x++) {
            luts_a_row += fabric_.luts_at(x);
            ffs_a_row += fabric_.ffs_at(x);
        }
        const int ram_columns = columns / fabric_.ram_period;
        if (rams && !ram_columns) continue;
        int rows = std::max({
            tallest, static_cast<int>(std::ceil(luts / (fabric_.utilisation * luts_a_row))),
            static_cast<int>(std::ceil(ffs / (fabric_.utilisation * ffs_a_row)))});
        if (rams) rows = std::max(rows, fabric_.ram_rows * ((rams + ram_columns - 1) / ram_columns));
        if (rows > std::max(2 * columns, tallest)) continue;
        fabric_.columns = columns;
        fabric_.rows = rows;
        break;
    }
    const int span = std::max(fabric_.columns, fabric_.rows) + tallest;
    if (span > static_cast<int>(std::min(fabric_.across.size(), fabric_.along.size())))
        fail("the design is larger than the table of distances");
}

void Placer::sort_pins() {
    into_.resize(pins_.size());
    out_of_.resize(pins_.size());
    std::vector<int> waiting(pins_.size());
    for (int index = 0; index < static_cast<int>(arcs_.size()); index++) {
        into_[arcs_[index].to].push_back(index);
        out_of_[arcs_[index].from].push_back(index);
        waiting[arcs_[index].to]++;
    }
    for (int pin = 0; pin < static_cast<int>(pins_.size()); pin++)
        if (!waiting[pin]) order_.push_back(pin);
    for (size_t next = 0; next < order_.size(); next++)
        for (int index : out_of_[order_[next]])
            if (!--waiting[arcs_[index].to]) order_.push_back(arcs_[index].to);
    if (order_.size() != pins_.size()) fail("a loop of logic");
}

void Placer::index_arcs() {
    block_nets_.resize(blocks_.size());
    block_arcs_.resize(blocks_.size());
    for (int index = 0; index < static_cast<int>(arcs_.size()); index++) {
        const Arc &arc = arcs_[index];
        if (arc.net < 0) continue;
        if (arc.net >= static_cast<int>(nets_.size())) nets_.resize(arc.net + 1);
        const int from = pins_[arc.from].block, to = pins_[arc.to].block;
        nets_[arc.net].push_back(from);
        nets_[arc.net].push_back(to);
        if (from == to) continue;
        block_arcs_[from].push_back(index);
        block_arcs_[to].push_back(index);
    }
    for (int net = 0; net < static_cast<int>(nets_.size()); net++) {
        std::vector<int> &members = nets_[net];
        std::sort(members.begin(), members.end());
        members.erase(std::unique(members.begin(), members.end()), members.end());
        if (members.size() > kNetBlocksMax) members.clear();
        for (int block : members) block_nets_[block].push_back(net);
    }
    net_cost_.resize(nets_.size());
    net_mark_.resize(nets_.size());
    arc_cost_.resize(arcs_.size());
    arc_mark_.resize(arcs_.size());
    weight_.assign(arcs_.size(), 1);
}

bool Placer::fits(int block, int x, int y) const {
    const Block &needs = blocks_[block];
    for (int row = 0; row < needs.rows(); row++) {
        const int tile = (y + row) * fabric_.columns + x;
        if (luts_used_[tile] + needs.luts[row] > fabric_.luts_at(x)
            || ffs_used_[tile] + needs.ffs[row] > fabric_.ffs_at(x)) return false;
    }
    return true;
}

void Placer::occupy(int block, int sign) {
    const Block &needs = blocks_[block];
    const int first = y_[block] * fabric_.columns + x_[block];
    for (int row = 0; row < needs.rows(); row++) {
        luts_used_[first + row * fabric_.columns] += sign * needs.luts[row];
        ffs_used_[first + row * fabric_.columns] += sign * needs.ffs[row];
    }
    if (needs.rows() > 1) return;
    std::vector<int> &here = tile_blocks_[first];
    if (sign > 0) here.push_back(block);
    else here.erase(std::find(here.begin(), here.end(), block));
}

void Placer::put(int block, int x, int y) {
    x_[block] = x;
    y_[block] = y;
    occupy(block, 1);
}

int Placer::overfill_at(int tile) const {
    const int x = tile % fabric_.columns;
    return std::max(0, luts_used_[tile] - fabric_.luts_at(x))
        + std::max(0, ffs_used_[tile] - fabric_.ffs_at(x));
}

// What the tiles have too much where the block is, or would be.
int Placer::overfill(int block, int x, int y) const {
    int sum = 0;
    for (int row = 0; row < blocks_[block].rows(); row++)
        sum += overfill_at((y + row) * fabric_.columns + x);
    return sum;
}

// Random places: the highest blocks first, as they need room in several rows.
void Placer::scatter() {
    const int tiles = fabric_.columns * fabric_.rows;
    luts_used_.assign(tiles, 0);
    ffs_used_.assign(tiles, 0);
    tile_blocks_.resize(tiles);
    x_.resize(blocks_.size());
    y_.resize(blocks_.size());
    const int ram_columns = fabric_.columns / fabric_.ram_period;
    ram_at_.assign(ram_columns * (fabric_.rows / fabric_.ram_rows), -1);
    std::vector<int> places(tiles), sequence(blocks_.size());
    for (int tile = 0; tile < tiles; tile++) places[tile] = tile;
    for (size_t block = 0; block < blocks_.size(); block++) sequence[block] = block;
    std::shuffle(places.begin(), places.end(), random_);
    std::stable_sort(sequence.begin(), sequence.end(), [&](int one, int other) {
        return blocks_[one].rows() > blocks_[other].rows(); });
    size_t next = 0;
    int rams = 0;
    for (int block : sequence) {
        if (blocks_[block].ram) {
            ram_at_[rams] = block;
            x_[block] = (rams % ram_columns + 1) * fabric_.ram_period - 1;
            y_[block] = rams / ram_columns * fabric_.ram_rows;
            rams++;
            continue;
        }
        int tile = -1;
        for (int tries = 0; tries < tiles; tries++) {
            const int candidate = places[next++ % tiles];
            if (candidate / fabric_.columns + blocks_[block].rows() > fabric_.rows) continue;
            tile = candidate;
            if (fits(block, tile % fabric_.columns, tile / fabric_.columns)) break;
        }
        put(block, tile % fabric_.columns, tile / fabric_.columns);
    }
}

float Placer::route(const Pin &from, const Pin &to) const {
    const int x = x_[from.block], other = x_[to.block];
    const int dy = std::abs(y_[from.block] + from.row - y_[to.block] - to.row);
    return fabric_.base + fabric_.across[std::abs(x - other)] + fabric_.along[dy]
        + fabric_.crossing * std::abs(x / fabric_.ram_period - other / fabric_.ram_period);
}

float Placer::arc_delay(const Arc &arc) const {
    return arc.net < 0 ? arc.delay : arc.delay + route(pins_[arc.from], pins_[arc.to]);
}

// Half the circumference of the rectangle around a net, with VPR's factor for many pins. A column
// counts as two rows.
float Placer::length(int net) const {
    static const float kFactor[] = {1, 1, 1, 1, 1.0828f, 1.1536f, 1.2206f, 1.2823f, 1.3385f, 1.3991f,
                                    1.4493f};
    const std::vector<int> &members = nets_[net];
    if (members.size() < 2) return 0;
    int left = std::numeric_limits<int>::max(), right = 0, low = left, high = 0;
    for (int block : members) {
        left = std::min(left, x_[block]);
        right = std::max(right, x_[block]);
        low = std::min(low, y_[block]);
        high = std::max(high, y_[block]);
    }
    const size_t pins = members.size();
    const float factor = pins <= 10 ? kFactor[pins] : 1.4493f + (pins - 10) * 0.02616f;
    return factor * (2.0f * (right - left) + (high - low));
}

// The inputs of a LUT are swapped until the last to arrive has the fastest pin.
void Placer::choose_lut_pins(int pin, const std::vector<float> &arrival) {
    std::vector<int> &inputs = into_[pin];
    std::stable_sort(inputs.begin(), inputs.end(), [&](int one, int other) {
        return arrival[arcs_[one].from] > arrival[arcs_[other].from]; });
    for (size_t rank = 0; rank < inputs.size(); rank++)
        arcs_[inputs[rank]].delay = fabric_.lut_pins[rank];
}

// Arrival at each pin and the longest path: of all, or of those that touch no border.
Timing Placer::time(bool border, bool weigh_arcs) {
    Timing timing;
    timing.arrival.assign(pins_.size(), kNever);
    for (int pin : order_) {
        float latest = border || !pins_[pin].border ? pins_[pin].start : kNever;
        const std::vector<int> &inputs = into_[pin];
        if (!inputs.empty() && arcs_[inputs[0]].net == kLutArc)
            choose_lut_pins(pin, timing.arrival);
        for (int index : inputs) {
            const float at = timing.arrival[arcs_[index].from];
            if (at != kNever) latest = std::max(latest, at + arc_delay(arcs_[index]));
        }
        timing.arrival[pin] = latest;
        if (pins_[pin].setup == kNever || latest == kNever || (!border && pins_[pin].border))
            continue;
        if (timing.end < 0 || latest + pins_[pin].setup > timing.period) {
            timing.period = latest + pins_[pin].setup;
            timing.end = pin;
        }
    }
    if (weigh_arcs) weigh(timing);
    return timing;
}

// Weigh each routed connection by how little slack the paths over it have.
void Placer::weigh(const Timing &timing) {
    const float never = -kNever;
    std::vector<float> required(pins_.size(), never);
    for (auto pin = order_.rbegin(); pin != order_.rend(); ++pin) {
        float at = pins_[*pin].setup == kNever ? never : timing.period - pins_[*pin].setup;
        for (int index : out_of_[*pin])
            if (required[arcs_[index].to] != never)
                at = std::min(at, required[arcs_[index].to] - arc_delay(arcs_[index]));
        required[*pin] = at;
    }
    for (size_t index = 0; index < arcs_.size(); index++) {
        const Arc &arc = arcs_[index];
        weight_[index] = 0;
        if (arc.net < 0 || timing.arrival[arc.from] == kNever || required[arc.to] == never) continue;
        const float slack = required[arc.to] - timing.arrival[arc.from] - arc_delay(arc);
        const float critical = 1 - slack / timing.period;
        if (critical >= kCriticalMin)
            weight_[index] = std::pow(std::min(1.0f, critical), static_cast<float>(exponent_));
    }
}

// Sum all costs anew: the weights have changed, and increments have lost bits.
void Placer::recount() {
    length_ = delay_ = 0;
    for (size_t net = 0; net < nets_.size(); net++)
        length_ += net_cost_[net] = length(net);
    for (size_t index = 0; index < arcs_.size(); index++) {
        const Arc &arc = arcs_[index];
        arc_cost_[index] = 0;
        if (arc.net < 0 || weight_[index] == 0) continue;
        delay_ += arc_cost_[index] = weight_[index] * route(pins_[arc.from], pins_[arc.to]);
    }
}

// Another place for a block, and the block there that goes to the place it leaves, or -1.
bool Placer::propose(int block, int &x, int &y, int &other) {
    if (blocks_[block].ram) return propose_ram(block, x, y, other);
    const int range = std::max(1, static_cast<int>(range_));
    const int left = std::max(0, x_[block] - range);
    const int low = std::max(0, y_[block] - 2 * range);
    const int last = fabric_.rows - blocks_[block].rows();
    x = left + random(std::min(fabric_.columns - 1, x_[block] + range) - left + 1);
    y = low + random(std::min(last, y_[block] + 2 * range) - low + 1);
    if (x == x_[block] && y == y_[block]) return false;
    other = -1;
    if (fits(block, x, y) || blocks_[block].rows() > 1) return true;
    const std::vector<int> &there = tile_blocks_[y * fabric_.columns + x];
    if (there.empty()) return false;
    other = there[random(there.size())];
    const Block &mine = blocks_[block], &theirs = blocks_[other];
    const int here = y_[block] * fabric_.columns + x_[block], target = y * fabric_.columns + x;
    const int luts = mine.luts[0] - theirs.luts[0], ffs = mine.ffs[0] - theirs.ffs[0];
    return luts_used_[target] + luts <= fabric_.luts_at(x)
        && ffs_used_[target] + ffs <= fabric_.ffs_at(x)
        && luts_used_[here] - luts <= fabric_.luts_at(x_[block])
        && ffs_used_[here] - ffs <= fabric_.ffs_at(x_[block]);
}

bool Placer::propose_ram(int block, int &x, int &y, int &other) {
    const int columns = fabric_.columns / fabric_.ram_period;
    const int place = random(ram_at_.size());
    x = (place % columns + 1) * fabric_.ram_period - 1;
    y = place / columns * fabric_.ram_rows;
    other = ram_at_[place];
    return other != block;
}

// Cost that has come with new places of one or two blocks, noted until it is accepted.
double Placer::change(int block, int other) {
    mark_++;
    net_changes_.clear();
    arc_changes_.clear();
    length_change_ = delay_change_ = 0;
    for (int moved : {block, other}) {
        if (moved < 0) continue;
        for (int net : block_nets_[moved]) {
            if (net_mark_[net] == mark_) continue;
            net_mark_[net] = mark_;
            const float cost = length(net);
            net_changes_.emplace_back(net, cost);
            length_change_ += cost - net_cost_[net];
        }
        for (int index : block_arcs_[moved]) {
            if (weight_[index] == 0 || arc_mark_[index] == mark_) continue;
            arc_mark_[index] = mark_;
            const Arc &arc = arcs_[index];
            const float cost = weight_[index] * route(pins_[arc.from], pins_[arc.to]);
            arc_changes_.emplace_back(index, cost);
            delay_change_ += cost - arc_cost_[index];
        }
    }
    return (1 - kTimingShare) * length_change_ / std::max(1.0, length_)
        + kTimingShare * delay_change_ / std::max(1.0, delay_);
}

void Placer::accept() {
    for (const auto &[net, cost] : net_changes_) net_cost_[net] = cost;
    for (const auto &[index, cost] : arc_changes_) arc_cost_[index] = cost;
    length_ += length_change_;
    delay_ += delay_change_;
}

// Try one move; whether it was made.
bool Placer::move(double temperature, bool always, double *changed) {
    const int block = random(blocks_.size());
    int x, y, other = -1;
    if (!propose(block, x, y, other)) return false;
    const int old_x = x_[block], old_y = y_[block];
    const bool ram = blocks_[block].ram;
    int before = 0, after = 0;
    if (!ram) {
        before = overfill(block, old_x, old_y) + overfill(block, x, y);
        occupy(block, -1);
        if (other >= 0) {
            occupy(other, -1);
            put(other, old_x, old_y);
        }
        put(block, x, y);
        after = overfill(block, old_x, old_y) + overfill(block, x, y);
    } else {
        x_[block] = x;
        y_[block] = y;
        if (other >= 0) {
            x_[other] = old_x;
            y_[other] = old_y;
        }
    }
    const double cost = change(block, other)
        + kOverfillCost * (after - before) / static_cast<double>(blocks_.size());
    if (changed) *changed = cost;
    if (always || cost <= 0
        || (temperature > 0 && random_() / 4294967296.0 < std::exp(-cost / temperature))) {
        accept();
        if (ram) {
            const int columns = fabric_.columns / fabric_.ram_period;
            auto place = [&](int at_x, int at_y) -> int & {
                return ram_at_[at_y / fabric_.ram_rows * columns + at_x / fabric_.ram_period];
            };
            place(x, y) = block;
            place(old_x, old_y) = other;
        }
        return true;
    }
    if (ram) {
        x_[block] = old_x;
        y_[block] = old_y;
        if (other >= 0) {
            x_[other] = x;
            y_[other] = y;
        }
        return false;
    }
    occupy(block, -1);
    if (other >= 0) {
        occupy(other, -1);
        put(other, x, y);
    }
    put(block, old_x, old_y);
    return false;
}

// As many moves as belong to one temperature; the share of them that were made.
double Placer::pass(double temperature) {
    const int moves = std::max(kMovesMin, static_cast<int>(effort_ * std::pow(blocks_.size(), 4.0 / 3)));
    int made = 0;
    for (int count = 0; count < moves; count++) made += move(temperature, false);
    return static_cast<double>(made) / moves;
}

// Twenty times the spread of the cost over moves that are all made.
void Placer::start_temperature() {
    double sum = 0, squares = 0;
    int made = 0;
    for (size_t count = 0; count < std::min<size_t>(blocks_.size(), 5000); count++) {
        double cost = 0;
        if (!move(0, true, &cost)) continue;
        sum += cost;
        squares += cost * cost;
        made++;
    }
    if (made)
        temperature_ = 20 * std::sqrt(std::max(0.0, squares / made - sum / made * (sum / made)));
}

void Placer::anneal() {
    const double widest = std::max(fabric_.columns, fabric_.rows);
    range_ = widest;
    start_temperature();
    const double coldest = 0.005 / std::max<size_t>(1, nets_.size());
    for (int count = 0; count < kTemperaturesMax && temperature_ > coldest; count++) {
        const double made = pass(temperature_);
        temperature_ *= made > 0.96 ? 0.5 : made > 0.8 ? 0.9 : made > 0.15 || range_ > 1 ? 0.95 : 0.8;
        range_ = std::clamp(range_ * (1 - kAcceptanceGoal + made), 1.0, widest);
        exponent_ = 1 + (1 - (range_ - 1) / std::max(1.0, widest - 1)) * (kExponentMax - 1);
        time(true, true);
        recount();
        if (made < 0.005 && range_ <= 1) break;
    }
}

// A block that takes part of a tile, one of a single row if there is one.
int Placer::block_at(int tile) const {
    if (!tile_blocks_[tile].empty()) return tile_blocks_[tile].back();
    const int x = tile % fabric_.columns, y = tile / fabric_.columns;
    for (int block = 0; block < static_cast<int>(blocks_.size()); block++)
        if (!blocks_[block].ram && x_[block] == x && y_[block] <= y
            && y < y_[block] + blocks_[block].rows()) return block;
    return -1;
}

// Take what is too much out of full tiles, to the nearest place with room.
void Placer::legalise() {
    for (int tile = 0; tile < fabric_.columns * fabric_.rows; tile++) {
        while (overfill_at(tile)) {
            const int block = block_at(tile);
            const int from_x = x_[block], from_y = y_[block];
            occupy(block, -1);
            int best_x = -1, best_y = -1, nearest = std::numeric_limits<int>::max();
            for (int x = 0; x < fabric_.columns; x++) {
                for (int y = 0; y + blocks_[block].rows() <= fabric_.rows; y++) {
                    const int far = 2 * std::abs(x - from_x) + std::abs(y - from_y);
                    if (!far || far >= nearest || !fits(block, x, y)) continue;
                    nearest = far;
                    best_x = x;
                    best_y = y;
                }
            }
            if (best_x < 0) fail("no room for all cells");
            put(block, best_x, best_y);
        }
    }
}

void Placer::place() {
    size_grid();
    sort_pins();
    index_arcs();
    scatter();
    if (fabric_.columns * fabric_.rows > 1) {
        time(true, true);
        recount();
        anneal();
        legalise();
        for (int count = 0; count < kQuenches; count++) {
            time(true, true);
            recount();
            pass(0);
        }
        legalise();
    }
}

void Placer::print_path(const char *name, const Timing &timing) const {
    std::printf("\"%s\": {\"period\": %.1f, \"steps\": [", name, timing.end < 0 ? 0 : timing.period);
    std::vector<std::pair<int, float>> steps;  // pin, and the routed delay of the arc into it
    for (int pin = timing.end; pin >= 0;) {
        int from = -1;
        float wire = 0;
        for (int index : into_[pin]) {
            const Arc &arc = arcs_[index];
            if (timing.arrival[arc.from] == kNever
                || timing.arrival[arc.from] + arc_delay(arc) != timing.arrival[pin]) continue;
            from = arc.from;
            wire = arc.net < 0 ? 0 : route(pins_[arc.from], pins_[arc.to]);
            break;
        }
        steps.emplace_back(pin, wire);
        pin = from;
    }
    std::reverse(steps.begin(), steps.end());
    for (size_t step = 0; step < steps.size(); step++) {
        const auto &[pin, wire] = steps[step];
        std::printf("%s[%d, %.1f, %.1f]", step ? ", " : "", pin, timing.arrival[pin], wire);
    }
    std::printf("]}");
}

void Placer::report() {
    std::printf("{\"columns\": %d, \"rows\": %d, ", fabric_.columns, fabric_.rows);
    print_path("all", time(true, false));
    std::printf(", ");
    print_path("inner", time(false, false));
    std::printf("}\n");
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 4) fail("usage: place SEED EFFORT FILE");
    if (!std::freopen(arguments[3], "r", stdin)) fail("no such file");
    Placer placer(std::atoi(arguments[1]), std::atof(arguments[2]));
    placer.read();
    placer.place();
    placer.report();
}
