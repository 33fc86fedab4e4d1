// The unit of dot.hpp, of AVX512-BF16.
#include <immintrin.h>

#include "kernels/units/dot.hpp"

namespace sparse3d {
namespace {

struct Avx512Dot {
  using Sums = __m512;
  using Twos = __m512i;

  static inline Sums load(const float* p) { return _mm512_loadu_ps(p); }
  static inline void store(float* p, Sums sums) { _mm512_storeu_ps(p, sums); }
  static inline Twos load_twos(const std::uint16_t* p) { return _mm512_loadu_si512(p); }
  static inline Twos all_twos(std::uint32_t two) {
    return _mm512_set1_epi32(static_cast<int>(two));
  }
  static inline Sums dot(Sums sums, Twos a, Twos b) {
    return _mm512_dpbf16_ps(sums, (__m512bh)a, (__m512bh)b);
  }
};

}  // namespace

const HalfProducts kDot = Dot<Avx512Dot>::products();

}  // namespace sparse3d
