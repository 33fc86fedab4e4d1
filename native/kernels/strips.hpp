// Strips of a tile, and which of them a splat reaches. A strip is a register of pixels of a row.
#pragma once

#include "kernels/lanes.hpp"
#include "kernels/replay.hpp"

namespace sparse3d::SPARSE3D_ISA {

constexpr int kParts = kTile / kLanes;    // strips of a row
constexpr int kStrips = kTile * kParts;   // strip part * kTile + row begins at pixel part * kLanes

// A bit a strip.
using StripBits = uint64_t;
static_assert(kStrips <= 64, "strips have a bit each");

static inline StripBits strip_bit(int strip) { return StripBits{1} << strip; }

// Number of the lowest bit that is set; there must be one.
static inline int first_bit(uint64_t bits) {
#if defined(__GNUC__)
  return __builtin_ctzll(bits);
#else
  int number = 0;
  for (; (bits & 1) == 0; bits >>= 1) ++number;
  return number;
#endif
}

// Rows of a tile as a splat sees them: u of a pixel is `a (i + 0.5 + shift)`, v is that of the row,
// and power is `log2_opacity - v^2`.
struct alignas(64) RowPlaces {
  ReplayRow shift, v, power;
};

// Fills in the rows of a tile whose first pixel is at `x`, `y`; returns which strips are in reach.
static inline StripBits place_rows(const Splat& s, float x, float y, RowPlaces& rows) {
  const Lanes left_of = all_lanes(x - s.x), above = all_lanes(s.y - y), zero = all_lanes(0.0f);
  const Lanes a = all_lanes(s.a), k = all_lanes(s.k), c = all_lanes(s.c);
  StripBits hits = 0;
  for (int row = 0; row < kTile; row += kLanes) {
    const Lanes dy = minus(load_lanes(kCentres + row), above);
    const Lanes v = times(c, dy), vv = times(v, v);
    const Lanes shift = fused(k, dy, left_of);
    const Lanes reach = minus(all_lanes(s.reach), vv);
    store_lanes(rows.shift + row, shift);
    store_lanes(rows.v + row, v);
    store_lanes(rows.power + row, minus(all_lanes(s.log2_opacity), vv));
    for (int part = 0; part < kParts; ++part) {
      const float first = static_cast<float>(part * kLanes) + 0.5f;
      const float last = first + static_cast<float>(kLanes - 1);
      const Lanes left = plus(all_lanes(first), shift), right = minus(all_lanes(-last), shift);
      const Lanes u = times(a, larger(larger(left, right), zero));
      const StripBits out = signs(minus(reach, times(u, u)));
      hits |= (out ^ (strip_bit(kLanes) - 1)) << (part * kTile + row);
    }
  }
  return hits;
}

}  // namespace sparse3d::SPARSE3D_ISA
