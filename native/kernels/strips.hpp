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

// How many pixels of a strip are inside the image, from its first on; and where that one is, even
// if it is not.
static inline int pixels_of(const TileView& tile, int strip) {
  const int rest = strip % kTile < tile.rows ? tile.columns - strip / kTile * kLanes : 0;
  return rest < 0 ? 0 : rest < kLanes ? rest : kLanes;
}

static inline int64_t first_pixel(const TileView& tile, int strip) {
  return int64_t{tile.y + strip % kTile} * tile.width + tile.x + strip / kTile * kLanes;
}

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

  RowPlace of(int row) const { return {shift[row], v[row], power[row]}; }
};

// Fills in the rows of a tile; returns which strips are in reach.
static inline StripBits place_rows(const Splat& s, const TileView& tile, RowPlaces& rows) {
  const Lanes left_of = all_lanes(static_cast<float>(tile.x) - s.x);
  const Lanes above = all_lanes(s.y - static_cast<float>(tile.y)), zero = all_lanes(0.0f);
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

// Where the strips of a tile end: with the last entry that one of their pixels shows.
class StripEnds {
 public:
  StripEnds(const TileView& tile, const std::int32_t* last_of_pixels) {
    for (std::int32_t& last : last_) last = -1;
    for (int row = 0; row < tile.rows; ++row)
      for (int column = 0; column < tile.columns; ++column) {
        const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + column;
        std::int32_t& last = last_[column / kLanes * kTile + row];
        if (last_of_pixels[pixel] > last) last = last_of_pixels[pixel];
      }
    for (const std::int32_t last : last_)
      if (last > tile_last_) tile_last_ = last;
  }

  // Of the whole tile; -1 if it shows nothing.
  std::int32_t last() const { return tile_last_; }

  // Strips that an entry may show in.
  StripBits live(std::int32_t entry) {
    if (entry < first_valid_ || entry > last_valid_) find(entry);
    return live_;
  }

 private:
  // The strips change but at a few entries.
  void find(std::int32_t entry) {
    live_ = 0;
    first_valid_ = 0;
    last_valid_ = INT32_MAX;
    for (int strip = 0; strip < kStrips; ++strip)
      if (last_[strip] >= entry) {
        live_ |= strip_bit(strip);
        if (last_[strip] < last_valid_) last_valid_ = last_[strip];
      } else if (last_[strip] >= first_valid_) {
        first_valid_ = last_[strip] + 1;
      }
  }

  std::int32_t last_[kStrips];
  std::int32_t tile_last_ = -1;
  StripBits live_ = 0;
  std::int32_t first_valid_ = 1, last_valid_ = 0;  // entries that `live_` is right for
};

}  // namespace sparse3d::SPARSE3D_ISA
