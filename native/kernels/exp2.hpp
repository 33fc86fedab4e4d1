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

// 1.5 * 2^23: a sum with it holds the nearest integer in its low bits.
static constexpr float kExp2Magic = 12582912.0f;

// Minimax polynomial of 2^x on [-1/2, 1/2], highest power first.
static constexpr float kExp2Terms[6] = {0.0013276459649205208f, 0.009675541892647743f,
                                        0.05550713464617729f,   0.24022120237350464f,
                                        0.6931469440460205f,    1.0f};

// For -126 <= x <= 127, anything elsewhere. Relative error 2e-7: nearest integer plus polynomial.
static inline float exp2_fast(float x) {
  const float shifted = x + kExp2Magic;
  const float f = x - (shifted - kExp2Magic);
  float p = kExp2Terms[0];
  for (int i = 1; i < 6; ++i) p = madd(p, f, kExp2Terms[i]);
  return float_of(bits_of(p) + (bits_of(shifted) << 23));
}

}  // namespace sparse3d::SPARSE3D_ISA
