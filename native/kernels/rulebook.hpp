// Which of the cells that outputs may read are occupied.
//
// Cells are Morton keys; a block is a key without its last six bits, 4 x 4 x 4 cells, and holds a bit
// for each of its cells in the order of their keys, so the row of a cell is that of its block's
// first cell plus the bits before its own. Regions are to blocks what blocks are to cells.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

constexpr int kBlockShift = 6;  // bits of a key within its block, of a block within its region

// A block, or a region.
struct alignas(32) Block {
  std::uint64_t mask;  // its cells, or blocks
  std::int64_t key;
  std::int32_t first;  // row of the first of them
};

// Occupied cells. The regions are found by hashing, all else by counting bits.
struct CellIndex {
  const Block* blocks;
  const Block* regions;
  const std::int32_t* table;  // rows of regions by hash, -1 where empty
  std::uint64_t table_mask;   // its size, a power of two, less one
};

// Multiplicative hashing (Knuth, section 6.4) by the golden ratio; the upper bits are mixed best.
static inline std::uint64_t place_of_region(std::int64_t region, std::uint64_t table_mask) {
  return static_cast<std::uint64_t>(region) * 0x9E3779B97F4A7C15u >> 32 & table_mask;
}

// Along one axis: inputs that an output may read, all of them in the same blocks. A mask has the
// bits of all cells of a block with one of some coordinates. Cells are looked for that are in `below`
// of the first axis, or in its `center` and in `below` of the next one, and so on: all offsets where
// `below` is `any`, else those before the one in the middle.
struct AxisRead {
  std::int64_t block;  // bits of the blocks' keys
  std::uint64_t any, below, center;
  std::uint16_t numbers[10];  // what the axis adds to the offset's number, by spread_bits of a cell
};

// Those of the output with coordinate c are reads[starts[c]] to reads[starts[c + 1] - 1].
struct AxisReads {
  const AxisRead* reads;
  const std::int32_t* starts;
  std::int32_t extent;  // number of coordinates
};

// Pairs of the outputs [begin, end), an offset every `room` pairs, of which counts[offset] are
// found: the row of the input below, that of the output in the upper half. An output has at most one
// pair of an offset. False if an output is out of the extents.
SPARSE3D_KERNEL(bool find_pairs(const CellIndex& cells, const AxisReads* axes,
                                const std::int64_t* outputs, std::int64_t begin, std::int64_t end,
                                std::int64_t room, std::uint64_t* pairs, std::int32_t* counts))

}  // namespace sparse3d
