#include "sparse/axes.hpp"

#include <limits>
#include <stdexcept>

#include "sparse/morton.hpp"

namespace sparse3d {
namespace {

constexpr std::int32_t kLargest = 1 << kAxisBits;

// The coordinate with `step * coordinate == place`, -1 if there is none below `count`.
std::int64_t coordinate(std::int64_t place, std::int64_t step, std::int64_t count) {
  return place >= 0 && place % step == 0 && place / step < count ? place / step : -1;
}

// Of the keys of the blocks with this coordinate.
std::int64_t block_of(std::int64_t coordinate, int axis) {
  return spread_bits(coordinate >> 2) << (2 - axis);
}

// Of the coordinate in its block.
std::int64_t cell_of(std::int64_t coordinate) { return spread_bits(coordinate & 3); }

// All cells of a block with this coordinate.
std::uint64_t cells_of(std::int64_t coordinate, int axis) {
  constexpr std::uint64_t kFirst[] = {0x0F0F0F0F, 0x0000333300003333, 0x0055005500550055};
  return kFirst[axis] << (cell_of(coordinate) << (2 - axis));
}

}  // namespace

void check_axes(const AxisRules& axes) {
  std::int64_t volume = 1;
  for (const AxisRule& axis : axes) {
    if (axis.size < 1 || axis.output_step < 1 || axis.input_step < 1 || axis.kernel_step == 0)
      throw std::invalid_argument("sizes and steps must be positive, those of kernels not 0");
    if (axis.inputs < 1 || axis.outputs < 1 || axis.inputs > kLargest || axis.outputs > kLargest)
      throw std::invalid_argument("1 to 65536 coordinates an axis expected");
    if (std::int64_t{axis.size} * (axis.outputs + 1) > std::numeric_limits<std::int32_t>::max())
      throw std::invalid_argument("the kernel is too large");
    volume *= axis.size;
    if (volume > kLargest) throw std::invalid_argument("at most 65536 offsets expected");
  }
}

ReadTable::ReadTable(const AxisRule& rule, int axis, std::int32_t numbers, bool half) {
  starts_.reserve(static_cast<std::size_t>(rule.outputs) + 1);
  for (std::int64_t output = 0; output < rule.outputs; ++output) {
    for (std::int32_t n = 0; n < rule.size; ++n) {
      const std::int64_t place =
          rule.output_step * output + std::int64_t{rule.kernel_step} * n + rule.shift;
      const std::int64_t input = coordinate(place, rule.input_step, rule.inputs);
      if (input < 0) continue;
      AxisRead& read = read_of(block_of(input, axis));
      const std::uint64_t cells = cells_of(input, axis);
      read.any |= cells;
      if (!half || n < rule.size / 2) read.below |= cells;
      if (half && n == rule.size / 2) read.center |= cells;
      read.numbers[cell_of(input)] = static_cast<std::uint16_t>(n * numbers);
    }
    starts_.push_back(static_cast<std::int32_t>(reads_.size()));
  }
}

AxisRead& ReadTable::read_of(std::int64_t block) {
  const bool none = reads_.size() == static_cast<std::size_t>(starts_.back());
  if (none || reads_.back().block != block) reads_.push_back({block, 0, 0, 0, {}});
  return reads_.back();
}

AxisReads ReadTable::view() const {
  return {reads_.data(), starts_.data(), static_cast<std::int32_t>(starts_.size()) - 1};
}

WriteTable::WriteTable(const AxisRule& rule, int axis) {
  starts_.reserve(static_cast<std::size_t>(rule.inputs) + 1);
  for (std::int64_t input = 0; input < rule.inputs; ++input) {
    for (std::int32_t n = 0; n < rule.size; ++n) {
      const std::int64_t place =
          rule.input_step * input - std::int64_t{rule.kernel_step} * n - rule.shift;
      const std::int64_t output = coordinate(place, rule.output_step, rule.outputs);
      if (output >= 0) write_of(block_of(output, axis)).cells |= cells_of(output, axis);
    }
    starts_.push_back(writes_.size());
  }
}

AxisWrite& WriteTable::write_of(std::int64_t block) {
  const bool none = writes_.size() == starts_.back();
  if (none || writes_.back().block != block) writes_.push_back({block, 0});
  return writes_.back();
}

}  // namespace sparse3d
