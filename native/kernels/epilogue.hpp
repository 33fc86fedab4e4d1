// What becomes of the sums of a convolution before they are stored.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

struct Epilogue {
  const float* bias = nullptr;  // added to each row; none if null
  bool relu = false;  // then what is negative becomes zero; what is no number stays none

  bool empty() const { return bias == nullptr && !relu; }
};

// Rows of `width` sums, `stride` apart, to rows of `out`, which may be the same.
SPARSE3D_KERNEL(void finish_rows(const Epilogue& epilogue, const float* sums, std::int64_t rows,
                                 int width, int stride, float* out, int out_stride))

}  // namespace sparse3d
