// Rows of bfloat16 to floats, and back.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

SPARSE3D_KERNEL(void widen(const std::uint16_t* values, std::int64_t count, float* out))

// Rows of `width` values, `stride` apart, to the nearest bfloat16, one after the other.
SPARSE3D_KERNEL(void narrow_rows(const float* values, std::int64_t rows, int width, int stride,
                                 std::uint16_t* out))

}  // namespace sparse3d
