#include "kernels/blend.hpp"
#include "kernels/strips.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr int kAhead = 8;  // entries

// Pixels of a strip, and the gradients that arrive there.
struct alignas(64) Strip {
  float t[kLanes];       // transmittance behind the entry at hand
  float behind[kLanes];  // sum over what lies behind of weight * (its values . gradient)
  float r[kLanes], g[kLanes], b[kLanes], alpha[kLanes], depth[kLanes];  // dL/d sums
  std::int32_t last[kLanes];
};

// The strips of a tile. Strips sleep until the last entry that one of their pixels may show.
struct Strips {
  Strip strips[kStrips];
  std::int32_t last[kStrips];
  StripBits awake;
  std::int32_t next;  // entry at which another strip wakes up

  void wake(std::int32_t index) {
    next = -1;
    for (int strip = 0; strip < kStrips; ++strip)
      if (last[strip] >= index)
        awake |= strip_bit(strip);
      else if (last[strip] > next)
        next = last[strip];
  }
};

void clear(Strips& all) {
  all.awake = 0;
  for (int strip = 0; strip < kStrips; ++strip) {
    all.last[strip] = -1;
    Strip& s = all.strips[strip];
    for (int i = 0; i < kLanes; ++i) {
      s.t[i] = 1.0f;
      s.behind[i] = s.r[i] = s.g[i] = s.b[i] = s.alpha[i] = s.depth[i] = 0.0f;
      s.last[i] = -1;
    }
  }
}

// Gradients of colour, of alpha (the sum of weights) and of the sum of weighted depths.
void load_pixel(const BackwardImages& images, std::int64_t pixel, int i, Strip& s,
                double* background_gradient) {
  const float* gradient = images.color_gradients + 3 * pixel;
  const float left = images.transmittances[pixel], alpha = images.alphas[pixel];
  s.t[i] = left;
  s.r[i] = gradient[0];
  s.g[i] = gradient[1];
  s.b[i] = gradient[2];
  s.depth[i] = alpha > 0 ? images.depth_gradients[pixel] / alpha : 0.0f;
  s.alpha[i] = images.alpha_gradients[pixel] - s.depth[i] * images.depths[pixel];
  float dot = 0;
  for (int channel = 0; channel < 3; ++channel) {
    dot = madd(images.background[channel], gradient[channel], dot);
    background_gradient[channel] += left * gradient[channel];
  }
  s.behind[i] = left * dot;
  s.last[i] = images.last[pixel];
}

// Returns the number of the last entry that any pixel may show.
std::int32_t load(const TileView& tile, const BackwardImages& images, Strips& all,
                  double* background_gradient) {
  clear(all);
  std::int32_t tile_last = -1;
  for (int row = 0; row < tile.rows; ++row) {
    const std::int64_t begin = std::int64_t{tile.y + row} * tile.width + tile.x;
    for (int column = 0; column < tile.columns; ++column) {
      const int strip = column / kLanes * kTile + row;
      load_pixel(images, begin + column, column % kLanes, all.strips[strip], background_gradient);
      const std::int32_t last = images.last[begin + column];
      if (last > all.last[strip]) all.last[strip] = last;
      if (last > tile_last) tile_last = last;
    }
  }
  all.next = tile_last;
  return tile_last;
}

struct Sums {
  Lanes g, gu, gv, guu, guv, gvv, red, green, blue, depth;
};

inline void blend_strip_backward(const Splat& splat, const RowPlaces& places, int strip,
                                 std::int32_t index, Strip& s, Sums& sums) {
  const int row = strip % kTile;
  const Lanes centres = load_lanes(kCentres + strip / kTile * kLanes);
  const Lanes u = times(all_lanes(splat.a), plus(centres, all_lanes(places.shift[row])));
  const Lanes power = fused_minus(u, u, all_lanes(places.power[row]));
  const Lanes reached = zero_if_less(power, all_lanes(kReplayMinPower), exp2_lanes(power));
  const Lanes unclamped = zero_after(index, s.last, reached);
  const Lanes alpha = smaller(unclamped, all_lanes(kReplayMaxAlpha));
  const Lanes inverse = over(all_lanes(1.0f), minus(all_lanes(1.0f), alpha));
  const Lanes before = times(load_lanes(s.t), inverse);
  const Lanes weight = times(alpha, before);
  const Lanes red = load_lanes(s.r), green = load_lanes(s.g);
  const Lanes blue = load_lanes(s.b), depth = load_lanes(s.depth);
  Lanes value = fused(all_lanes(splat.color[0]), red, load_lanes(s.alpha));
  value = fused(all_lanes(splat.color[1]), green, value);
  value = fused(all_lanes(splat.color[2]), blue, value);
  value = fused(all_lanes(splat.depth), depth, value);
  const Lanes behind = load_lanes(s.behind);
  const Lanes slope = fused_minus(behind, inverse, times(before, value));  // dL/dalpha
  const Lanes g = zero_if_less(all_lanes(kReplayMaxAlpha), unclamped, times(alpha, slope));
  store_lanes(s.behind, fused(weight, value, behind));
  store_lanes(s.t, before);
  const Lanes gu = times(g, u), v = all_lanes(places.v[row]), gv = times(g, v);
  sums.g = plus(sums.g, g);
  sums.gu = plus(sums.gu, gu);
  sums.gv = plus(sums.gv, gv);
  sums.guu = fused(gu, u, sums.guu);
  sums.guv = fused(gu, v, sums.guv);
  sums.gvv = fused(gv, v, sums.gvv);
  sums.red = fused(weight, red, sums.red);
  sums.green = fused(weight, green, sums.green);
  sums.blue = fused(weight, blue, sums.blue);
  sums.depth = fused(weight, depth, sums.depth);
}

inline SplatGradient reduce(const Sums& sums) {
  return {total(sums.g),
          total(sums.gu),
          total(sums.gv),
          total(sums.guu),
          total(sums.guv),
          total(sums.gvv),
          {total(sums.red), total(sums.green), total(sums.blue)},
          total(sums.depth)};
}

}  // namespace

void blend_backward(const TileView& tile, const BackwardImages& images, SplatGradient* slots,
                    double* background_gradient) {
  Strips all;
  const std::int32_t tile_last = load(tile, images, all, background_gradient);
  const float x = static_cast<float>(tile.x), y = static_cast<float>(tile.y);
  for (int index = tile.count - 1; index > tile_last; --index)
    slots[tile.entries[index].slot] = SplatGradient{};
  for (int index = tile_last; index >= 0; --index) {
    if (index >= kAhead) __builtin_prefetch(tile.splats + tile.entries[index - kAhead].splat);
    if (index == all.next) all.wake(index);
    const Splat& splat = tile.splats[tile.entries[index].splat];
    RowPlaces places;
    const Lanes zero = all_lanes(0.0f);
    Sums sums{zero, zero, zero, zero, zero, zero, zero, zero, zero, zero};
    for (StripBits rest = place_rows(splat, x, y, places) & all.awake; rest != 0; rest &= rest - 1) {
      const int strip = first_bit(rest);
      blend_strip_backward(splat, places, strip, index, all.strips[strip], sums);
    }
    slots[tile.entries[index].slot] = reduce(sums);
  }
}

}  // namespace sparse3d::SPARSE3D_ISA
