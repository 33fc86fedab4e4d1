// What the passes over channels share: values, weights.
#pragma once

#include "kernels/splat_cover.hpp"
#include "kernels/strips.hpp"
#include "kernels/surfel_cover.hpp"

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

// An entry in a row.
template <typename Cover>
struct Line {
  std::int32_t index;
  typename Cover::Brush brush;
  RowPlace place;
  typename Cover::Stroke stroke;
  float max_alpha;
};

// Calls visit(line, strip) for the strips among `live` that an entry reaches.
template <typename Cover, typename Visit>
static inline void for_each_strip(const TileView& tile, std::int32_t index, StripBits live,
                                  Visit visit) {
  const std::int32_t number = tile.entries[index].splat;
  const Splat& splat = tile.splats[number];
  const auto brush = Cover::brush(tile, number);
  RowPlaces places;
  for (StripBits rest = place_rows(splat, tile, places) & live; rest != 0; rest &= rest - 1) {
    const int strip = first_bit(rest), row = strip % kTile;
    const RowPlace place = places.of(row);
    visit(Line<Cover>{index, brush, place, Cover::stroke(brush, place, row), tile.max_alpha},
          strip);
  }
}

// Before the clamp to the largest alpha; 0 past a pixel's end.
template <typename Cover>
static inline Lanes unclamped_of(const Line<Cover>& line, int strip, const std::int32_t* last,
                                 typename Cover::Pixels* pixels) {
  const Lanes power =
      Cover::power(line.brush, line.stroke, strip / kTile * kLanes, pixels);
  const Lanes drawn = zero_if_less(power, all_lanes(kReplayMinPower), exp2_lanes(power));
  return zero_after(line.index, last, drawn);
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
