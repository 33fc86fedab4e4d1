// Sums of weighted rows, a fixed number of them a point, and their gradients.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

constexpr int kCorners = 8;

// Which rows a point reads, and their weights, [points, kCorners]; rows of -1 do not count.
struct Corners {
  const std::int64_t* rows;
  const float* weights;
};

// Sums of the rows of `features` that the points [begin, end) read.
SPARSE3D_KERNEL(void gather_corners(const Corners& corners, const float* features,
                                    std::int64_t channels, std::int64_t begin, std::int64_t end,
                                    float* sums))

// Products of the rows that the points [begin, end) read with those of the points, [points,
// kCorners].
SPARSE3D_KERNEL(void multiply_corners(const std::int64_t* rows, const float* features,
                                      const float* values, std::int64_t channels,
                                      std::int64_t begin, std::int64_t end, float* products))

// Sums, for the rows [begin, end), of the weighted values of the points that read them: `places`
// lists places in the corners, those of a row from offsets[row] on.
SPARSE3D_KERNEL(void scatter_corners(const float* weights, const float* values,
                                     std::int64_t channels, const std::int64_t* offsets,
                                     const std::int64_t* places, std::int64_t begin,
                                     std::int64_t end, float* sums))

}  // namespace sparse3d
