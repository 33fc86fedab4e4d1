// What a splat covers of a row of a tile, once more, when it is known where each pixel ended.
#pragma once

#include "kernels/exp2.hpp"
#include "rasterize/types.hpp"

namespace sparse3d::SPARSE3D_ISA {

constexpr float kReplayMaxAlpha = 0.999f;             // as in blend.cpp
constexpr float kReplayMinPower = -7.994353436858858f;  // log2(1/255): less is not drawn

using ReplayRow = float[kTile];

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

// False if the row is out of reach.
static inline bool place_row(const Reached& r, int row, RowPlace* place) {
  const float dy = static_cast<float>(row) + 0.5f - r.y;
  place->shift = madd(r.k, dy, -r.x);
  place->v = r.c * dy;
  const float vv = place->v * place->v;
  place->power = r.log2_opacity - vv;
  const float left = 0.5f + place->shift;  // dx + k dy at the first and the last pixel centre
  const float right = -(kTile - 0.5f) - place->shift;
  const float outside = left > 0 ? left : right > 0 ? right : 0.0f;
  const float u = r.a * outside;
  return u * u <= r.reach - vv;
}

static inline float u_at(const Reached& r, const RowPlace& place, int i) {
  return r.a * (static_cast<float>(i) + 0.5f + place.shift);
}

// Before the clamp to the largest alpha; 0 past the pixel's end.
static inline float unclamped_alpha(const RowPlace& place, float u, std::int32_t index,
                                    std::int32_t last) {
  const float power = madd(-u, u, place.power);
  const float exact = exp2_fast(power);
  const float drawn = power < kReplayMinPower ? 0.0f : exact;
  return index > last ? 0.0f : drawn;
}

// Sum of a row, always in the same order.
static inline float row_total(const float* __restrict row) {
  float eight[8], four[4];
#pragma omp simd
  for (int i = 0; i < 8; ++i) eight[i] = row[i] + row[i + 8];
#pragma omp simd
  for (int i = 0; i < 4; ++i) four[i] = eight[i] + eight[i + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

}  // namespace sparse3d::SPARSE3D_ISA
