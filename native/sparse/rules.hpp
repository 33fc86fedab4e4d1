// Rulebooks: which occupied cells an output of a sparse convolution reads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "sparse/blocks.hpp"

namespace sparse3d {

// Along one axis, output o reads input i by number n of the kernel, in [0, size), where
// output_step * o + kernel_step * n + shift == input_step * i.
struct AxisRule {
  std::int32_t size, output_step, kernel_step, shift, input_step;
  std::int32_t inputs, outputs;  // number of coordinates
};

using AxisRules = std::array<AxisRule, 3>;  // x, y, z; offsets are numbered with z fastest

// All outputs that read an input, sorted.
std::vector<std::int64_t> outputs_of(const std::int64_t* keys, std::int64_t count,
                                     const AxisRules& axes);

// Pairs of the offsets, one offset after the other, each in the order of the outputs.
class RuleList {
 public:
  // Throws if keys are not sorted and distinct or not within the number of coordinates. `mirrored`
  // says that outputs are the inputs and that every offset has its opposite, so sizes are odd: half
  // are searched.
  RuleList(const std::int64_t* inputs, std::int64_t input_count, const std::int64_t* outputs,
           std::int64_t output_count, const AxisRules& axes, bool mirrored);
  RuleList(const RuleList&) = delete;
  RuleList& operator=(const RuleList&) = delete;

  // Pairs of each offset.
  const std::vector<std::int64_t>& totals() const { return totals_; }
  void write(std::int32_t* sources, std::int32_t* targets) const;

 private:
  struct Part {
    std::unique_ptr<std::uint64_t[]> pairs;  // one offset after the other
    std::vector<std::int32_t> counts;        // of each offset
  };

  void lay_out(std::size_t offsets);
  void write_found(std::int32_t* sources, std::int32_t* targets) const;

  bool mirrored_;
  std::int64_t rows_;  // of the inputs
  std::vector<Part> parts_;
  std::vector<std::int64_t> totals_;
  std::vector<std::int64_t> places_;  // [parts, offsets searched]: where a part writes its first pair
};

// Pairs of the offsets, one offset after the other.
struct Rules {
  const std::int32_t* sources;
  const std::int32_t* targets;
  const std::vector<std::int64_t>& counts;  // of each offset
};

// The same pairs from targets to sources, each offset in the order of the sources, the last offset
// first if so asked. Throws if a source has two pairs of an offset or is not below `inputs`.
void reverse_rules(const Rules& rules, std::int64_t inputs, bool last_first,
                   std::int32_t* new_sources, std::int32_t* new_targets);

}  // namespace sparse3d
