// Which cells beside given ones are occupied, by blocks of 4 x 4 x 4 cells.
//
// Cells are Morton keys; a block is a key without its last six bits, and holds a bit for each of its
// cells in the order of their keys, so the row of a cell is that of its block's first cell plus the
// bits before its own.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

constexpr int kBlocksAround = 27;  // of a block, itself among them
constexpr int kCellsABlock = 64;

// Blocks around a block: -1 where there is none.
struct BlocksAround {
  std::int32_t rows[kBlocksAround];
};

struct BlockCells {
  const std::uint64_t* masks;   // of each block
  const std::int32_t* first;    // row of the first cell of each block
  const BlocksAround* around;   // of each block
};

// Where an offset leads from each cell of a block: to which of the blocks around, to which cell.
struct OffsetSteps {
  std::uint8_t block[kCellsABlock];
  std::uint8_t cell[kCellsABlock];
};

// Adds to counts[offset] the pairs whose output lies in the blocks [begin, end).
SPARSE3D_KERNEL(void count_neighbours(const BlockCells& cells, const OffsetSteps* steps,
                                      int offsets, std::int64_t begin, std::int64_t end,
                                      std::int64_t* counts))

// Writes them: the next pair of an offset goes to places[offset], which moves on.
SPARSE3D_KERNEL(void list_neighbours(const BlockCells& cells, const OffsetSteps* steps, int offsets,
                                     std::int64_t begin, std::int64_t end, std::int64_t* places,
                                     std::int32_t* sources, std::int32_t* targets))

}  // namespace sparse3d
