#include "kernels/blend.hpp"

#include <math.h>

#include "kernels/splat_cover.hpp"
#include "kernels/surfel_cover.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr float kOpaque = 1e-4f;  // a pixel ends before its transmittance falls to this
constexpr int kParts = kTile / kLanes;
constexpr int kBatch = 128;  // entries that are looked at before rows are blended

using Row = float[kTile];

// What blending needs of an entry, beside its place in a row.
template <typename Cover>
struct Paint {
  typename Cover::Brush brush;
  float color[3], depth;
};

// An entry of the batch that reaches a row.
template <typename Cover>
struct Hit {
  typename Cover::Stroke stroke;
  std::int32_t number;
};

template <typename Cover>
struct RowHits {
  int count;
  Hit<Cover> hits[kBatch];
};

// Pixels of a row. A transmittance is negative once its pixel has ended.
struct alignas(64) RowState {
  Row t, r, g, b, alpha, depth;
  std::int32_t last[kTile];
  std::uint32_t ended;  // a bit a pixel
};

constexpr std::uint32_t kAllEnded = (1u << kTile) - 1;

void start(const TileView& tile, RowState* rows) {
  for (int row = 0; row < tile.rows; ++row) {
    RowState& s = rows[row];
    for (int i = 0; i < kTile; ++i) {
      s.t[i] = i < tile.columns ? 1.0f : -1.0f;
      s.r[i] = s.g[i] = s.b[i] = s.alpha[i] = s.depth[i] = 0.0f;
      s.last[i] = i < tile.columns ? tile.count - 1 : -1;
    }
    s.ended = kAllEnded & ~((1u << tile.columns) - 1);
  }
}

// Sorts a batch of entries by the rows that they reach.
template <typename Cover>
void find_hits(const TileView& tile, int begin, int end, const RowState* rows,
               Paint<Cover>* paints, RowHits<Cover>* hits) {
  for (int row = 0; row < tile.rows; ++row) hits[row].count = 0;
  for (int index = begin; index < end; ++index) {
    const std::int32_t splat = tile.entries[index].splat;
    const Splat& s = tile.splats[splat];
    const Reached reached = reached_rows(s, tile);
    const auto brush = Cover::brush(tile, splat, reached);
    paints[index - begin] = {brush, {s.color[0], s.color[1], s.color[2]}, s.depth};
    for (int row = reached.first; row <= reached.last; ++row) {
      RowPlace place;
      const bool hit = place_row(reached, row, &place) && rows[row].ended != kAllEnded;
      RowHits<Cover>& list = hits[row];
      list.hits[list.count] = {Cover::stroke(brush, place, row), index - begin};
      list.count += hit;
    }
  }
}

// Pixels that have ended since `before` were not covered by entry `index`.
inline void end_pixels(std::uint32_t newly, int index, std::int32_t* last) {
  for (int i = 0; i < kTile; ++i)
    if ((newly >> i & 1) != 0) last[i] = index - 1;
}

// Blends the hits over a row, whose sums stay in registers; adds their weights if `weighed`.
template <typename Cover, bool weighed>
void blend_row(const RowHits<Cover>& list, const Paint<Cover>* paints, int begin, float max_alpha,
               RowState& s, Lanes* weights) {
  Lanes t[kParts], r[kParts], g[kParts], b[kParts], alphas[kParts], depths[kParts];
  for (int p = 0; p < kParts; ++p) {
    t[p] = load_lanes(s.t + p * kLanes);
    r[p] = load_lanes(s.r + p * kLanes);
    g[p] = load_lanes(s.g + p * kLanes);
    b[p] = load_lanes(s.b + p * kLanes);
    alphas[p] = load_lanes(s.alpha + p * kLanes);
    depths[p] = load_lanes(s.depth + p * kLanes);
  }
  std::uint32_t ended = s.ended;
  for (int n = 0; n < list.count && ended != kAllEnded; ++n) {
    const Hit<Cover>& hit = list.hits[n];
    const Paint<Cover>& paint = paints[hit.number];
    std::uint32_t now = 0;
    for (int p = 0; p < kParts; ++p) {
      typename Cover::Pixels pixels;
      const Lanes power = Cover::power(paint.brush, hit.stroke, p * kLanes, &pixels);
      const Lanes drawn = zero_if_less(power, all_lanes(kReplayMinPower), exp2_lanes(power));
      const Lanes covered = times(smaller(drawn, all_lanes(max_alpha)), t[p]);
      const Lanes after = minus(t[p], covered);
      const Lanes weight = zero_unless_greater(after, all_lanes(kOpaque), covered);
      t[p] = if_greater(after, all_lanes(kOpaque), after, made_negative(t[p]));
      r[p] = fused(weight, all_lanes(paint.color[0]), r[p]);
      g[p] = fused(weight, all_lanes(paint.color[1]), g[p]);
      b[p] = fused(weight, all_lanes(paint.color[2]), b[p]);
      alphas[p] = plus(alphas[p], weight);
      if (weighed) weights[hit.number] = plus(weights[hit.number], weight);
      depths[p] = fused(weight, all_lanes(paint.depth), depths[p]);
      now |= signs(t[p]) << (p * kLanes);
    }
    if (now != ended) end_pixels(now & ~ended, begin + hit.number, s.last);
    ended = now;
  }
  for (int p = 0; p < kParts; ++p) {
    store_lanes(s.t + p * kLanes, t[p]);
    store_lanes(s.r + p * kLanes, r[p]);
    store_lanes(s.g + p * kLanes, g[p]);
    store_lanes(s.b + p * kLanes, b[p]);
    store_lanes(s.alpha + p * kLanes, alphas[p]);
    store_lanes(s.depth + p * kLanes, depths[p]);
  }
  s.ended = ended;
}

bool all_ended(const TileView& tile, const RowState* rows) {
  for (int row = 0; row < tile.rows; ++row)
    if (rows[row].ended != kAllEnded) return false;
  return true;
}

void finish(const TileView& tile, const ForwardImages& images, const RowState* rows) {
  for (int row = 0; row < tile.rows; ++row) {
    const RowState& s = rows[row];
    const std::int64_t begin = std::int64_t{tile.y + row} * tile.width + tile.x;
    for (int i = 0; i < tile.columns; ++i) {
      const float left = fabsf(s.t[i]), alpha = s.alpha[i];
      float* color = images.colors + 3 * (begin + i);
      color[0] = madd(left, images.background[0], s.r[i]);
      color[1] = madd(left, images.background[1], s.g[i]);
      color[2] = madd(left, images.background[2], s.b[i]);
      images.alphas[begin + i] = alpha;
      images.depths[begin + i] = alpha > 0 ? s.depth[i] / alpha : 0.0f;
      images.transmittances[begin + i] = left;
      images.last[begin + i] = s.last[i];
    }
  }
}

template <typename Cover, bool weighed>
void blend_tile(const TileView& tile, const ForwardImages& images) {
  RowState rows[kTile];
  RowHits<Cover> hits[kTile];
  Paint<Cover> paints[kBatch];
  Lanes weights[weighed ? kBatch : 1];
  start(tile, rows);
  int begin = 0;
  for (; begin < tile.count && !all_ended(tile, rows); begin += kBatch) {
    const int end = begin + kBatch < tile.count ? begin + kBatch : tile.count;
    find_hits<Cover>(tile, begin, end, rows, paints, hits);
    if (weighed)
      for (Lanes& weight : weights) weight = all_lanes(0.0f);
    for (int row = 0; row < tile.rows; ++row)
      blend_row<Cover, weighed>(hits[row], paints, begin, tile.max_alpha, rows[row], weights);
    if (weighed)
      for (int index = begin; index < end; ++index)
        images.weights[tile.entries[index].slot] = total(weights[index - begin]);
  }
  if (weighed)
    for (int index = begin; index < tile.count; ++index)
      images.weights[tile.entries[index].slot] = 0.0f;
  finish(tile, images, rows);
}

template <typename Cover>
void blend_with(const TileView& tile, const ForwardImages& images) {
  if (images.weights)
    blend_tile<Cover, true>(tile, images);
  else
    blend_tile<Cover, false>(tile, images);
}

}  // namespace

void blend(const TileView& tile, const ForwardImages& images) {
  blend_with<SplatCover>(tile, images);
}

void blend_surfels(const TileView& tile, const ForwardImages& images) {
  blend_with<SurfelCover>(tile, images);
}

}  // namespace sparse3d::SPARSE3D_ISA
