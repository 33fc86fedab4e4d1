// What the passes over channels share: where pixels end, values, weights.
#pragma once

#include "kernels/splat_cover.hpp"
#include "kernels/surfel_cover.hpp"

namespace sparse3d::SPARSE3D_ISA {

// Numbers in the list of the last entry of each pixel, of each row and of the tile.
struct Ends {
  std::int32_t pixel[kTile][kTile];
  std::int32_t row[kTile];
  std::int32_t tile;
};

static inline void load_ends(const TileView& tile, const std::int32_t* last, Ends& ends) {
  ends.tile = -1;
  for (int row = 0; row < tile.rows; ++row) {
    const std::int32_t* from = last + std::int64_t{tile.y + row} * tile.width + tile.x;
    ends.row[row] = -1;
    for (int i = 0; i < kTile; ++i) {
      const std::int32_t end = i < tile.columns ? from[i] : -1;
      ends.pixel[row][i] = end;
      if (end > ends.row[row]) ends.row[row] = end;
    }
    if (ends.row[row] > ends.tile) ends.tile = ends.row[row];
  }
}

// The values of one Gaussian, and which channels they belong to.
struct Values {
  const float* values;
  const std::int32_t* indices;  // null: value j belongs to channel j

  int channel(int j) const { return indices ? indices[j] : j; }
};

static inline Values values_of(const ChannelSet& set, std::int32_t splat) {
  const std::int64_t first = std::int64_t{splat} * set.each;
  return {set.values + first, set.indices ? set.indices + first : nullptr};
}

// Before the clamp to the largest alpha; 0 past a pixel's end.
template <typename Cover>
static inline Lanes unclamped_of(const typename Cover::Brush& brush,
                                 const typename Cover::Stroke& stroke, std::int32_t index,
                                 const std::int32_t* ends, int at,
                                 typename Cover::Pixels* pixels) {
  const Lanes power = Cover::power(brush, stroke, at, pixels);
  const Lanes drawn = zero_if_less(power, all_lanes(kReplayMinPower), exp2_lanes(power));
  return zero_after(index, ends + at, drawn);
}

// Weights of a part of a row, which are taken off the transmittance.
template <typename Cover>
static inline Lanes weigh(const typename Cover::Brush& brush,
                          const typename Cover::Stroke& stroke, float max_alpha,
                          std::int32_t index, const std::int32_t* ends, int at, float* t) {
  typename Cover::Pixels pixels;
  const Lanes unclamped = unclamped_of<Cover>(brush, stroke, index, ends, at, &pixels);
  const Lanes before = load_lanes(t + at);
  const Lanes weight = times(smaller(unclamped, all_lanes(max_alpha)), before);
  store_lanes(t + at, minus(before, weight));
  return weight;
}

static inline void fill(float* values, int count, float value) {
#pragma omp simd
  for (int i = 0; i < count; ++i) values[i] = value;
}

}  // namespace sparse3d::SPARSE3D_ISA
