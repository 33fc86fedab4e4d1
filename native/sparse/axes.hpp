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
  // `axis` is 0 for x; numbers of offsets move on by `numbers` with the number of the axis. `half`
  // leaves out the offset in the middle and those after it.
  ReadTable(const AxisRule& rule, int axis, std::int32_t numbers, bool half);
  AxisReads view() const;

 private:
  // Of the output that comes last; its inputs come in order, up or down.
  AxisRead& read_of(std::int64_t block);

  std::vector<AxisRead> reads_;
  std::vector<std::int32_t> starts_{0};
};

// Outputs that may read an input, all of them in the same blocks.
struct AxisWrite {
  std::int64_t block;   // bits of the blocks' keys
  std::uint64_t cells;  // of a block, all with one of some coordinates
};

// The outputs that may read each input.
class WriteTable {
 public:
  WriteTable(const AxisRule& rule, int axis);
  std::int32_t extent() const { return static_cast<std::int32_t>(starts_.size()) - 1; }
  const AxisWrite* begin(std::int32_t at) const { return writes_.data() + starts_[index(at)]; }
  const AxisWrite* end(std::int32_t at) const { return writes_.data() + starts_[index(at) + 1]; }

 private:
  static std::size_t index(std::int32_t at) { return static_cast<std::size_t>(at); }

  // Of the input that comes last; its outputs come in order, up or down.
  AxisWrite& write_of(std::int64_t block);

  std::vector<AxisWrite> writes_;
  std::vector<std::size_t> starts_{0};
};

}  // namespace sparse3d
