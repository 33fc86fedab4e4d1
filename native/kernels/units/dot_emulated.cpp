// The unit of dot.hpp as VDPBF16PS is documented to work: the products of a float one after the
// other, that of the second channel first.
#include "kernels/units/dot.hpp"
#include "kernels/units/flushed.hpp"

namespace sparse3d {
namespace {

struct EmulatedDot {
  struct Sums {
    float values[kHalfColumns];
  };
  struct Twos {
    std::uint32_t values[kHalfColumns];
  };

  static Sums load(const float* p) {
    Sums sums;
    memcpy(&sums, p, sizeof sums);
    return sums;
  }
  static void store(float* p, const Sums& sums) { memcpy(p, &sums, sizeof sums); }
  static Twos load_twos(const std::uint16_t* p) {
    Twos twos;
    for (int i = 0; i < kHalfColumns; ++i)
      twos.values[i] = std::uint32_t{p[2 * i + 1]} << 16 | p[2 * i];
    return twos;
  }
  static Twos all_twos(std::uint32_t two) {
    Twos twos;
    for (std::uint32_t& value : twos.values) value = two;
    return twos;
  }
  static Sums dot(Sums sums, const Twos& a, const Twos& b) {
    for (int i = 0; i < kHalfColumns; ++i) {
      const std::uint32_t x = a.values[i], y = b.values[i];
      const float second = fused_flushed(float_with(x & 0xFFFF0000), float_with(y & 0xFFFF0000),
                                         sums.values[i]);
      sums.values[i] = fused_flushed(float_with(x << 16), float_with(y << 16), second);
    }
    return sums;
  }
};

}  // namespace

const HalfProducts kDotEmulated = Dot<EmulatedDot>::products();

}  // namespace sparse3d
