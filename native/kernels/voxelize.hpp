// Points to the cells of a regular grid: short codes that are ordered as Morton keys are.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

// Where the bits of a cell's coordinates go, by their lower and upper 8 bits, and those of the
// batch number.
struct CellCode {
  std::uint64_t low[3][256];
  std::uint64_t high[3][256];
  int batch_shift;
};

struct VoxelBox {
  float low[3];    // corner with the smallest coordinates
  float size[3];   // edges of a cell
  float shape[3];  // cells, at most 2^16
  std::int64_t batch_size;
};

struct CodedRow {
  std::uint64_t code;
  std::uint32_t row;
};

constexpr std::int64_t kWrongPoint = -1;  // not finite, or of a batch that is not there

// Writes code and row of the points [begin, end) that lie in the box; returns how many, or
// kWrongPoint. `items` has room for all of them.
SPARSE3D_KERNEL(std::int64_t locate_points(const float* positions, const std::int64_t* batch,
                                           std::int64_t begin, std::int64_t end,
                                           const VoxelBox& box, const CellCode& code,
                                           CodedRow* items))

// The same as one number: the code in the bits above `row_bits`, the row in those below.
SPARSE3D_KERNEL(std::int64_t locate_points_packed(const float* positions,
                                                  const std::int64_t* batch, std::int64_t begin,
                                                  std::int64_t end, const VoxelBox& box,
                                                  const CellCode& code, int row_bits,
                                                  std::uint64_t* items))

}  // namespace sparse3d
