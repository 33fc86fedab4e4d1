#include "kernels/channels.hpp"

#include "kernels/lanes.hpp"
#include "kernels/replay.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// Numbers in the list of the last entry of each pixel, of each row and of the tile.
struct Ends {
  std::int32_t pixel[kTile][kTile];
  std::int32_t row[kTile];
  std::int32_t tile;
};

void load_ends(const TileView& tile, const std::int32_t* last, Ends& ends) {
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

inline Values values_of(const ChannelSet& set, std::int32_t splat) {
  const std::int64_t first = std::int64_t{splat} * set.each;
  return {set.values + first, set.indices ? set.indices + first : nullptr};
}

inline Lanes u_of(const Reached& r, const RowPlace& place, int at) {
  return times(all_lanes(r.a), plus(load_lanes(kCentres + at), all_lanes(place.shift)));
}

// Before the clamp to the largest alpha; 0 past a pixel's end.
inline Lanes unclamped_of(const RowPlace& place, Lanes u, std::int32_t index,
                          const std::int32_t* ends) {
  const Lanes power = fused_minus(u, u, all_lanes(place.power));
  const Lanes drawn = zero_if_less(power, all_lanes(kReplayMinPower), exp2_lanes(power));
  return zero_after(index, ends, drawn);
}

// Weights of a part of a row, which are taken off the transmittance.
inline Lanes weigh(const Reached& r, const RowPlace& place, std::int32_t index,
                   const std::int32_t* ends, int at, float* t) {
  const Lanes unclamped = unclamped_of(place, u_of(r, place, at), index, ends + at);
  const Lanes before = load_lanes(t + at);
  const Lanes weight = times(smaller(unclamped, all_lanes(kReplayMaxAlpha)), before);
  store_lanes(t + at, minus(before, weight));
  return weight;
}

inline void fill(float* values, int count, float value) {
#pragma omp simd
  for (int i = 0; i < count; ++i) values[i] = value;
}

// From [row][channel][column] to the tile's part of [height][width][channel], and back: an entry
// reaches a few rows, and what it needs of them lies together.
void store(const TileView& tile, int count, const float* sums, float* images) {
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      for (int c = 0; c < count; ++c) images[pixel * count + c] = sums[(row * count + c) * kTile + i];
    }
}

void load(const TileView& tile, int count, const float* images, float* sums) {
  if (tile.columns < kTile) fill(sums, count * kTile * kTile, 0.0f);
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      for (int c = 0; c < count; ++c) sums[(row * count + c) * kTile + i] = images[pixel * count + c];
    }
}

// `sums`: of the channels at a part of a row.
inline void add_values(const Values& own, int each, Lanes weight, float* sums) {
  for (int j = 0; j < each; ++j) {
    float* sum = sums + own.channel(j) * kTile;
    store_lanes(sum, fused(weight, all_lanes(own.values[j]), load_lanes(sum)));
  }
}

}  // namespace

void blend_channels(const TileView& tile, const ChannelSet& set, const std::int32_t* last,
                    float* scratch, float* images) {
  Ends ends;
  load_ends(tile, last, ends);
  alignas(64) ReplayRow t[kTile];
  fill(&t[0][0], kTile * kTile, 1.0f);
  fill(scratch, set.count * kTile * kTile, 0.0f);
  for (std::int32_t index = 0; index <= ends.tile; ++index) {
    const std::int32_t splat = tile.entries[index].splat;
    const Reached r = reached_rows(tile.splats[splat], tile);
    const Values own = values_of(set, splat);
    for (int row = r.first; row <= r.last; ++row) {
      RowPlace place;
      if (index > ends.row[row] || !place_row(r, row, &place)) continue;
      for (int at = 0; at < kTile; at += kLanes) {
        if (!reaches(r, place, at, kLanes)) continue;
        const Lanes weight = weigh(r, place, index, ends.pixel[row], at, t[row]);
        add_values(own, set.each, weight, scratch + std::int64_t{row} * set.count * kTile + at);
      }
    }
  }
  store(tile, set.count, scratch, images);
}

namespace {

struct Sums {
  Lanes g, gu, gv, guu, guv, gvv, minus_gx, minus_gy;
};

struct Behind {
  alignas(64) ReplayRow t[kTile];      // transmittance behind the entry at hand
  alignas(64) ReplayRow value[kTile];  // sum over what lies behind of weight * value
};

// What an entry's values are worth at a part of a row: the sum of value * gradient. Adds weight *
// gradient to the total of each value.
inline Lanes worth_of(const Values& own, int each, Lanes weight, const float* gradients,
                      float* totals) {
  constexpr int kChains = 4;  // sums that do not wait for each other
  const Lanes zero = all_lanes(0.0f);
  Lanes worth[kChains] = {zero, zero, zero, zero};
  const auto add = [&](int j, Lanes& sum) {
    const Lanes gradient = load_lanes(gradients + own.channel(j) * kTile);
    float* total = totals + j * kLanes;
    sum = fused(all_lanes(own.values[j]), gradient, sum);
    store_lanes(total, fused(weight, gradient, load_lanes(total)));
  };
  int j = 0;
  for (; j + kChains <= each; j += kChains)
    for (int chain = 0; chain < kChains; ++chain) add(j + chain, worth[chain]);
  for (; j < each; ++j) add(j, worth[0]);
  return plus(plus(worth[0], worth[1]), plus(worth[2], worth[3]));
}

// The part of a row that begins at pixel `at`; `gradients` is that of all channels there.
inline void part_backward(const Reached& r, const RowPlace& place, std::int32_t index,
                          const std::int32_t* ends, int at, const Values& own, int each,
                          const float* gradients, float* t, float* behind, float* totals,
                          Sums& sums) {
  const Lanes u = u_of(r, place, at), v = all_lanes(place.v);
  const Lanes unclamped = unclamped_of(place, u, index, ends + at);
  const Lanes alpha = smaller(unclamped, all_lanes(kReplayMaxAlpha));
  const Lanes inverse = over(all_lanes(1.0f), minus(all_lanes(1.0f), alpha));
  const Lanes before = times(load_lanes(t + at), inverse), weight = times(alpha, before);
  const Lanes value = worth_of(own, each, weight, gradients, totals);
  const Lanes hidden = load_lanes(behind + at);
  const Lanes slope = fused_minus(hidden, inverse, times(before, value));  // dL/dalpha
  const Lanes g = zero_if_less(all_lanes(kReplayMaxAlpha), unclamped, times(alpha, slope));
  store_lanes(behind + at, fused(weight, value, hidden));
  store_lanes(t + at, before);
  const Lanes gu = times(g, u), gv = times(g, v);
  sums.g = plus(sums.g, g);
  sums.gu = plus(sums.gu, gu);
  sums.gv = plus(sums.gv, gv);
  sums.guu = fused(gu, u, sums.guu);
  sums.guv = fused(gu, v, sums.guv);
  sums.gvv = fused(gv, v, sums.gvv);
  const Lanes gy = fused(all_lanes(r.a * r.k), gu, times(all_lanes(r.c), gv));
  sums.minus_gx = plus(sums.minus_gx, made_negative(gu));
  sums.minus_gy = plus(sums.minus_gy, made_negative(gy));
}

inline void write_slot(const Sums& sums, int each, const float* totals, float* slot) {
  const Lanes shape[kShapeSums] = {sums.g, sums.gu, sums.gv, sums.guu, sums.guv, sums.gvv};
  for (int i = 0; i < kShapeSums; ++i) slot[i] = total(shape[i]);
  slot[kShapeSums] = -total(sums.minus_gx);
  slot[kShapeSums + 1] = -total(sums.minus_gy);
  for (int j = 0; j < each; ++j) slot[kSlotHead + j] = total(load_lanes(totals + j * kLanes));
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
  const Values own = values_of(set, splat);
  const Lanes zero = all_lanes(0.0f);
  Sums sums{zero, zero, zero, zero, zero, zero, zero, zero};
  fill(totals, set.each * kLanes, 0.0f);
  for (int row = r.first; row <= r.last; ++row) {
    RowPlace place;
    if (index > ends.row[row] || !place_row(r, row, &place)) continue;
    const float* at_row = gradients + std::int64_t{row} * set.count * kTile;
    for (int at = 0; at < kTile; at += kLanes)
      if (reaches(r, place, at, kLanes))
        part_backward(r, place, index, ends.pixel[row], at, own, set.each, at_row + at,
                      state.t[row], state.value[row], totals, sums);
  }
  write_slot(sums, set.each, totals, slot);
}

}  // namespace

void blend_channels_backward(const TileView& tile, const ChannelSet& set,
                             const float* transmittances, const std::int32_t* last,
                             const float* gradients, float* scratch, float* slots) {
  const int width = kSlotHead + set.each;
  Ends ends;
  load_ends(tile, last, ends);
  Behind state;
  load_behind(tile, transmittances, state);
  load(tile, set.count, gradients, scratch);
  float* totals = scratch + std::int64_t{set.count} * kTile * kTile;
  for (int index = tile.count - 1; index > ends.tile; --index)
    fill(slots + std::int64_t{tile.entries[index].slot} * width, width, 0.0f);
  for (std::int32_t index = ends.tile; index >= 0; --index)
    entry_backward(tile, set, index, ends, scratch, totals, state,
                   slots + std::int64_t{tile.entries[index].slot} * width);
}

void find_rows(const TileView& tile, const std::int32_t* last, std::int32_t* median,
               std::int32_t* dominant) {
  Ends ends;
  load_ends(tile, last, ends);
  std::int32_t medians[kTile][kTile], dominants[kTile][kTile];
  alignas(64) ReplayRow t[kTile], best[kTile];
  for (int row = 0; row < kTile; ++row)
    for (int i = 0; i < kTile; ++i) {
      t[row][i] = 1.0f;
      best[row][i] = 0.0f;
      medians[row][i] = dominants[row][i] = -1;
    }
  for (std::int32_t index = 0; index <= ends.tile; ++index) {
    const std::int32_t splat = tile.entries[index].splat;
    const Reached r = reached_rows(tile.splats[splat], tile);
    for (int row = r.first; row <= r.last; ++row) {
      RowPlace place;
      if (index > ends.row[row] || !place_row(r, row, &place)) continue;
      alignas(64) ReplayRow weights;
      for (int at = 0; at < kTile; at += kLanes)
        store_lanes(weights + at, weigh(r, place, index, ends.pixel[row], at, t[row]));
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
