// A register of floats of the instruction set that a kernel is compiled for.
#pragma once

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace sparse3d::SPARSE3D_ISA {

#if defined(__AVX512F__)

constexpr int kLanes = 16;
using Lanes = __m512;
static inline Lanes load_lanes(const float* p) { return _mm512_loadu_ps(p); }
static inline void store_lanes(float* p, Lanes v) { _mm512_storeu_ps(p, v); }
static inline Lanes all_lanes(float value) { return _mm512_set1_ps(value); }
static inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }

#elif defined(__AVX2__)

constexpr int kLanes = 8;
using Lanes = __m256;
static inline Lanes load_lanes(const float* p) { return _mm256_loadu_ps(p); }
static inline void store_lanes(float* p, Lanes v) { _mm256_storeu_ps(p, v); }
static inline Lanes all_lanes(float value) { return _mm256_set1_ps(value); }
static inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }

#elif defined(__ARM_NEON)

constexpr int kLanes = 4;
using Lanes = float32x4_t;
static inline Lanes load_lanes(const float* p) { return vld1q_f32(p); }
static inline void store_lanes(float* p, Lanes v) { vst1q_f32(p, v); }
static inline Lanes all_lanes(float value) { return vdupq_n_f32(value); }
static inline Lanes fused(Lanes a, Lanes b, Lanes c) { return vfmaq_f32(c, a, b); }

#else

constexpr int kLanes = 4;
struct Lanes {
  float values[kLanes];
};
static inline Lanes load_lanes(const float* p) { return {{p[0], p[1], p[2], p[3]}}; }
static inline void store_lanes(float* p, Lanes v) {
  for (int i = 0; i < kLanes; ++i) p[i] = v.values[i];
}
static inline Lanes all_lanes(float value) { return {{value, value, value, value}}; }
// Rounded twice: the instruction set has no fused multiply-add.
static inline Lanes fused(Lanes a, Lanes b, Lanes c) {
  Lanes result;
  for (int i = 0; i < kLanes; ++i) result.values[i] = a.values[i] * b.values[i] + c.values[i];
  return result;
}

#endif

}  // namespace sparse3d::SPARSE3D_ISA
