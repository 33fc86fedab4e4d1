// Checked rules of a kernel, and the blocks of output rows that threads work on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/rule_pairs.hpp"

namespace sparse3d {

// The rules of a kernel, offset by offset.
class PairList {
 public:
  // Checks all that keeps kernels within their arrays; throws if counts are not those of the pairs,
  // rows do not exist, or those of an offset are not in the order of their outputs, each once.
  PairList(const std::int32_t* from, const std::int32_t* to, std::int64_t total,
           const std::int64_t* counts, std::int64_t offsets, std::int64_t inputs,
           std::int64_t outputs);

  std::int64_t offsets() const { return static_cast<std::int64_t>(starts_.size()) - 1; }
  std::int64_t begin(std::int64_t offset) const {
    return starts_[static_cast<std::size_t>(offset)];
  }
  RulePairs pairs(std::int64_t begin, std::int64_t end) const {
    return {from_ + begin, to_ + begin, end - begin};
  }
  const std::int32_t* to() const { return to_; }

 private:
  const std::int32_t* from_;
  const std::int32_t* to_;
  std::vector<std::int64_t> starts_;  // of each offset; one more at the end
};

// The same pairs by blocks of so many outputs. With an offset, a block has no more pairs than rows.
class PairBlocks {
 public:
  PairBlocks(const PairList& list, std::int64_t outputs, std::int64_t rows_a_block);

  std::int64_t count() const { return blocks_; }
  std::int64_t first(std::int64_t block) const { return block * size_; }
  std::int64_t rows(std::int64_t block) const {
    return std::min(size_, outputs_ - first(block));
  }
  std::int64_t most_rows() const { return std::min(size_, outputs_); }
  RulePairs pairs(std::int64_t offset, std::int64_t block) const {
    const std::int64_t* own = starts_.data() + offset * (blocks_ + 1) + block;
    return list_.pairs(own[0], own[1]);
  }

 private:
  const PairList& list_;
  std::int64_t outputs_, size_, blocks_;
  std::vector<std::int64_t> starts_;  // [offsets, blocks + 1]
};

}  // namespace sparse3d
