#include "kernels/blend.hpp"

#include <string.h>

#include "kernels/splat_cover.hpp"
#include "kernels/strips.hpp"
#include "kernels/surfel_cover.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr float kOpaque = 1e-4f;  // a pixel ends before its transmittance falls to this
constexpr int kBatch = 64;        // entries that are placed before strips are blended
constexpr int kAhead = 8;         // entries

// What blending needs of an entry, beside its place in a row.
template <typename Cover>
struct Paint {
  typename Cover::Brush brush;
  float color[3], depth;
};

// Entries in front of some others, and which of them reach a strip, a bit each.
template <typename Cover>
struct alignas(64) Batch {
  RowPlaces places[kBatch];
  Paint<Cover> paints[kBatch];
  uint8_t reached[kStrips / 8][kBatch];  // bits of eight strips
  uint64_t hits[kStrips];
};

// Pixels of a strip. A transmittance is negative once its pixel has ended.
struct alignas(64) Strip {
  float t[kLanes], r[kLanes], g[kLanes], b[kLanes], alpha[kLanes], depth[kLanes];
  std::int32_t last[kLanes];
  std::uint32_t ended;  // a bit a pixel
};

constexpr std::uint32_t kAllEnded = (1u << kLanes) - 1;

// Returns the strips that have a pixel.
StripBits start(const TileView& tile, Strip* strips) {
  StripBits live = 0;
  for (int strip = 0; strip < kStrips; ++strip) {
    const int pixels = pixels_of(tile, strip);
    Strip& s = strips[strip];
    for (int i = 0; i < kLanes; ++i) {
      s.t[i] = i < pixels ? 1.0f : -1.0f;
      s.r[i] = s.g[i] = s.b[i] = s.alpha[i] = s.depth[i] = 0.0f;
      s.last[i] = i < pixels ? tile.count - 1 : -1;
    }
    s.ended = kAllEnded & ~((1u << pixels) - 1);
    if (pixels > 0) live |= strip_bit(strip);
  }
  return live;
}

// Transposes 8 x 8 bits: bit i of byte j becomes bit j of byte i (Warren, "Hacker's Delight", 7-3).
inline uint64_t transposed(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AA;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCC;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0;
  return x ^ t ^ (t << 28);
}

// From strips of entries to entries of strips.
template <typename Cover>
void turn(Batch<Cover>& batch, int count) {
  for (int eight = 0; eight < kStrips / 8; ++eight) {
    uint64_t hits[8] = {};
    for (int begin = 0; begin < count; begin += 8) {
      uint64_t bits;
      memcpy(&bits, batch.reached[eight] + begin, sizeof bits);
      bits = transposed(bits);
      for (int i = 0; i < 8; ++i) hits[i] |= (bits >> (8 * i) & 255) << begin;
    }
    for (int i = 0; i < 8; ++i) batch.hits[8 * eight + i] = hits[i];
  }
}

template <typename Cover>
void place(const TileView& tile, int begin, int count, Batch<Cover>& batch) {
  for (int i = 0; i < count; ++i) {
    const int ahead = begin + i + kAhead;
    if (ahead < tile.count) __builtin_prefetch(tile.splats + tile.entries[ahead].splat);
    const std::int32_t splat = tile.entries[begin + i].splat;
    const Splat& s = tile.splats[splat];
    const auto brush = Cover::brush(tile, splat);
    batch.paints[i] = {brush, {s.color[0], s.color[1], s.color[2]}, s.depth};
    const StripBits hits = place_rows(s, tile, batch.places[i]);
    for (int eight = 0; eight < kStrips / 8; ++eight)
      batch.reached[eight][i] = static_cast<uint8_t>(hits >> (8 * eight));
  }
  for (int i = count; i < (count + 7) / 8 * 8; ++i)
    for (int eight = 0; eight < kStrips / 8; ++eight) batch.reached[eight][i] = 0;
  turn(batch, count);
}

// Pixels that have ended at entry `index` are not covered by it.
inline void end_pixels(std::uint32_t newly, int index, std::int32_t* last) {
  for (int i = 0; i < kLanes; ++i)
    if ((newly >> i & 1) != 0) last[i] = index - 1;
}

// Blends the entries that reach a strip, whose sums stay in registers; adds their weights to
// `weights` if `weighed`.
template <typename Cover, bool weighed>
void blend_strip(const Batch<Cover>& batch, int strip, int begin, float max_alpha, Strip& s,
                 Lanes* weights) {
  const int row = strip % kTile, at = strip / kTile * kLanes;
  Lanes t = load_lanes(s.t), r = load_lanes(s.r), g = load_lanes(s.g), b = load_lanes(s.b);
  Lanes alphas = load_lanes(s.alpha), depths = load_lanes(s.depth);
  std::uint32_t ended = s.ended;
  for (uint64_t rest = batch.hits[strip]; rest != 0 && ended != kAllEnded; rest &= rest - 1) {
    const int number = first_bit(rest);
    const Paint<Cover>& paint = batch.paints[number];
    const auto stroke = Cover::stroke(paint.brush, batch.places[number].of(row), row);
    typename Cover::Pixels pixels;
    const Lanes power = Cover::power(paint.brush, stroke, at, &pixels);
    const Lanes drawn = zero_if_less(power, all_lanes(kReplayMinPower), exp2_lanes(power));
    const Lanes covered = times(smaller(drawn, all_lanes(max_alpha)), t);
    const Lanes after = minus(t, covered);
    const Lanes weight = zero_unless_greater(after, all_lanes(kOpaque), covered);
    t = if_greater(after, all_lanes(kOpaque), after, made_negative(t));
    r = fused(weight, all_lanes(paint.color[0]), r);
    g = fused(weight, all_lanes(paint.color[1]), g);
    b = fused(weight, all_lanes(paint.color[2]), b);
    alphas = plus(alphas, weight);
    if (weighed) weights[number] = plus(weights[number], weight);
    depths = fused(weight, all_lanes(paint.depth), depths);
    const std::uint32_t now = signs(t);
    if (now != ended) end_pixels(now & ~ended, begin + number, s.last);
    ended = now;
  }
  store_lanes(s.t, t);
  store_lanes(s.r, r);
  store_lanes(s.g, g);
  store_lanes(s.b, b);
  store_lanes(s.alpha, alphas);
  store_lanes(s.depth, depths);
  s.ended = ended;
}

// A strip as it is written.
struct alignas(64) StripResults {
  float color[3][kLanes], depth[kLanes], left[kLanes];

  StripResults(const Strip& s, const float* background) {
    const Lanes zero = all_lanes(0.0f), t = load_lanes(s.t), alpha = load_lanes(s.alpha);
    const Lanes rest = larger(t, minus(zero, t));
    const float* sums[] = {s.r, s.g, s.b};
    for (int channel = 0; channel < 3; ++channel)
      store_lanes(color[channel],
                  fused(rest, all_lanes(background[channel]), load_lanes(sums[channel])));
    store_lanes(depth, if_greater(alpha, zero, over(load_lanes(s.depth), alpha), zero));
    store_lanes(left, rest);
  }
};

void finish(const TileView& tile, const ForwardImages& images, const Strip* strips) {
  for (int strip = 0; strip < kStrips; ++strip) {
    const Strip& s = strips[strip];
    const StripResults results(s, images.background);
    const std::int64_t begin = first_pixel(tile, strip);
    const int count = pixels_of(tile, strip);
    for (int i = 0; i < count; ++i) {
      for (int channel = 0; channel < 3; ++channel)
        images.colors[3 * (begin + i) + channel] = results.color[channel][i];
      images.alphas[begin + i] = s.alpha[i];
      images.depths[begin + i] = results.depth[i];
      images.transmittances[begin + i] = results.left[i];
      images.last[begin + i] = s.last[i];
    }
  }
}

template <typename Cover, bool weighed>
void blend_tile(const TileView& tile, const ForwardImages& images) {
  Strip strips[kStrips];
  Batch<Cover> batch;
  Lanes weights[weighed ? kBatch : 1];
  StripBits live = start(tile, strips);
  int begin = 0;
  for (; begin < tile.count && live != 0; begin += kBatch) {
    const int count = begin + kBatch < tile.count ? kBatch : tile.count - begin;
    place(tile, begin, count, batch);
    for (Lanes& weight : weights) weight = all_lanes(0.0f);
    for (StripBits rest = live; rest != 0; rest &= rest - 1) {
      const int strip = first_bit(rest);
      blend_strip<Cover, weighed>(batch, strip, begin, tile.max_alpha, strips[strip], weights);
      if (strips[strip].ended == kAllEnded) live &= ~strip_bit(strip);
    }
    for (int i = 0; weighed && i < count; ++i)
      images.weights[tile.entries[begin + i].slot] = total(weights[i]);
  }
  for (int index = begin; weighed && index < tile.count; ++index)
    images.weights[tile.entries[index].slot] = 0.0f;
  finish(tile, images, strips);
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
