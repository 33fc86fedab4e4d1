// What the passes over channels share: values, weights.
#pragma once

#include "kernels/lines.hpp"

namespace sparse3d::SPARSE3D_ISA {

// Some number of each pixel, strip by strip.
template <typename T>
struct alignas(64) StripValues {
  T of[kStrips][kLanes];

  void fill(T value) {
    for (auto& strip : of)
      for (T& one : strip) one = value;
  }

  // From the tile's part of an image; `outside` where there is none.
  void load(const TileView& tile, const T* image, T outside) {
    fill(outside);
    for (int row = 0; row < tile.rows; ++row) {
      const T* from = image + std::int64_t{tile.y + row} * tile.width + tile.x;
      for (int i = 0; i < tile.columns; ++i) of[i / kLanes * kTile + row][i % kLanes] = from[i];
    }
  }

  void store(const TileView& tile, T* image) const {
    for (int row = 0; row < tile.rows; ++row) {
      T* to = image + std::int64_t{tile.y + row} * tile.width + tile.x;
      for (int i = 0; i < tile.columns; ++i) to[i] = of[i / kLanes * kTile + row][i % kLanes];
    }
  }
};

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

static inline void fill(float* values, int count, float value) {
#pragma omp simd
  for (int i = 0; i < count; ++i) values[i] = value;
}

// Weights of a strip, which are taken off the transmittance.
template <typename Cover>
static inline Lanes weigh(const Line<Cover>& line, int strip, const std::int32_t* last, float* t) {
  typename Cover::Pixels pixels;
  const Lanes unclamped = unclamped_of(line, strip, last, &pixels);
  const Lanes before = load_lanes(t);
  const Lanes weight = times(smaller(unclamped, all_lanes(line.max_alpha)), before);
  store_lanes(t, minus(before, weight));
  return weight;
}

}  // namespace sparse3d::SPARSE3D_ISA
