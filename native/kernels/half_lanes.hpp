// Registers of floats from bfloat16, and back.
#pragma once

#include "kernels/halves.hpp"

namespace sparse3d::SPARSE3D_ISA {

// `store_narrowed` does what `narrowed` does: as integers, a half more than what is cut off, less one
// bit unless that makes the next even; what is no number keeps its upper bits and becomes quiet.
#if defined(__AVX512F__)

static inline Lanes widened_lanes(const std::uint16_t* p) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
static inline void store_narrowed(std::uint16_t* p, Lanes v) {
  const __m512i bits = _mm512_castps_si512(v), upper = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
  const __m512i half = _mm512_add_epi32(_mm512_set1_epi32(0x7FFF), odd);
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
  const __mmask16 none = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  const __m512i quiet = _mm512_or_si512(upper, _mm512_set1_epi32(0x40));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, none, quiet)));
}

#elif defined(__AVX2__)

static inline Lanes widened_lanes(const std::uint16_t* p) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
static inline void store_narrowed(std::uint16_t* p, Lanes v) {
  const __m256i bits = _mm256_castps_si256(v), upper = _mm256_srai_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
  const __m256i half = _mm256_add_epi32(_mm256_set1_epi32(0x7FFF), odd);
  const __m256i rounded = _mm256_srai_epi32(_mm256_add_epi32(bits, half), 16);
  const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
  const __m256 none = _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
  const __m256i chosen = _mm256_castps_si256(
      _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), none));
  const __m128i low = _mm256_castsi256_si128(chosen), high = _mm256_extracti128_si256(chosen, 1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_packs_epi32(low, high));
}

#elif defined(__SSE2__) || defined(_M_X64)

static inline Lanes widened_lanes(const std::uint16_t* p) {
  const __m128i halves = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), halves));
}
static inline void store_narrowed(std::uint16_t* p, Lanes v) {
  const __m128i bits = _mm_castps_si128(v), upper = _mm_srai_epi32(bits, 16);
  const __m128i odd = _mm_and_si128(upper, _mm_set1_epi32(1));
  const __m128i half = _mm_add_epi32(_mm_set1_epi32(0x7FFF), odd);
  const __m128i rounded = _mm_srai_epi32(_mm_add_epi32(bits, half), 16);
  const __m128i quiet = _mm_or_si128(upper, _mm_set1_epi32(0x40));
  const __m128i none = _mm_castps_si128(_mm_cmpunord_ps(v, v));
  const __m128i chosen = _mm_or_si128(_mm_and_si128(none, quiet), _mm_andnot_si128(none, rounded));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi32(chosen, chosen));
}

#elif defined(__ARM_NEON)

static inline Lanes widened_lanes(const std::uint16_t* p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline void store_narrowed(std::uint16_t* p, Lanes v) {
  const uint32x4_t bits = vreinterpretq_u32_f32(v), upper = vshrq_n_u32(bits, 16);
  const uint32x4_t odd = vandq_u32(upper, vdupq_n_u32(1));
  const uint32x4_t half = vaddq_u32(vdupq_n_u32(0x7FFF), odd);
  const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, half), 16);
  const uint32x4_t quiet = vorrq_u32(upper, vdupq_n_u32(0x40));
  vst1_u16(p, vmovn_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet)));
}

#else

static inline Lanes widened_lanes(const std::uint16_t* p) {
  float values[kLanes];
  for (int i = 0; i < kLanes; ++i) values[i] = widened(p[i]);
  return load_lanes(values);
}
static inline void store_narrowed(std::uint16_t* p, Lanes v) {
  float values[kLanes];
  store_lanes(values, v);
  for (int i = 0; i < kLanes; ++i) p[i] = narrowed(values[i]);
}

#endif

template <int count>
static inline void widen_some(const std::uint16_t* values, float* out) {
  if constexpr (count == kLanes) {
    store_lanes(out, widened_lanes(values));
  } else {
    float wide[count];
    for (int i = 0; i < count; ++i) wide[i] = widened(values[i]);
    for (int i = 0; i < count; ++i) out[i] = wide[i];
  }
}

// `step` values at a time; the last ones may overlap those before.
template <int step>
static inline void widen_by(const std::uint16_t* values, std::int64_t count, float* out) {
  const std::int64_t last = count - step;
  for (std::int64_t i = 0; i < last; i += step) widen_some<step>(values + i, out + i);
  widen_some<step>(values + last, out + last);
}

static inline void widen_row(const std::uint16_t* values, std::int64_t count, float* out) {
  if (count >= kLanes)
    widen_by<kLanes>(values, count, out);
  else if (count >= 4)
    widen_by<4>(values, count, out);
  else
    for (std::int64_t i = 0; i < count; ++i) widen_some<1>(values + i, out + i);
}

}  // namespace sparse3d::SPARSE3D_ISA
