#include "kernels/interpolate.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

inline void clear(float* row, std::int64_t channels) {
  for (std::int64_t k = 0; k < channels; ++k) row[k] = 0;
}

inline void add_weighted(const float* row, float weight, std::int64_t channels, float* sum) {
#pragma omp simd
  for (std::int64_t k = 0; k < channels; ++k) sum[k] += weight * row[k];
}

inline float product(const float* a, const float* b, std::int64_t channels) {
  float sum = 0;
  for (std::int64_t k = 0; k < channels; ++k) sum += a[k] * b[k];
  return sum;
}

}  // namespace

void gather_corners(const Corners& corners, const float* features, std::int64_t channels,
                    std::int64_t begin, std::int64_t end, float* sums) {
  for (std::int64_t point = begin; point < end; ++point) {
    float* sum = sums + point * channels;
    clear(sum, channels);
    for (std::int64_t at = kCorners * point; at < kCorners * (point + 1); ++at)
      if (corners.rows[at] >= 0)
        add_weighted(features + corners.rows[at] * channels, corners.weights[at], channels, sum);
  }
}

void multiply_corners(const std::int64_t* rows, const float* features, const float* values,
                      std::int64_t channels, std::int64_t begin, std::int64_t end,
                      float* products) {
  for (std::int64_t point = begin; point < end; ++point)
    for (std::int64_t at = kCorners * point; at < kCorners * (point + 1); ++at)
      products[at] = rows[at] < 0 ? 0.0f
                                  : product(features + rows[at] * channels,
                                            values + point * channels, channels);
}

void scatter_corners(const float* weights, const float* values, std::int64_t channels,
                     const std::int64_t* offsets, const std::int64_t* places, std::int64_t begin,
                     std::int64_t end, float* sums) {
  for (std::int64_t row = begin; row < end; ++row) {
    float* sum = sums + row * channels;
    clear(sum, channels);
    for (std::int64_t i = offsets[row]; i < offsets[row + 1]; ++i)
      add_weighted(values + places[i] / kCorners * channels, weights[places[i]], channels, sum);
  }
}

}  // namespace sparse3d::SPARSE3D_ISA
