// 2^x, written so that a loop over it is vectorised.
#pragma once

#include <stdint.h>
#include <string.h>

namespace sparse3d::SPARSE3D_ISA {

// a * b + c; rounded once where the instruction set has it, twice elsewhere, but the same way in
// every loop.
static inline float madd(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

static inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// For -126 <= x <= 127, anything elsewhere. Relative error 2e-7: nearest integer plus a minimax
// polynomial of degree 5 on [-1/2, 1/2].
static inline float exp2_fast(float x) {
  const float shifted = x + 12582912.0f;  // 1.5 * 2^23: the integer lands in the low bits
  const float f = x - (shifted - 12582912.0f);
  float p = 0.0013276459649205208f;
  p = madd(p, f, 0.009675541892647743f);
  p = madd(p, f, 0.05550713464617729f);
  p = madd(p, f, 0.24022120237350464f);
  p = madd(p, f, 0.6931469440460205f);
  p = madd(p, f, 1.0f);
  return float_of(bits_of(p) + (bits_of(shifted) << 23));
}

}  // namespace sparse3d::SPARSE3D_ISA
