#include "kernels/channels.hpp"

#include <math.h>

#include "kernels/replay.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

using Ends = std::int32_t[kTile][kTile];

// Number in the list of the last entry of each pixel, and of the whole tile.
std::int32_t load_ends(const TileView& tile, const std::int32_t* last, Ends& ends) {
  std::int32_t tile_last = -1;
  for (int row = 0; row < tile.rows; ++row) {
    const std::int32_t* from = last + std::int64_t{tile.y + row} * tile.width + tile.x;
    for (int i = 0; i < kTile; ++i) {
      ends[row][i] = i < tile.columns ? from[i] : -1;
      if (ends[row][i] > tile_last) tile_last = ends[row][i];
    }
  }
  return tile_last;
}

inline int channel_of(const ChannelSet& set, std::int32_t splat, int j) {
  return set.indices ? set.indices[std::int64_t{splat} * set.each + j] : j;
}

// Weights of a row, and what they leave of the transmittance.
inline void weigh(const Reached& r, const RowPlace& place, std::int32_t index,
                  const std::int32_t* __restrict ends, float* __restrict t,
                  float* __restrict weights) {
#pragma omp simd
  for (int i = 0; i < kTile; ++i) {
    const float alpha = unclamped_alpha(place, u_at(r, place, i), index, ends[i]);
    weights[i] = (alpha < kReplayMaxAlpha ? alpha : kReplayMaxAlpha) * t[i];
    t[i] -= weights[i];
  }
}

inline void add_scaled(float value, const float* __restrict weights, float* __restrict sums) {
#pragma omp simd
  for (int i = 0; i < kTile; ++i) sums[i] = madd(value, weights[i], sums[i]);
}

inline void fill(float* values, int count, float value) {
#pragma omp simd
  for (int i = 0; i < count; ++i) values[i] = value;
}

// From [channel][row][column] to the tile's part of [height][width][channel], and back.
void store(const TileView& tile, int count, const float* sums, float* images) {
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      for (int c = 0; c < count; ++c) images[pixel * count + c] = sums[(c * kTile + row) * kTile + i];
    }
}

void load(const TileView& tile, int count, const float* images, float* sums) {
  fill(sums, count * kTile * kTile, 0.0f);
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      for (int c = 0; c < count; ++c) sums[(c * kTile + row) * kTile + i] = images[pixel * count + c];
    }
}

}  // namespace

void blend_channels(const TileView& tile, const ChannelSet& set, const std::int32_t* last,
                    float* scratch, float* images) {
  Ends ends;
  const std::int32_t tile_last = load_ends(tile, last, ends);
  alignas(64) ReplayRow t[kTile];
  fill(&t[0][0], kTile * kTile, 1.0f);
  fill(scratch, set.count * kTile * kTile, 0.0f);
  for (std::int32_t index = 0; index <= tile_last; ++index) {
    const std::int32_t splat = tile.entries[index].splat;
    const Reached r = reached_rows(tile.splats[splat], tile);
    const float* values = set.values + std::int64_t{splat} * set.each;
    for (int row = r.first; row <= r.last; ++row) {
      RowPlace place;
      if (!place_row(r, row, &place)) continue;
      alignas(64) ReplayRow weights;
      weigh(r, place, index, ends[row], t[row], weights);
      for (int j = 0; j < set.each; ++j)
        add_scaled(values[j], weights, scratch + (channel_of(set, splat, j) * kTile + row) * kTile);
    }
  }
  store(tile, set.count, scratch, images);
}

namespace {

struct Sums {
  alignas(64) ReplayRow g, gu, gv, guu, guv, gvv, gx, gy;
};

struct Behind {
  alignas(64) ReplayRow t[kTile];      // transmittance behind the entry at hand
  alignas(64) ReplayRow value[kTile];  // sum over what lies behind of weight * value
};

// The row's part of the sums; `value` is what the entry's values are worth at each pixel.
inline void row_backward(const Reached& r, const RowPlace& place, std::int32_t index,
                         const std::int32_t* __restrict ends, const float* __restrict value,
                         float* __restrict t, float* __restrict behind,
                         float* __restrict weights, Sums& sums) {
#pragma omp simd
  for (int i = 0; i < kTile; ++i) {
    const float u = u_at(r, place, i);
    const float unclamped = unclamped_alpha(place, u, index, ends[i]);
    const float alpha = unclamped < kReplayMaxAlpha ? unclamped : kReplayMaxAlpha;
    const float inverse = 1.0f / (1.0f - alpha);
    const float before = t[i] * inverse;
    const float slope = madd(before, value[i], -behind[i] * inverse);  // dL/dalpha
    const float g = unclamped > kReplayMaxAlpha ? 0.0f : alpha * slope;
    weights[i] = alpha * before;
    behind[i] = madd(weights[i], value[i], behind[i]);
    t[i] = before;
    const float gu = g * u, gv = g * place.v;
    sums.g[i] += g;
    sums.gu[i] += gu;
    sums.gv[i] += gv;
    sums.guu[i] = madd(gu, u, sums.guu[i]);
    sums.guv[i] = madd(gu, place.v, sums.guv[i]);
    sums.gvv[i] = madd(gv, place.v, sums.gvv[i]);
    sums.gx[i] += fabsf(gu);
    sums.gy[i] += fabsf(madd(r.a * r.k, gu, r.c * gv));
  }
}

inline void write_head(const Sums& sums, float* slot) {
  const float* rows[] = {sums.g,   sums.gu,  sums.gv, sums.guu,
                         sums.guv, sums.gvv, sums.gx, sums.gy};
  for (int i = 0; i < kSlotHead; ++i) slot[i] = row_total(rows[i]);
}

void load_behind(const TileView& tile, const float* transmittances, Behind& state) {
  fill(&state.t[0][0], kTile * kTile, 1.0f);
  fill(&state.value[0][0], kTile * kTile, 0.0f);
  for (int row = 0; row < tile.rows; ++row) {
    const float* from = transmittances + std::int64_t{tile.y + row} * tile.width + tile.x;
    for (int i = 0; i < tile.columns; ++i) state.t[row][i] = from[i];
  }
}

// One entry: its rows, then its slot.
void entry_backward(const TileView& tile, const ChannelSet& set, std::int32_t index,
                    const Ends& ends, const float* gradients, float* totals, Behind& state,
                    float* slot) {
  const std::int32_t splat = tile.entries[index].splat;
  const Reached r = reached_rows(tile.splats[splat], tile);
  const float* values = set.values + std::int64_t{splat} * set.each;
  Sums sums = {};
  fill(totals, set.each * kTile, 0.0f);
  for (int row = r.first; row <= r.last; ++row) {
    RowPlace place;
    if (!place_row(r, row, &place)) continue;
    alignas(64) ReplayRow value = {}, weights;
    for (int j = 0; j < set.each; ++j)
      add_scaled(values[j], gradients + (channel_of(set, splat, j) * kTile + row) * kTile, value);
    row_backward(r, place, index, ends[row], value, state.t[row], state.value[row], weights, sums);
    for (int j = 0; j < set.each; ++j) {
      const float* gradient = gradients + (channel_of(set, splat, j) * kTile + row) * kTile;
      float* total = totals + j * kTile;
#pragma omp simd
      for (int i = 0; i < kTile; ++i) total[i] = madd(weights[i], gradient[i], total[i]);
    }
  }
  write_head(sums, slot);
  for (int j = 0; j < set.each; ++j) slot[kSlotHead + j] = row_total(totals + j * kTile);
}

}  // namespace

void blend_channels_backward(const TileView& tile, const ChannelSet& set,
                             const float* transmittances, const std::int32_t* last,
                             const float* gradients, float* scratch, float* slots) {
  const int width = kSlotHead + set.each;
  Ends ends;
  const std::int32_t tile_last = load_ends(tile, last, ends);
  Behind state;
  load_behind(tile, transmittances, state);
  load(tile, set.count, gradients, scratch);
  float* totals = scratch + std::int64_t{set.count} * kTile * kTile;
  for (int index = tile.count - 1; index > tile_last; --index)
    fill(slots + std::int64_t{tile.entries[index].slot} * width, width, 0.0f);
  for (std::int32_t index = tile_last; index >= 0; --index)
    entry_backward(tile, set, index, ends, scratch, totals, state,
                   slots + std::int64_t{tile.entries[index].slot} * width);
}

void find_rows(const TileView& tile, const std::int32_t* last, std::int32_t* median,
               std::int32_t* dominant) {
  Ends ends, medians, dominants;
  const std::int32_t tile_last = load_ends(tile, last, ends);
  alignas(64) ReplayRow t[kTile], best[kTile];
  for (int row = 0; row < kTile; ++row)
    for (int i = 0; i < kTile; ++i) {
      t[row][i] = 1.0f;
      best[row][i] = 0.0f;
      medians[row][i] = dominants[row][i] = -1;
    }
  for (std::int32_t index = 0; index <= tile_last; ++index) {
    const std::int32_t splat = tile.entries[index].splat;
    const Reached r = reached_rows(tile.splats[splat], tile);
    for (int row = r.first; row <= r.last; ++row) {
      RowPlace place;
      if (!place_row(r, row, &place)) continue;
      alignas(64) ReplayRow weights;
      weigh(r, place, index, ends[row], t[row], weights);
#pragma omp simd
      for (int i = 0; i < kTile; ++i) {
        medians[row][i] = t[row][i] < 0.5f && medians[row][i] < 0 ? splat : medians[row][i];
        dominants[row][i] = weights[i] > best[row][i] ? splat : dominants[row][i];
        best[row][i] = weights[i] > best[row][i] ? weights[i] : best[row][i];
      }
    }
  }
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      median[pixel] = medians[row][i];
      dominant[pixel] = dominants[row][i];
    }
}

}  // namespace sparse3d::SPARSE3D_ISA
