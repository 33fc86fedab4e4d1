// An entry in the rows of a tile, and how much it covers there: for all that repeats blending.
#pragma once

#include "kernels/splat_cover.hpp"
#include "kernels/strips.hpp"
#include "kernels/surfel_cover.hpp"

namespace sparse3d::SPARSE3D_ISA {

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

}  // namespace sparse3d::SPARSE3D_ISA
