// Counting bits. Kernels use this, too, so functions are `static`: what one is compiled to for an
// instruction set stays there.
#pragma once

#include <cstdint>

namespace sparse3d {

// Number of bits that are set.
static inline int ones(std::uint64_t bits) {
#if defined(__GNUC__)
  return __builtin_popcountll(bits);
#else
  int count = 0;
  for (; bits != 0; bits &= bits - 1) ++count;
  return count;
#endif
}

// Number of zeros below the lowest bit that is set; there is one.
static inline int lowest(std::uint64_t bits) {
#if defined(__GNUC__)
  return __builtin_ctzll(bits);
#else
  return ones((bits & (~bits + 1)) - 1);
#endif
}

}  // namespace sparse3d
