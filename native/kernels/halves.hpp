// bfloat16 from floats, and back.
#pragma once

#include <cstdint>

#include "kernels/lanes.hpp"

namespace sparse3d::SPARSE3D_ISA {

static inline float widened(std::uint16_t half) { return float_of(std::uint32_t{half} << 16); }

// To the nearest, to the even one where two are as near; what is no number stays none.
static inline std::uint16_t narrowed(float value) {
  const std::uint32_t bits = bits_of(value);
  const std::uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  return static_cast<std::uint16_t>((bits & 0x7FFFFFFF) > 0x7F800000 ? bits >> 16 | 0x40 : rounded);
}

}  // namespace sparse3d::SPARSE3D_ISA
