// The occupied cells of point clouds, and which points lie in them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/voxelize.hpp"
#include "rasterize/buffer.hpp"
#include "sparse/sort.hpp"

namespace sparse3d {

// Codes of cells: Morton keys without the bits that the shape of the grid never sets.
class CellCoder {
 public:
  explicit CellCoder(const VoxelBox& box);
  const CellCode& code() const { return code_; }
  int bits() const { return bits_; }
  std::int64_t key(std::uint64_t code) const;

 private:
  void place_bit(int place);  // of the next bit of a code, in a key

  CellCode code_{};
  std::int64_t keys_[8][256] = {};  // what the bytes of a code are in a key
  int bits_ = 0;
};

// Points sorted by cell, those of a cell by row.
class VoxelPlan {
 public:
  VoxelPlan(const float* positions, const std::int64_t* batch, std::int64_t count,
            const VoxelBox& box);

  // False if a position is not finite or a batch number out of range; nothing else is known then.
  bool valid() const { return valid_; }
  std::int64_t points() const { return points_; }
  std::int64_t cells() const { return cells_.empty() ? 0 : cells_.back(); }

  // [cells], [points], [cells + 1]
  void write(std::int64_t* keys, std::int64_t* points, std::int64_t* offsets) const;

 private:
  template <typename Item, typename Locate, typename Code>
  Sorted<Item> sorted(std::int64_t count, Locate locate, Code code);
  template <typename Item, typename Code>
  void count_cells(const Sorted<Item>& sorted, Code code);
  template <typename Item, typename Code, typename Row>
  void write_runs(const Sorted<Item>& sorted, Code code, Row row, std::int64_t* keys,
                  std::int64_t* points, std::int64_t* offsets) const;

  CellCoder coder_;
  bool valid_ = true;
  std::int64_t points_ = 0;
  int row_bits_ = 0;
  Sorted<std::uint64_t> packed_;     // where code and row fit into one number
  Sorted<CodedRow> apart_;           // else
  std::vector<std::int64_t> cells_;  // before each run, and all of them
};

}  // namespace sparse3d
