// What a splat covers of a row of a tile, for blending and for all that repeats it.
#pragma once

#include "kernels/exp2.hpp"
#include "rasterize/types.hpp"

namespace sparse3d::SPARSE3D_ISA {

constexpr float kReplayMinPower = -7.994353436858858f;  // log2(1/255): less is not drawn

using ReplayRow = float[kTile];

constexpr ReplayRow kCentres = {0.5f, 1.5f, 2.5f,  3.5f,  4.5f,  5.5f,  6.5f,  7.5f,
                                8.5f, 9.5f, 10.5f, 11.5f, 12.5f, 13.5f, 14.5f, 15.5f};

// An entry in coordinates of its tile, and the rows that it reaches.
struct Reached {
  float x, y, a, k, c, log2_opacity, reach;
  int first, last;
};

static inline float between(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

static inline Reached reached_rows(const Splat& s, const TileView& tile) {
  Reached r{s.x - static_cast<float>(tile.x), s.y - static_cast<float>(tile.y), s.a, s.k, s.c,
            s.log2_opacity, s.reach, 0, 0};
  const float top = r.y - s.height - 0.51f;  // 0.01 pixels of slack for rounding
  const float bottom = r.y + s.height - 0.49f;
  r.first = static_cast<int>(between(top, -1.0f, kTile) + 1.0f);
  r.last = static_cast<int>(between(bottom, -1.0f, static_cast<float>(tile.rows - 1)) + 1.0f) - 1;
  return r;
}

// u of the row's pixels is `a (i + 0.5 + shift)`, v is the same for all.
struct RowPlace {
  float shift, v, power;
};

static inline RowPlace place_of(const Reached& r, int row) {
  const float dy = static_cast<float>(row) + 0.5f - r.y;
  const float v = r.c * dy;
  return {madd(r.k, dy, -r.x), v, r.log2_opacity - v * v};
}

// False if all of `count` pixels of the row from `first` on are out of reach.
static inline bool reaches(const Reached& r, const RowPlace& place, int first, int count) {
  const float left = static_cast<float>(first) + 0.5f + place.shift;  // dx + k dy at its ends
  const float right = -static_cast<float>(first + count) + 0.5f - place.shift;
  const float outside = left > 0 ? left : right > 0 ? right : 0.0f;
  const float u = r.a * outside;
  return u * u <= r.reach - place.v * place.v;
}

// False if the row is out of reach.
static inline bool place_row(const Reached& r, int row, RowPlace* place) {
  *place = place_of(r, row);
  return reaches(r, *place, 0, kTile);
}

}  // namespace sparse3d::SPARSE3D_ISA
