#include "kernels/adam.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

inline float updated(float p, float first, float second, const AdamNumbers& numbers) {
  const float root = __builtin_sqrtf(second) * numbers.root_scale + numbers.eps;
  return p - numbers.step_size * first / root;
}

inline float widened(std::uint16_t half) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(half) << 16);
}

inline std::uint16_t dithered(float value, std::uint32_t noise) {
  const auto bits = __builtin_bit_cast(std::uint32_t, value);
  const bool finite = (bits & 0x7F800000u) != 0x7F800000u;
  const std::uint32_t quiet = (bits & 0x007FFFFFu) != 0 ? 0x00400000u : 0u;  // nan stays nan
  return static_cast<std::uint16_t>((finite ? bits + noise : bits | quiet) >> 16);
}

// 32 well-mixed bits: two rounds of multiply and shift.
inline std::uint32_t hash(std::uint32_t index, std::uint32_t step) {
  std::uint32_t x = index * 0x9E3779B1u + step * 0x85EBCA6Bu;
  x = (x ^ (x >> 16)) * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  return x ^ (x >> 16);
}

// Calls `run(first element, count)` for every run of consecutive visible rows.
template <typename Run>
inline void each_run(const VisibleRows& rows, const Run& run) {
  std::int64_t row = rows.begin;
  while (row < rows.end) {
    while (row < rows.end && rows.flags[row] == 0) ++row;
    const std::int64_t first = row;
    while (row < rows.end && rows.flags[row] != 0) ++row;
    if (row > first) run(first * rows.width, (row - first) * rows.width);
  }
}

}  // namespace

void adam_float(float* __restrict p, const float* __restrict g, float* __restrict m,
                float* __restrict v, std::int64_t count, const AdamNumbers& shared) {
  const AdamNumbers numbers = shared;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float first = m[i] + (g[i] - m[i]) * numbers.rest1;
    const float second = v[i] * numbers.beta2 + g[i] * g[i] * numbers.rest2;
    m[i] = first;
    v[i] = second;
    p[i] = updated(p[i], first, second, numbers);
  }
}

void adam_bfloat16(float* __restrict p, const float* __restrict g, std::uint16_t* __restrict m,
                   std::uint16_t* __restrict v, std::int64_t begin, std::int64_t count,
                   const AdamNumbers& shared) {
  const AdamNumbers numbers = shared;
  const auto offset = static_cast<std::uint32_t>(begin);
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float old = widened(m[i]);
    const float first = old + (g[i] - old) * numbers.rest1;
    const float second = widened(v[i]) * numbers.beta2 + g[i] * g[i] * numbers.rest2;
    const std::uint32_t noise = hash(offset + static_cast<std::uint32_t>(i), numbers.step);
    m[i] = dithered(first, noise & 0xFFFFu);
    v[i] = dithered(second, noise >> 16);
    p[i] = updated(p[i], first, second, numbers);
  }
}

void adam_float_rows(float* p, const float* g, float* m, float* v, const VisibleRows& rows,
                     const AdamNumbers& numbers) {
  each_run(rows, [&](std::int64_t i, std::int64_t count) {
    adam_float(p + i, g + i, m + i, v + i, count, numbers);
  });
}

void adam_bfloat16_rows(float* p, const float* g, std::uint16_t* m, std::uint16_t* v,
                        const VisibleRows& rows, const AdamNumbers& numbers) {
  each_run(rows, [&](std::int64_t i, std::int64_t count) {
    adam_bfloat16(p + i, g + i, m + i, v + i, i, count, numbers);
  });
}

}  // namespace sparse3d::SPARSE3D_ISA
