#include "kernels/channels.hpp"

#include <string.h>

#include "kernels/channel_strips.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// From the tile's part of [height][width][channel] to [strip][channel][lane].
void load(const TileView& tile, int count, const float* images, float* sums) {
  if (tile.columns < kTile || tile.rows < kTile) fill(sums, count * kTile * kTile, 0.0f);
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      float* to = sums + (i / kLanes * kTile + row) * count * kLanes + i % kLanes;
      for (int c = 0; c < count; ++c) to[c * kLanes] = images[pixel * count + c];
    }
}

struct Behind {
  StripValues<std::int32_t> last;
  StripValues<float> t;      // transmittance behind the entry at hand
  StripValues<float> value;  // sum over what lies behind of weight * value
};

// What an entry's values are worth in a strip: the sum of value * gradient. Adds weight *
// gradient to the total of each value.
inline Lanes worth_of(const Values& own, int each, Lanes weight, const float* gradients,
                      float* totals) {
  constexpr int kChains = 4;  // sums that do not wait for each other
  const Lanes zero = all_lanes(0.0f);
  Lanes worth[kChains] = {zero, zero, zero, zero};
  const auto add = [&](int j, Lanes& sum) {
    const Lanes gradient = load_lanes(gradients + own.channel(j) * kLanes);
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

// `gradients` is that of all channels in the strip.
template <typename Cover, bool absolute>
inline void strip_backward(const Line<Cover>& line, int strip, const Values& own, int each,
                           const float* gradients, Behind& state, float* totals,
                           EntrySums<Cover>& sums) {
  float *t = state.t.of[strip], *behind = state.value.of[strip];
  typename Cover::Pixels pixels;
  const Lanes unclamped = unclamped_of(line, strip, state.last.of[strip], &pixels);
  const Lanes alpha = smaller(unclamped, all_lanes(line.max_alpha));
  const Lanes inverse = over(all_lanes(1.0f), minus(all_lanes(1.0f), alpha));
  const Lanes before = times(load_lanes(t), inverse), weight = times(alpha, before);
  const Lanes value = worth_of(own, each, weight, gradients, totals);
  const Lanes hidden = load_lanes(behind);
  const Lanes slope = fused_minus(hidden, inverse, times(before, value));  // dL/dalpha
  const Lanes g = zero_if_less(all_lanes(line.max_alpha), unclamped, times(alpha, slope));
  store_lanes(behind, fused(weight, value, hidden));
  store_lanes(t, before);
  Cover::add(pixels, g, line.stroke, line.place, sums.shape);
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
  for (int j = 0; j < each; ++j) slot[kSlotHead<typename Cover::Gradient> + j] = total(load_lanes(totals + j * kLanes));
}

template <typename Cover, bool absolute>
void blend_tile_backward(const TileView& tile, const ChannelSet& set, const float* transmittances,
                         const std::int32_t* last, const float* gradients, float* scratch,
                         float* slots) {
  const int width = kSlotHead<typename Cover::Gradient> + set.each;
  StripEnds ends(tile, last);
  Behind state;
  state.last.load(tile, last, -1);
  state.t.load(tile, transmittances, 1.0f);
  state.value.fill(0.0f);
  load(tile, set.count, gradients, scratch);
  float* totals = scratch + std::int64_t{set.count} * kTile * kTile;
  for (int index = tile.count - 1; index > ends.last(); --index)
    fill(slots + std::int64_t{tile.entries[index].slot} * width, width, 0.0f);
  for (std::int32_t index = ends.last(); index >= 0; --index) {
    const Values own = values_of(set, tile.entries[index].splat);
    EntrySums<Cover> sums;
    fill(totals, set.each * kLanes, 0.0f);
    for_each_strip<Cover>(tile, index, ends.live(index), [&](const Line<Cover>& line, int strip) {
      const float* at_strip = scratch + strip * set.count * kLanes;
      strip_backward<Cover, absolute>(line, strip, own, set.each, at_strip, state, totals, sums);
    });
    write_slot(sums, set.each, totals, slots + std::int64_t{tile.entries[index].slot} * width);
  }
}

template <typename Cover>
void backward_with(const TileView& tile, const ChannelSet& set, const float* transmittances,
                   const std::int32_t* last, const float* gradients, bool absolute, float* scratch,
                   float* slots) {
  const auto run = absolute ? blend_tile_backward<Cover, true> : blend_tile_backward<Cover, false>;
  run(tile, set, transmittances, last, gradients, scratch, slots);
}

}  // namespace

void blend_channels_backward(const TileView& tile, const ChannelSet& set,
                             const float* transmittances, const std::int32_t* last,
                             const float* gradients, bool absolute, float* scratch,
                             float* slots) {
  backward_with<SplatCover>(tile, set, transmittances, last, gradients, absolute, scratch, slots);
}

void blend_surfel_channels_backward(const TileView& tile, const ChannelSet& set,
                                    const float* transmittances, const std::int32_t* last,
                                    const float* gradients, bool absolute, float* scratch,
                                    float* slots) {
  backward_with<SurfelCover>(tile, set, transmittances, last, gradients, absolute, scratch, slots);
}

}  // namespace sparse3d::SPARSE3D_ISA
