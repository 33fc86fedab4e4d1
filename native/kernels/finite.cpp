#include "kernels/finite.hpp"

namespace sparse3d::SPARSE3D_ISA {

bool all_finite(const float* values, std::int64_t count) {
  float sum = 0;  // stays 0 while everything is finite: inf * 0 and nan * 0 are nan
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += values[i] * 0.0f;
  return sum == 0;
}

}  // namespace sparse3d::SPARSE3D_ISA
