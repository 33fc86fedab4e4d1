#include "kernels/blend.hpp"

#include <math.h>

#include "kernels/exp2.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr float kMaxAlpha = 0.999f;
constexpr float kMinPower = -7.994353436858858f;  // log2(1/255): less is not drawn
constexpr float kOpaque = 1e-4f;  // a pixel ends before its transmittance falls to this
constexpr int kCheckEvery = 32;   // entries between two looks for finished rows

using Row = float[kTile];

// An entry in coordinates of its tile, and the rows that it reaches.
struct Local {
  float x, y, a, k, c, log2_opacity, reach;
  int first, last;
};

inline float clamp(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

inline Local local(const Splat& s, const TileView& tile) {
  Local l{s.x - static_cast<float>(tile.x), s.y - static_cast<float>(tile.y), s.a, s.k, s.c,
          s.log2_opacity, s.reach, 0, 0};
  const float top = l.y - s.height - 0.51f;  // 0.01 pixels of slack for rounding
  const float bottom = l.y + s.height - 0.49f;
  l.first = static_cast<int>(clamp(top, -1.0f, kTile) + 1.0f);  // truncation of a positive number
  l.last = static_cast<int>(clamp(bottom, -1.0f, static_cast<float>(tile.rows - 1)) + 1.0f) - 1;
  return l;
}

// The row's constants; false if the row is out of reach.
struct RowTerms {
  float shift, v, power;
};

inline bool row_terms(const Local& l, int row, RowTerms* terms) {
  const float dy = static_cast<float>(row) + 0.5f - l.y;
  terms->shift = madd(l.k, dy, -l.x);
  terms->v = l.c * dy;
  const float vv = terms->v * terms->v;
  terms->power = l.log2_opacity - vv;
  const float left = 0.5f + terms->shift;  // dx + k dy at the first and the last pixel centre
  const float right = -(kTile - 0.5f) - terms->shift;
  const float outside = left > 0 ? left : right > 0 ? right : 0.0f;
  const float u = l.a * outside;
  return u * u <= l.reach - vv;
}

struct ForwardState {
  alignas(64) Row t[kTile];  // transmittance; negative once the pixel has ended
  alignas(64) Row r[kTile], g[kTile], b[kTile], alpha[kTile], depth[kTile];
  alignas(64) std::int32_t last[kTile][kTile];
};

void start(const TileView& tile, ForwardState& s) {
  for (int row = 0; row < tile.rows; ++row)
#pragma omp simd
    for (int i = 0; i < kTile; ++i) {
      s.t[row][i] = i < tile.columns ? 1.0f : -1.0f;
      s.r[row][i] = s.g[row][i] = s.b[row][i] = s.alpha[row][i] = s.depth[row][i] = 0.0f;
      s.last[row][i] = -1;
    }
}

inline void blend_row(const Splat& splat, const Local& l, const RowTerms& row, std::int32_t index,
                      float* __restrict t, float* __restrict r, float* __restrict g,
                      float* __restrict b, float* __restrict alphas,
                      float* __restrict depths, std::int32_t* __restrict last) {
#pragma omp simd
  for (int i = 0; i < kTile; ++i) {
    const float u = l.a * (static_cast<float>(i) + 0.5f + row.shift);
    const float power = madd(-u, u, row.power);
    const float exact = exp2_fast(power);
    const float unclamped = power < kMinPower ? 0.0f : exact;
    const float alpha = unclamped < kMaxAlpha ? unclamped : kMaxAlpha;
    const float before = t[i];
    const float covered = alpha * before;
    const float after = before - covered;
    const float weight = after > kOpaque ? covered : 0.0f;  // an ended pixel has after <= 0
    t[i] = after > kOpaque ? after : -fabsf(before);
    r[i] = madd(weight, splat.color[0], r[i]);
    g[i] = madd(weight, splat.color[1], g[i]);
    b[i] = madd(weight, splat.color[2], b[i]);
    alphas[i] += weight;
    depths[i] = madd(weight, splat.depth, depths[i]);
    last[i] = weight > 0.0f ? index : last[i];
  }
}

// Which rows have a pixel that has not ended; false if none.
bool find_live_rows(const TileView& tile, const ForwardState& s, bool* live) {
  bool any = false;
  for (int row = 0; row < tile.rows; ++row) {
    float largest = -1.0f;
#pragma omp simd reduction(max : largest)
    for (int i = 0; i < kTile; ++i) largest = s.t[row][i] > largest ? s.t[row][i] : largest;
    live[row] = largest > 0;
    any = any || live[row];
  }
  return any;
}

void finish(const TileView& tile, const ForwardImages& images, const ForwardState& s) {
  for (int row = 0; row < tile.rows; ++row) {
    const std::int64_t begin = std::int64_t{tile.y + row} * tile.width + tile.x;
    for (int i = 0; i < tile.columns; ++i) {
      const float left = s.t[row][i] < 0 ? -s.t[row][i] : s.t[row][i];
      const float alpha = s.alpha[row][i];
      float* color = images.colors + 3 * (begin + i);
      color[0] = madd(left, images.background[0], s.r[row][i]);
      color[1] = madd(left, images.background[1], s.g[row][i]);
      color[2] = madd(left, images.background[2], s.b[row][i]);
      images.alphas[begin + i] = alpha;
      images.depths[begin + i] = alpha > 0 ? s.depth[row][i] / alpha : 0.0f;
      images.transmittances[begin + i] = left;
      images.last[begin + i] = s.last[row][i];
    }
  }
}

}  // namespace

void blend(const TileView& tile, const ForwardImages& images) {
  ForwardState s;
  start(tile, s);
  bool live[kTile];
  for (int index = 0; index < tile.count; ++index) {
    if (index % kCheckEvery == 0 && !find_live_rows(tile, s, live)) break;
    const Splat& splat = tile.splats[tile.entries[index].splat];
    const Local l = local(splat, tile);
    for (int row = l.first; row <= l.last; ++row) {
      RowTerms terms;
      if (!live[row] || !row_terms(l, row, &terms)) continue;
      blend_row(splat, l, terms, index, s.t[row], s.r[row], s.g[row], s.b[row], s.alpha[row],
                s.depth[row], s.last[row]);
    }
  }
  finish(tile, images, s);
}

namespace {

struct BackwardState {
  alignas(64) Row t[kTile];       // transmittance behind the entry at hand
  alignas(64) Row behind[kTile];  // sum over what lies behind of weight * (its values . gradient)
  alignas(64) Row r[kTile], g[kTile], b[kTile], alpha[kTile], depth[kTile];  // dL/d sums
  alignas(64) std::int32_t last[kTile][kTile];
  std::int32_t row_last[kTile];
};

struct Sums {
  alignas(64) Row g, gu, gv, guu, guv, gvv, red, green, blue, depth;
};

void clear_row(BackwardState& s, int row) {
#pragma omp simd
  for (int i = 0; i < kTile; ++i) {
    s.t[row][i] = 1.0f;
    s.behind[row][i] = s.r[row][i] = s.g[row][i] = s.b[row][i] = 0.0f;
    s.alpha[row][i] = s.depth[row][i] = 0.0f;
    s.last[row][i] = -1;
  }
  s.row_last[row] = -1;
}

// Gradients of colour, of alpha (the sum of weights) and of the sum of weighted depths.
std::int32_t load(const TileView& tile, const BackwardImages& images, BackwardState& s,
                  double* background_gradient) {
  std::int32_t tile_last = -1;
  for (int row = 0; row < tile.rows; ++row) {
    clear_row(s, row);
    const std::int64_t begin = std::int64_t{tile.y + row} * tile.width + tile.x;
    for (int i = 0; i < tile.columns; ++i) {
      const float* gradient = images.color_gradients + 3 * (begin + i);
      const float left = images.transmittances[begin + i];
      const float alpha = images.alphas[begin + i];
      s.t[row][i] = left;
      s.r[row][i] = gradient[0];
      s.g[row][i] = gradient[1];
      s.b[row][i] = gradient[2];
      s.depth[row][i] = alpha > 0 ? images.depth_gradients[begin + i] / alpha : 0.0f;
      s.alpha[row][i] =
          images.alpha_gradients[begin + i] - s.depth[row][i] * images.depths[begin + i];
      float dot = 0;
      for (int channel = 0; channel < 3; ++channel) {
        dot = madd(images.background[channel], gradient[channel], dot);
        background_gradient[channel] += left * gradient[channel];
      }
      s.behind[row][i] = left * dot;
      s.last[row][i] = images.last[begin + i];
      if (s.last[row][i] > s.row_last[row]) s.row_last[row] = s.last[row][i];
    }
    if (s.row_last[row] > tile_last) tile_last = s.row_last[row];
  }
  return tile_last;
}

inline void blend_row_backward(const Splat& splat, const Local& l, const RowTerms& row,
                               std::int32_t index, float* __restrict t,
                               float* __restrict behind, const float* __restrict r,
                               const float* __restrict g, const float* __restrict b,
                               const float* __restrict a, const float* __restrict d,
                               const std::int32_t* __restrict last, Sums& sums) {
#pragma omp simd
  for (int i = 0; i < kTile; ++i) {
    const float u = l.a * (static_cast<float>(i) + 0.5f + row.shift);
    const float power = madd(-u, u, row.power);
    const float exact = exp2_fast(power);
    const float reached = power < kMinPower ? 0.0f : exact;
    const float unclamped = index > last[i] ? 0.0f : reached;
    const float alpha = unclamped < kMaxAlpha ? unclamped : kMaxAlpha;
    const float inverse = 1.0f / (1.0f - alpha);
    const float before = t[i] * inverse;
    const float weight = alpha * before;
    float value = madd(splat.color[0], r[i], a[i]);
    value = madd(splat.color[1], g[i], value);
    value = madd(splat.color[2], b[i], value);
    value = madd(splat.depth, d[i], value);
    const float slope = madd(before, value, -behind[i] * inverse);  // dL/dalpha
    const float ga = unclamped > kMaxAlpha ? 0.0f : alpha * slope;
    behind[i] = madd(weight, value, behind[i]);
    t[i] = before;
    const float gu = ga * u;
    const float gv = ga * row.v;
    sums.g[i] += ga;
    sums.gu[i] += gu;
    sums.gv[i] += gv;
    sums.guu[i] = madd(gu, u, sums.guu[i]);
    sums.guv[i] = madd(gu, row.v, sums.guv[i]);
    sums.gvv[i] = madd(gv, row.v, sums.gvv[i]);
    sums.red[i] = madd(weight, r[i], sums.red[i]);
    sums.green[i] = madd(weight, g[i], sums.green[i]);
    sums.blue[i] = madd(weight, b[i], sums.blue[i]);
    sums.depth[i] = madd(weight, d[i], sums.depth[i]);
  }
}

inline float total(const float* __restrict row) {
  float eight[8], four[4];
#pragma omp simd
  for (int i = 0; i < 8; ++i) eight[i] = row[i] + row[i + 8];
#pragma omp simd
  for (int i = 0; i < 4; ++i) four[i] = eight[i] + eight[i + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

inline void reduce(const Sums& sums, SplatGradient& out) {
  out.g = total(sums.g);
  out.gu = total(sums.gu);
  out.gv = total(sums.gv);
  out.guu = total(sums.guu);
  out.guv = total(sums.guv);
  out.gvv = total(sums.gvv);
  out.color[0] = total(sums.red);
  out.color[1] = total(sums.green);
  out.color[2] = total(sums.blue);
  out.depth = total(sums.depth);
}

}  // namespace

void blend_backward(const TileView& tile, const BackwardImages& images, SplatGradient* slots,
                    double* background_gradient) {
  BackwardState s;
  const std::int32_t tile_last = load(tile, images, s, background_gradient);
  for (int index = tile.count - 1; index > tile_last; --index)
    slots[tile.entries[index].slot] = SplatGradient{};
  for (int index = tile_last; index >= 0; --index) {
    const Splat& splat = tile.splats[tile.entries[index].splat];
    const Local l = local(splat, tile);
    Sums sums = {};
    for (int row = l.first; row <= l.last; ++row) {
      RowTerms terms;
      if (index > s.row_last[row] || !row_terms(l, row, &terms)) continue;
      blend_row_backward(splat, l, terms, index, s.t[row], s.behind[row], s.r[row], s.g[row],
                         s.b[row], s.alpha[row], s.depth[row], s.last[row], sums);
    }
    reduce(sums, slots[tile.entries[index].slot]);
  }
}

}  // namespace sparse3d::SPARSE3D_ISA
