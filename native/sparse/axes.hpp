// What can read what along one axis, as tables by coordinate.
#pragma once

#include <cstdint>
#include <vector>

#include "sparse/rules.hpp"

namespace sparse3d {

// Throws unless steps are positive, a kernel has numbers, and the keys' bits hold the coordinates.
void check_axes(const AxisRules& axes);

// The inputs that each output may read.
class ReadTable {
 public:
  // `axis` is 0 for x; numbers of offsets move on by `numbers` with the number of the axis.
  ReadTable(const AxisRule& rule, int axis, std::int32_t numbers);
  AxisReads view() const;

 private:
  std::vector<AxisRead> reads_;
  std::vector<std::int32_t> starts_{0};
};

// The outputs that may read each input: bits of their keys.
class WriteTable {
 public:
  WriteTable(const AxisRule& rule, int axis);
  std::int32_t extent() const { return static_cast<std::int32_t>(starts_.size()) - 1; }
  const std::int64_t* begin(std::int32_t at) const { return bits_.data() + starts_[index(at)]; }
  const std::int64_t* end(std::int32_t at) const { return bits_.data() + starts_[index(at) + 1]; }

 private:
  static std::size_t index(std::int32_t at) { return static_cast<std::size_t>(at); }

  std::vector<std::int64_t> bits_;
  std::vector<std::size_t> starts_{0};
};

}  // namespace sparse3d
