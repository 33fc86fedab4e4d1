#include "kernels/channels.hpp"

#include <string.h>

#include "kernels/channel_rows.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// From the tile's part of [height][width][channel] to [row][channel][column].
void load(const TileView& tile, int count, const float* images, float* sums) {
  if (tile.columns < kTile) fill(sums, count * kTile * kTile, 0.0f);
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      for (int c = 0; c < count; ++c) sums[(row * count + c) * kTile + i] = images[pixel * count + c];
    }
}

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

// Sums over the pixels of an entry.
template <typename Cover>
struct EntrySums {
  typename Cover::Sums shape = Cover::no_sums();
  Lanes minus_gx = all_lanes(0.0f), minus_gy = all_lanes(0.0f);  // of absolute values
};

// An entry in a row.
template <typename Cover>
struct Line {
  std::int32_t index;
  typename Cover::Brush brush;
  RowPlace place;
  typename Cover::Stroke stroke;
  float max_alpha;
};

// The part of a row that begins at pixel `at`; `gradients` is that of all channels there.
template <typename Cover, bool absolute>
inline void part_backward(const Line<Cover>& line, const std::int32_t* ends, int at,
                          const Values& own, int each, const float* gradients, float* t,
                          float* behind, float* totals, typename Cover::RowSums& shape,
                          EntrySums<Cover>& sums) {
  typename Cover::Pixels pixels;
  const Lanes unclamped =
      unclamped_of<Cover>(line.brush, line.stroke, line.index, ends, at, &pixels);
  const Lanes alpha = smaller(unclamped, all_lanes(line.max_alpha));
  const Lanes inverse = over(all_lanes(1.0f), minus(all_lanes(1.0f), alpha));
  const Lanes before = times(load_lanes(t + at), inverse), weight = times(alpha, before);
  const Lanes value = worth_of(own, each, weight, gradients, totals);
  const Lanes hidden = load_lanes(behind + at);
  const Lanes slope = fused_minus(hidden, inverse, times(before, value));  // dL/dalpha
  const Lanes g = zero_if_less(all_lanes(line.max_alpha), unclamped, times(alpha, slope));
  store_lanes(behind + at, fused(weight, value, hidden));
  store_lanes(t + at, before);
  Cover::add(pixels, g, shape);
  if (!absolute) return;
  Lanes gx, gy;
  Cover::slopes(line.brush, line.stroke, line.place, pixels, g, &gx, &gy);
  sums.minus_gx = plus(sums.minus_gx, made_negative(gx));
  sums.minus_gy = plus(sums.minus_gy, made_negative(gy));
}

template <typename Cover>
inline void write_slot(const EntrySums<Cover>& sums, int each, const float* totals, float* slot) {
  constexpr int kShape = Cover::Gradient::kShape;
  const typename Cover::Gradient gradient = Cover::total_of(sums.shape);
  memcpy(slot, &gradient, kShape * sizeof(float));
  slot[kShape] = -total(sums.minus_gx);
  slot[kShape + 1] = -total(sums.minus_gy);
  float* values = slot + kSlotHead<typename Cover::Gradient>;
  for (int j = 0; j < each; ++j) values[j] = total(load_lanes(totals + j * kLanes));
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
template <typename Cover, bool absolute>
void entry_backward(const TileView& tile, const ChannelSet& set, std::int32_t index,
                    const Ends& ends, const float* gradients, float* totals, Behind& state,
                    float* slot) {
  const std::int32_t splat = tile.entries[index].splat;
  const Reached r = reached_rows(tile.splats[splat], tile);
  const Values own = values_of(set, splat);
  Line<Cover> line{index, Cover::brush(tile, splat, r), {}, {}, tile.max_alpha};
  EntrySums<Cover> sums;
  fill(totals, set.each * kLanes, 0.0f);
  for (int row = r.first; row <= r.last; ++row) {
    if (index > ends.row[row] || !place_row(r, row, &line.place)) continue;
    line.stroke = Cover::stroke(line.brush, line.place, row);
    typename Cover::RowSums shape = Cover::no_row_sums();
    const float* at_row = gradients + std::int64_t{row} * set.count * kTile;
    for (int at = 0; at < kTile; at += kLanes)
      if (reaches(r, line.place, at, kLanes))
        part_backward<Cover, absolute>(line, ends.pixel[row], at, own, set.each, at_row + at,
                                       state.t[row], state.value[row], totals, shape, sums);
    Cover::add_row(shape, line.stroke, line.place, sums.shape);
  }
  write_slot<Cover>(sums, set.each, totals, slot);
}

template <typename Cover>
void blend_tile_backward(const TileView& tile, const ChannelSet& set, const float* transmittances,
                         const std::int32_t* last, const float* gradients, bool absolute,
                         float* scratch, float* slots) {
  const int width = kSlotHead<typename Cover::Gradient> + set.each;
  Ends ends;
  load_ends(tile, last, ends);
  Behind state;
  load_behind(tile, transmittances, state);
  load(tile, set.count, gradients, scratch);
  float* totals = scratch + std::int64_t{set.count} * kTile * kTile;
  for (int index = tile.count - 1; index > ends.tile; --index)
    fill(slots + std::int64_t{tile.entries[index].slot} * width, width, 0.0f);
  const auto entry = absolute ? entry_backward<Cover, true> : entry_backward<Cover, false>;
  for (std::int32_t index = ends.tile; index >= 0; --index)
    entry(tile, set, index, ends, scratch, totals, state,
          slots + std::int64_t{tile.entries[index].slot} * width);
}

}  // namespace

void blend_channels_backward(const TileView& tile, const ChannelSet& set,
                             const float* transmittances, const std::int32_t* last,
                             const float* gradients, bool absolute, float* scratch,
                             float* slots) {
  blend_tile_backward<SplatCover>(tile, set, transmittances, last, gradients, absolute, scratch,
                                  slots);
}

void blend_surfel_channels_backward(const TileView& tile, const ChannelSet& set,
                                    const float* transmittances, const std::int32_t* last,
                                    const float* gradients, bool absolute, float* scratch,
                                    float* slots) {
  blend_tile_backward<SurfelCover>(tile, set, transmittances, last, gradients, absolute, scratch,
                                   slots);
}

}  // namespace sparse3d::SPARSE3D_ISA
