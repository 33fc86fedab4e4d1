#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

// The numbers of one Adam step: p -= step_size * m / (sqrt(v) * root_scale + eps).
struct AdamNumbers {
  float beta2;
  float rest1, rest2;  // 1 - beta1, 1 - beta2
  float eps;
  float step_size;   // learning rate / (1 - beta1^step)
  float root_scale;  // 1 / sqrt(1 - beta2^step)
  std::uint32_t step;
};

// Which rows of a parameter a step updates: those with a byte that is not 0. Nothing else of the
// other rows is read, so that the cost follows the number of visible ones.
struct VisibleRows {
  const std::uint8_t* flags;
  std::int64_t begin, end;
  std::int64_t width;  // elements a row
};

SPARSE3D_KERNEL(void adam_float(float* p, const float* g, float* m, float* v, std::int64_t count,
                                const AdamNumbers& numbers))

// Moments are the upper halves of floats, rounded stochastically: a hash of the step and the
// element's number (from `first`) is added below the last kept bit before the rest is cut off.
SPARSE3D_KERNEL(void adam_bfloat16(float* p, const float* g, std::uint16_t* m, std::uint16_t* v,
                                   std::int64_t first, std::int64_t count,
                                   const AdamNumbers& numbers))

// The same for visible rows only; the pointers are those of row 0.
SPARSE3D_KERNEL(void adam_float_rows(float* p, const float* g, float* m, float* v,
                                     const VisibleRows& rows, const AdamNumbers& numbers))

SPARSE3D_KERNEL(void adam_bfloat16_rows(float* p, const float* g, std::uint16_t* m,
                                        std::uint16_t* v, const VisibleRows& rows,
                                        const AdamNumbers& numbers))

}  // namespace sparse3d
