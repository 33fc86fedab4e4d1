// Sparse convolution of bfloat16: widened, and by what imitates instructions for it.
#include <cstring>
#include <utility>

#include "check/check.hpp"
#include "kernels/half_lanes.hpp"
#include "sparse/convolve.hpp"

namespace sparse3d::check {
namespace {

using Halves = std::vector<bfloat16>;

// Of the upper bits of many numbers.
Halves halves(Random& random, std::int64_t count) {
  Halves values(static_cast<std::size_t>(count));
  for (bfloat16& value : values) {
    const float number = random.between(-1, 1);
    std::uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    value.bits = static_cast<std::uint16_t>(bits >> 16);
  }
  return values;
}

// Pairs of offsets, as many as rows of tiles and about that, over more than one block of outputs.
struct Pairs {
  std::vector<std::int32_t> from, to;
  std::vector<std::int64_t> counts = {0, 1, 15, 16, 17, 100, 32, 33};

  Pairs(Random& random, std::int32_t inputs, std::int32_t outputs) {
    for (const std::int64_t count : counts)
      for (std::int32_t i = 0; i < count; ++i) {
        from.push_back(random.below(inputs));
        to.push_back(static_cast<std::int32_t>((i + 1) * std::int64_t{outputs} / (count + 1)));
      }
  }
};

std::vector<int> bits_of(const Halves& values) {
  std::vector<int> bits;
  for (const bfloat16 value : values) bits.push_back(value.bits);
  return bits;
}

// Places of numbers that lie further apart than roundings of nearly the same.
std::vector<int> far_apart(const Halves& values, const Halves& others) {
  std::vector<int> places;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float a = SPARSE3D_ISA::widened(values[i].bits);
    const float b = SPARSE3D_ISA::widened(others[i].bits);
    if (!(std::fabs(a - b) <= 0x1p-7f * std::fabs(b) + 1e-4f)) places.push_back(static_cast<int>(i));
  }
  return places;
}

void check_channels(int inputs, int outputs) {
  constexpr std::int32_t kInputs = 110, kOutputs = 300;
  Random random(static_cast<std::uint64_t>(inputs * 1000 + outputs));
  const Pairs pairs(random, kInputs, kOutputs);
  const auto offsets = static_cast<std::int64_t>(pairs.counts.size());
  const PairList rules(pairs.from.data(), pairs.to.data(),
                       static_cast<std::int64_t>(pairs.from.size()), pairs.counts.data(), offsets,
                       kInputs, kOutputs);
  const Halves features = halves(random, std::int64_t{kInputs} * inputs);
  const Halves weight = halves(random, offsets * inputs * outputs);
  for (const bool transposed : {false, true}) {
    const auto result = [&](const HalfProducts* products) {
      Halves out(static_cast<std::size_t>(kOutputs * outputs));
      convolve(rules, {features.data(), weight.data(), inputs, outputs, transposed}, kOutputs,
               products, out.data());
      return out;
    };
    const Halves dot = result(&kDotEmulated), tiles = result(&kTilesEmulated);
    const std::string name = "halves." + std::to_string(inputs) + "to" + std::to_string(outputs) +
                             (transposed ? ".transposed" : ".forward");
    exact(name + ".dot", bits_of(dot));
    exact(name + ".tiles", bits_of(tiles));
    exact(name + ".widened_is_far_from_dot", far_apart(result(nullptr), dot));
  }
}

// Registers that are widened and narrowed, against numbers one by one.
void check_registers() {
  Random random(3);
  std::vector<int> different;
  for (int i = 0; i < 4096; i += SPARSE3D_ISA::kLanes) {
    std::uint32_t bits[SPARSE3D_ISA::kLanes];
    float numbers[SPARSE3D_ISA::kLanes], wide[SPARSE3D_ISA::kLanes];
    std::uint16_t narrow[SPARSE3D_ISA::kLanes];
    for (std::uint32_t& value : bits)
      value = random.below(8) == 0 ? 0x7F800000u | random.bits() : random.bits();
    std::memcpy(numbers, bits, sizeof numbers);
    SPARSE3D_ISA::store_narrowed(narrow, SPARSE3D_ISA::load_lanes(numbers));
    SPARSE3D_ISA::store_lanes(wide, SPARSE3D_ISA::widened_lanes(narrow));
    for (int lane = 0; lane < SPARSE3D_ISA::kLanes; ++lane) {
      std::uint32_t back;
      std::memcpy(&back, &wide[lane], sizeof back);
      if (narrow[lane] != SPARSE3D_ISA::narrowed(numbers[lane]) || back >> 16 != narrow[lane])
        different.push_back(i + lane);
    }
  }
  exact("halves.registers_that_differ", different);
}

}  // namespace

void check_halves() {
  check_registers();
  for (const auto& [inputs, outputs] : {std::pair{1, 3}, {5, 17}, {33, 16}, {64, 40}})
    check_channels(inputs, outputs);
}

}  // namespace sparse3d::check
