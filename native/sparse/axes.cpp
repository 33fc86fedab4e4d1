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

std::int64_t bits_of(std::int64_t coordinate, int axis) {
  return spread_bits(coordinate) << (2 - axis);
}

}  // namespace

void check_axes(const AxisRules& axes) {
  std::int64_t volume = 1;
  for (const AxisRule& axis : axes) {
    if (axis.size < 1 || axis.output_step < 1 || axis.input_step < 1)
      throw std::invalid_argument("sizes and steps must be positive");
    if (axis.inputs < 1 || axis.outputs < 1 || axis.inputs > kLargest || axis.outputs > kLargest)
      throw std::invalid_argument("1 to 65536 coordinates an axis expected");
    if (std::int64_t{axis.size} * (axis.outputs + 1) > std::numeric_limits<std::int32_t>::max())
      throw std::invalid_argument("the kernel is too large");
    volume *= axis.size;
    if (volume > kLargest) throw std::invalid_argument("at most 65536 offsets expected");
  }
}

ReadTable::ReadTable(const AxisRule& rule, int axis, std::int32_t numbers) {
  starts_.reserve(static_cast<std::size_t>(rule.outputs) + 1);
  for (std::int64_t output = 0; output < rule.outputs; ++output) {
    for (std::int32_t n = 0; n < rule.size; ++n) {
      const std::int64_t place =
          rule.output_step * output + std::int64_t{rule.kernel_step} * n + rule.shift;
      const std::int64_t input = coordinate(place, rule.input_step, rule.inputs);
      if (input >= 0) reads_.push_back({bits_of(input, axis), n * numbers});
    }
    starts_.push_back(static_cast<std::int32_t>(reads_.size()));
  }
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
      if (output >= 0) bits_.push_back(bits_of(output, axis));
    }
    starts_.push_back(bits_.size());
  }
}

}  // namespace sparse3d
