// The occupied cells of sorted keys by blocks of 4 x 4 x 4, and those by regions of as many blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/rulebook.hpp"

namespace sparse3d {

// A block and its occupied cells.
struct BlockCells {
  std::int64_t block;
  std::uint64_t mask;
};

class Blocks {
 public:
  // Of sorted, distinct keys; throws if they are not.
  Blocks(const std::int64_t* keys, std::int64_t count);

  // Valid as long as this object.
  CellIndex index() const {
    return {blocks_.data(), regions_.data(), table_.data(), table_.size() - 1};
  }

 private:
  std::vector<Block> blocks_, regions_;
  std::vector<std::int32_t> table_;
};

// The cells of blocks, sorted; blocks may come in any order and repeatedly, a list of them a part.
std::vector<std::int64_t> sorted_keys(std::vector<std::vector<BlockCells>> parts);

}  // namespace sparse3d
