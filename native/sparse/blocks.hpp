// The occupied cells of sorted keys by blocks of 4 x 4 x 4, found by hashing.
#pragma once

#include <cstdint>
#include <vector>

namespace sparse3d {

constexpr int kBlockShift = 6;  // bits of a key within its block
constexpr int kBlockEdge = 4;

class Blocks {
 public:
  // Of sorted, distinct keys; throws if they are not.
  Blocks(const std::int64_t* keys, std::int64_t count);

  // Row of a block, -1 if it holds no cell.
  std::int32_t find(std::int64_t block) const;

  // Row of the cell with this key, -1 if it is not occupied.
  std::int32_t find_cell(std::int64_t key) const;

  std::int64_t size() const { return static_cast<std::int64_t>(blocks_.size()); }
  std::int64_t block(std::int64_t row) const { return blocks_[static_cast<std::size_t>(row)]; }
  const std::uint64_t* masks() const { return masks_.data(); }
  const std::int32_t* first() const { return first_.data(); }

 private:
  std::vector<std::int64_t> blocks_;
  std::vector<std::uint64_t> masks_;
  std::vector<std::int32_t> first_;
  std::vector<std::int32_t> table_;  // rows by hash, -1 where empty; a power of two
};

// Sets of cells that grow in any order and are read in the order of the keys.
class CellSet {
 public:
  explicit CellSet(std::int64_t expected);
  void add(std::int64_t key);
  std::vector<std::int64_t> sorted_keys() const;

 private:
  void grow();

  std::vector<std::int64_t> blocks_;
  std::vector<std::uint64_t> masks_;
  std::vector<std::int32_t> table_;
  std::int64_t last_ = -1;      // block of the last key, and its row
  std::int32_t last_row_ = -1;
};

}  // namespace sparse3d
