// Reductions over consecutive segments of rows, and their gradients.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

enum class Reduction : std::uint8_t { sum, mean, max, first };

template <typename T>
struct Segments {
  const T* values;  // [count, channels]
  std::int64_t count;
  std::int64_t channels;
  const std::int64_t* rows;     // of the values, segment by segment; null if as they come
  const std::int64_t* offsets;  // where segments begin; each has a row at least
};

// Whether all of the rows are in [0, count). By sign bits, as comparisons would not be vectorised: a
// number out of range, or its distance from the last one, is negative.
static inline bool all_within(const std::int64_t* rows, std::int64_t begin, std::int64_t end,
                              std::int64_t count) {
  const auto last = static_cast<std::uint64_t>(count - 1);
  std::uint64_t signs = 0;
  for (std::int64_t i = begin; i < end; ++i) {
    const auto row = static_cast<std::uint64_t>(rows[i]);
    signs |= row | (last - row);
  }
  return signs >> 63 == 0;
}

// Reduces the segments [begin, end) to rows of `reduced`; false if a row is not one of the values.
// Sums are taken in double and in the order of the rows.
SPARSE3D_KERNEL(bool reduce_segments_float(const Segments<float>& segments, Reduction reduction,
                                           std::int64_t begin, std::int64_t end, float* reduced))
SPARSE3D_KERNEL(bool reduce_segments_double(const Segments<double>& segments, Reduction reduction,
                                            std::int64_t begin, std::int64_t end, double* reduced))

// Writes the gradient to the values of the segments [begin, end); equal maxima share theirs.
SPARSE3D_KERNEL(bool spread_segments_float(const Segments<float>& segments, Reduction reduction,
                                           const float* reduced, const float* gradient,
                                           std::int64_t begin, std::int64_t end, float* result))
SPARSE3D_KERNEL(bool spread_segments_double(const Segments<double>& segments, Reduction reduction,
                                            const double* reduced, const double* gradient,
                                            std::int64_t begin, std::int64_t end, double* result))

}  // namespace sparse3d
