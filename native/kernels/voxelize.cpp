#include "kernels/voxelize.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr int kBlock = 256;  // points at a time

// The box, repeated for the coordinates of a block.
struct Pattern {
  float low[3 * kBlock], size[3 * kBlock], shape[3 * kBlock];
};

void repeat(const VoxelBox& box, Pattern& pattern) {
  for (int i = 0; i < 3 * kBlock; ++i) {
    pattern.low[i] = box.low[i % 3];
    pattern.size[i] = box.size[i % 3];
    pattern.shape[i] = box.shape[i % 3];
  }
}

// Coordinates of cells, -1 outside; returns whether all positions are finite.
bool find_cells(const float* positions, int count, const Pattern& pattern, std::int32_t* cells) {
  float sum = 0;  // stays 0 while everything is finite: inf * 0 and nan * 0 are nan
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < count; ++i) {
    sum += positions[i] * 0.0f;
    const float place = (positions[i] - pattern.low[i]) / pattern.size[i];
    const bool inside = place >= 0.0f && place < pattern.shape[i];
    const std::int32_t cell = static_cast<std::int32_t>(inside ? place : 0.0f);
    cells[i] = inside ? cell : -1;
  }
  return sum == 0;
}

// Calls emit(code, row, place) for every point; a place is that of the next point if this one lies
// outside.
template <typename Emit>
inline std::int64_t locate(const float* positions, const std::int64_t* batch, std::int64_t begin,
                           std::int64_t end, const VoxelBox& box, const CellCode& code, Emit emit) {
  Pattern pattern;
  repeat(box, pattern);
  std::int32_t cells[3 * kBlock];
  std::int64_t found = 0;
  for (std::int64_t first = begin; first < end; first += kBlock) {
    const int count = end - first < kBlock ? static_cast<int>(end - first) : kBlock;
    if (!find_cells(positions + 3 * first, 3 * count, pattern, cells)) return kWrongPoint;
    for (int i = 0; i < count; ++i) {
      const std::int64_t number = batch[first + i];
      if (number < 0 || number >= box.batch_size) return kWrongPoint;
      const std::int32_t x = cells[3 * i], y = cells[3 * i + 1], z = cells[3 * i + 2];
      emit(static_cast<std::uint64_t>(number) << code.batch_shift | code.low[0][x & 255] |
               code.high[0][x >> 8 & 255] | code.low[1][y & 255] | code.high[1][y >> 8 & 255] |
               code.low[2][z & 255] | code.high[2][z >> 8 & 255],
           static_cast<std::uint32_t>(first + i), found);
      found += (x | y | z) >= 0;
    }
  }
  return found;
}

}  // namespace

std::int64_t locate_points(const float* positions, const std::int64_t* batch, std::int64_t begin,
                           std::int64_t end, const VoxelBox& box, const CellCode& code,
                           CodedRow* items) {
  return locate(positions, batch, begin, end, box, code,
                [items](std::uint64_t value, std::uint32_t row, std::int64_t place) {
                  items[place] = {value, row};
                });
}

std::int64_t locate_points_packed(const float* positions, const std::int64_t* batch,
                                  std::int64_t begin, std::int64_t end, const VoxelBox& box,
                                  const CellCode& code, int row_bits, std::uint64_t* items) {
  return locate(positions, batch, begin, end, box, code,
                [items, row_bits](std::uint64_t value, std::uint32_t row, std::int64_t place) {
                  items[place] = value << row_bits | row;
                });
}

}  // namespace sparse3d::SPARSE3D_ISA
