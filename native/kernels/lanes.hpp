// A register of floats of the instruction set that a kernel is compiled for.
#pragma once

#include <stdint.h>

#include "kernels/exp2.hpp"

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace sparse3d::SPARSE3D_ISA {

// For each instruction set: `fused` is a b + c and `fused_minus` is c - a b; comparisons keep a value
// or put zero in its place; `smaller` and `larger` are b where either is not a
// number; `signs` has a bit for each
// negative lane, minus zero included.
#if defined(__AVX512F__)

constexpr int kLanes = 16;
using Lanes = __m512;
static inline Lanes load_lanes(const float* p) { return _mm512_loadu_ps(p); }
static inline void store_lanes(float* p, Lanes v) { _mm512_storeu_ps(p, v); }
static inline Lanes all_lanes(float value) { return _mm512_set1_ps(value); }
static inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }
static inline Lanes fused_minus(Lanes a, Lanes b, Lanes c) { return _mm512_fnmadd_ps(a, b, c); }
static inline Lanes plus(Lanes a, Lanes b) { return _mm512_add_ps(a, b); }
static inline Lanes minus(Lanes a, Lanes b) { return _mm512_sub_ps(a, b); }
static inline Lanes times(Lanes a, Lanes b) { return _mm512_mul_ps(a, b); }
static inline Lanes over(Lanes a, Lanes b) { return _mm512_div_ps(a, b); }
static inline Lanes smaller(Lanes a, Lanes b) { return _mm512_min_ps(a, b); }
static inline Lanes larger(Lanes a, Lanes b) { return _mm512_max_ps(a, b); }
static inline Lanes zero_if_less(Lanes a, Lanes b, Lanes value) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ), value);
}
static inline Lanes zero_unless_greater(Lanes a, Lanes b, Lanes value) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), value);
}
static inline Lanes if_greater(Lanes a, Lanes b, Lanes yes, Lanes no) {
  return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), yes);
}
static inline Lanes zero_after(int32_t index, const int32_t* last, Lanes value) {
  const __m512i ends = _mm512_loadu_si512(last);
  return _mm512_maskz_mov_ps(_mm512_cmple_epi32_mask(_mm512_set1_epi32(index), ends), value);
}
static inline Lanes made_negative(Lanes v) {
  return _mm512_castsi512_ps(
      _mm512_or_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(INT32_MIN)));
}
static inline uint32_t signs(Lanes v) { return _mm512_movepi32_mask(_mm512_castps_si512(v)); }
static inline Lanes times_power(Lanes v, Lanes shifted) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(v), exponent));
}

#elif defined(__AVX2__)

constexpr int kLanes = 8;
using Lanes = __m256;
static inline Lanes load_lanes(const float* p) { return _mm256_loadu_ps(p); }
static inline void store_lanes(float* p, Lanes v) { _mm256_storeu_ps(p, v); }
static inline Lanes all_lanes(float value) { return _mm256_set1_ps(value); }
static inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }
static inline Lanes fused_minus(Lanes a, Lanes b, Lanes c) { return _mm256_fnmadd_ps(a, b, c); }
static inline Lanes plus(Lanes a, Lanes b) { return _mm256_add_ps(a, b); }
static inline Lanes minus(Lanes a, Lanes b) { return _mm256_sub_ps(a, b); }
static inline Lanes times(Lanes a, Lanes b) { return _mm256_mul_ps(a, b); }
static inline Lanes over(Lanes a, Lanes b) { return _mm256_div_ps(a, b); }
static inline Lanes smaller(Lanes a, Lanes b) { return _mm256_min_ps(a, b); }
static inline Lanes larger(Lanes a, Lanes b) { return _mm256_max_ps(a, b); }
static inline Lanes zero_if_less(Lanes a, Lanes b, Lanes value) {
  return _mm256_andnot_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ), value);
}
static inline Lanes zero_unless_greater(Lanes a, Lanes b, Lanes value) {
  return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ), value);
}
static inline Lanes if_greater(Lanes a, Lanes b, Lanes yes, Lanes no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
static inline Lanes zero_after(int32_t index, const int32_t* last, Lanes value) {
  const __m256i ends = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(last));
  const __m256i after = _mm256_cmpgt_epi32(_mm256_set1_epi32(index), ends);
  return _mm256_andnot_ps(_mm256_castsi256_ps(after), value);
}
static inline Lanes made_negative(Lanes v) { return _mm256_or_ps(v, _mm256_set1_ps(-0.0f)); }
static inline uint32_t signs(Lanes v) { return static_cast<uint32_t>(_mm256_movemask_ps(v)); }
static inline Lanes times_power(Lanes v, Lanes shifted) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(v), exponent));
}

#elif defined(__SSE2__) || defined(_M_X64)

constexpr int kLanes = 4;
using Lanes = __m128;
static inline Lanes load_lanes(const float* p) { return _mm_loadu_ps(p); }
static inline void store_lanes(float* p, Lanes v) { _mm_storeu_ps(p, v); }
static inline Lanes all_lanes(float value) { return _mm_set1_ps(value); }
static inline Lanes plus(Lanes a, Lanes b) { return _mm_add_ps(a, b); }
static inline Lanes minus(Lanes a, Lanes b) { return _mm_sub_ps(a, b); }
static inline Lanes times(Lanes a, Lanes b) { return _mm_mul_ps(a, b); }
static inline Lanes over(Lanes a, Lanes b) { return _mm_div_ps(a, b); }
static inline Lanes fused(Lanes a, Lanes b, Lanes c) { return plus(times(a, b), c); }  // as madd
static inline Lanes fused_minus(Lanes a, Lanes b, Lanes c) { return minus(c, times(a, b)); }
static inline Lanes smaller(Lanes a, Lanes b) { return _mm_min_ps(a, b); }
static inline Lanes larger(Lanes a, Lanes b) { return _mm_max_ps(a, b); }
static inline Lanes zero_if_less(Lanes a, Lanes b, Lanes value) {
  return _mm_andnot_ps(_mm_cmplt_ps(a, b), value);
}
static inline Lanes zero_unless_greater(Lanes a, Lanes b, Lanes value) {
  return _mm_and_ps(_mm_cmpgt_ps(a, b), value);
}
static inline Lanes if_greater(Lanes a, Lanes b, Lanes yes, Lanes no) {
  const __m128 mask = _mm_cmpgt_ps(a, b);
  return _mm_or_ps(_mm_and_ps(mask, yes), _mm_andnot_ps(mask, no));
}
static inline Lanes zero_after(int32_t index, const int32_t* last, Lanes value) {
  const __m128i ends = _mm_loadu_si128(reinterpret_cast<const __m128i*>(last));
  const __m128i after = _mm_cmpgt_epi32(_mm_set1_epi32(index), ends);
  return _mm_andnot_ps(_mm_castsi128_ps(after), value);
}
static inline Lanes made_negative(Lanes v) { return _mm_or_ps(v, _mm_set1_ps(-0.0f)); }
static inline uint32_t signs(Lanes v) { return static_cast<uint32_t>(_mm_movemask_ps(v)); }
static inline Lanes times_power(Lanes v, Lanes shifted) {
  const __m128i exponent = _mm_slli_epi32(_mm_castps_si128(shifted), 23);
  return _mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(v), exponent));
}

#elif defined(__ARM_NEON)

constexpr int kLanes = 4;
using Lanes = float32x4_t;
static inline Lanes load_lanes(const float* p) { return vld1q_f32(p); }
static inline void store_lanes(float* p, Lanes v) { vst1q_f32(p, v); }
static inline Lanes all_lanes(float value) { return vdupq_n_f32(value); }
static inline Lanes fused(Lanes a, Lanes b, Lanes c) { return vfmaq_f32(c, a, b); }
static inline Lanes fused_minus(Lanes a, Lanes b, Lanes c) { return vfmsq_f32(c, a, b); }
static inline Lanes plus(Lanes a, Lanes b) { return vaddq_f32(a, b); }
static inline Lanes minus(Lanes a, Lanes b) { return vsubq_f32(a, b); }
static inline Lanes times(Lanes a, Lanes b) { return vmulq_f32(a, b); }
static inline Lanes over(Lanes a, Lanes b) { return vdivq_f32(a, b); }
static inline Lanes smaller(Lanes a, Lanes b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline Lanes larger(Lanes a, Lanes b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline Lanes kept(uint32x4_t mask, Lanes value) {
  return vreinterpretq_f32_u32(vandq_u32(mask, vreinterpretq_u32_f32(value)));
}
static inline Lanes zero_if_less(Lanes a, Lanes b, Lanes value) {
  return kept(vmvnq_u32(vcltq_f32(a, b)), value);
}
static inline Lanes zero_unless_greater(Lanes a, Lanes b, Lanes value) {
  return kept(vcgtq_f32(a, b), value);
}
static inline Lanes if_greater(Lanes a, Lanes b, Lanes yes, Lanes no) {
  return vbslq_f32(vcgtq_f32(a, b), yes, no);
}
static inline Lanes zero_after(int32_t index, const int32_t* last, Lanes value) {
  return kept(vcleq_s32(vdupq_n_s32(index), vld1q_s32(last)), value);
}
static inline Lanes made_negative(Lanes v) {
  return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(v), vdupq_n_u32(0x80000000u)));
}
static inline uint32_t signs(Lanes v) {
  const uint32x4_t negative = vshrq_n_u32(vreinterpretq_u32_f32(v), 31);
  return vgetq_lane_u32(negative, 0) | vgetq_lane_u32(negative, 1) << 1 |
         vgetq_lane_u32(negative, 2) << 2 | vgetq_lane_u32(negative, 3) << 3;
}
static inline Lanes times_power(Lanes v, Lanes shifted) {
  const int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(v), exponent));
}

#else  // any machine: the compiler may or may not find vectors for these

constexpr int kLanes = 4;
struct Lanes {
  float values[kLanes];
};
template <typename Make>
static inline Lanes each_lane(Make make) {
  return {{make(0), make(1), make(2), make(3)}};
}
static inline Lanes load_lanes(const float* p) {
  return each_lane([=](int i) { return p[i]; });
}
static inline void store_lanes(float* p, Lanes v) {
  for (int i = 0; i < kLanes; ++i) p[i] = v.values[i];
}
static inline Lanes all_lanes(float value) {
  return each_lane([=](int) { return value; });
}
static inline Lanes fused(Lanes a, Lanes b, Lanes c) {
  return each_lane([&](int i) { return madd(a.values[i], b.values[i], c.values[i]); });
}
static inline Lanes fused_minus(Lanes a, Lanes b, Lanes c) {
  return each_lane([&](int i) { return madd(-a.values[i], b.values[i], c.values[i]); });
}
static inline Lanes plus(Lanes a, Lanes b) {
  return each_lane([&](int i) { return a.values[i] + b.values[i]; });
}
static inline Lanes minus(Lanes a, Lanes b) {
  return each_lane([&](int i) { return a.values[i] - b.values[i]; });
}
static inline Lanes times(Lanes a, Lanes b) {
  return each_lane([&](int i) { return a.values[i] * b.values[i]; });
}
static inline Lanes over(Lanes a, Lanes b) {
  return each_lane([&](int i) { return a.values[i] / b.values[i]; });
}
static inline Lanes smaller(Lanes a, Lanes b) {
  return each_lane([&](int i) { return a.values[i] < b.values[i] ? a.values[i] : b.values[i]; });
}
static inline Lanes larger(Lanes a, Lanes b) {
  return each_lane([&](int i) { return a.values[i] > b.values[i] ? a.values[i] : b.values[i]; });
}
static inline Lanes zero_if_less(Lanes a, Lanes b, Lanes value) {
  return each_lane([&](int i) { return a.values[i] < b.values[i] ? 0.0f : value.values[i]; });
}
static inline Lanes zero_unless_greater(Lanes a, Lanes b, Lanes value) {
  return each_lane([&](int i) { return a.values[i] > b.values[i] ? value.values[i] : 0.0f; });
}
static inline Lanes if_greater(Lanes a, Lanes b, Lanes yes, Lanes no) {
  return each_lane(
      [&](int i) { return a.values[i] > b.values[i] ? yes.values[i] : no.values[i]; });
}
static inline Lanes zero_after(int32_t index, const int32_t* last, Lanes value) {
  return each_lane([&](int i) { return index > last[i] ? 0.0f : value.values[i]; });
}
static inline Lanes made_negative(Lanes v) {
  return each_lane([&](int i) { return float_of(bits_of(v.values[i]) | 0x80000000u); });
}
static inline uint32_t signs(Lanes v) {
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= bits_of(v.values[i]) >> 31 << i;
  return bits;
}
static inline Lanes times_power(Lanes v, Lanes shifted) {
  return each_lane([&](int i) {
    return float_of(bits_of(v.values[i]) + (bits_of(shifted.values[i]) << 23));
  });
}

#endif

// exp2_fast of all lanes, bit for bit.
static inline Lanes exp2_lanes(Lanes x) {
  const Lanes magic = all_lanes(kExp2Magic);
  const Lanes shifted = plus(x, magic);
  const Lanes f = minus(x, minus(shifted, magic));
  Lanes p = all_lanes(kExp2Terms[0]);
  for (int i = 1; i < 6; ++i) p = fused(p, f, all_lanes(kExp2Terms[i]));
  return times_power(p, shifted);
}

// Halves are added until one value is left.
static inline float total(Lanes sum) {
  float values[kLanes];
  store_lanes(values, sum);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) values[i] += values[i + half];
  return values[0];
}

}  // namespace sparse3d::SPARSE3D_ISA
