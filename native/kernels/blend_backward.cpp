#include "kernels/blend.hpp"
#include "kernels/lines.hpp"

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

void clear(Strip& s) {
  for (int i = 0; i < kLanes; ++i) {
    s.t[i] = 1.0f;
    s.behind[i] = s.r[i] = s.g[i] = s.b[i] = s.alpha[i] = s.depth[i] = 0.0f;
    s.last[i] = -1;
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

void load(const TileView& tile, const BackwardImages& images, Strip* strips,
          double* background_gradient) {
  for (int strip = 0; strip < kStrips; ++strip) clear(strips[strip]);
  for (int row = 0; row < tile.rows; ++row) {
    const std::int64_t begin = std::int64_t{tile.y + row} * tile.width + tile.x;
    for (int column = 0; column < tile.columns; ++column)
      load_pixel(images, begin + column, column % kLanes,
                 strips[column / kLanes * kTile + row], background_gradient);
  }
}

// Gradients of the values of an entry.
struct ValueSums {
  Lanes red, green, blue, depth;
};

// How an entry covers the strips that it reaches. That is computed for all of them first: with what
// follows, the chain of operations of a strip would be so long that processors wait for its end.
template <typename Cover>
struct Covered {
  int count = 0;
  int strips[kStrips];
  typename Cover::Pixels pixels[kStrips];
  Lanes unclamped[kStrips];
  Lanes inverse[kStrips];  // 1 / (1 - alpha)
};

template <typename Cover>
inline void cover_strip(const Line<Cover>& line, int strip, const Strip& s,
                        Covered<Cover>& covered) {
  const int n = covered.count++;
  const Lanes unclamped = unclamped_of(line, strip, s.last, &covered.pixels[n]);
  const Lanes one = all_lanes(1.0f);
  covered.strips[n] = strip;
  covered.unclamped[n] = unclamped;
  covered.inverse[n] = over(one, minus(one, smaller(unclamped, all_lanes(line.max_alpha))));
}

template <typename Cover>
inline void blend_strip_backward(const Line<Cover>& line, const Splat& splat,
                                 const Covered<Cover>& covered, int n, Strip& s,
                                 typename Cover::Sums& shapes, ValueSums& sums) {
  const Lanes max_alpha = all_lanes(line.max_alpha), inverse = covered.inverse[n];
  const Lanes alpha = smaller(covered.unclamped[n], max_alpha);
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
  const Lanes g = zero_if_less(max_alpha, covered.unclamped[n], times(alpha, slope));
  store_lanes(s.behind, fused(weight, value, behind));
  store_lanes(s.t, before);
  Cover::add(covered.pixels[n], g, line.stroke, line.place, shapes);
  sums.red = fused(weight, red, sums.red);
  sums.green = fused(weight, green, sums.green);
  sums.blue = fused(weight, blue, sums.blue);
  sums.depth = fused(weight, depth, sums.depth);
}

// One entry, all its strips.
template <typename Cover>
inline typename Cover::Gradient blend_entry_backward(const TileView& tile, std::int32_t index,
                                                     StripBits live, Strip* strips) {
  const std::int32_t number = tile.entries[index].splat;
  const Splat& splat = tile.splats[number];
  const auto brush = Cover::brush(tile, number);
  const Lanes zero = all_lanes(0.0f);
  ValueSums values{zero, zero, zero, zero};
  typename Cover::Sums shapes = Cover::no_sums();
  RowPlaces places;
  const auto line_of = [&](int strip) {
    const int row = strip % kTile;
    const RowPlace place = places.of(row);
    return Line<Cover>{index, brush, place, Cover::stroke(brush, place, row), tile.max_alpha};
  };
  Covered<Cover> covered;
  for (StripBits rest = place_rows(splat, tile, places) & live; rest != 0; rest &= rest - 1) {
    const int strip = first_bit(rest);
    cover_strip(line_of(strip), strip, strips[strip], covered);
  }
  for (int n = 0; n < covered.count; ++n) {
    const int strip = covered.strips[n];
    blend_strip_backward(line_of(strip), splat, covered, n, strips[strip], shapes, values);
  }
  typename Cover::Gradient gradient = Cover::total_of(shapes);
  gradient.color[0] = total(values.red);
  gradient.color[1] = total(values.green);
  gradient.color[2] = total(values.blue);
  gradient.depth = total(values.depth);
  return gradient;
}

template <typename Cover>
void blend_tile_backward(const TileView& tile, const BackwardImages& images,
                         typename Cover::Gradient* slots, double* background_gradient) {
  Strip strips[kStrips];
  load(tile, images, strips, background_gradient);
  StripEnds ends(tile, images.last);
  for (int index = tile.count - 1; index > ends.last(); --index)
    slots[tile.entries[index].slot] = typename Cover::Gradient{};
  for (std::int32_t index = ends.last(); index >= 0; --index) {
    if (index >= kAhead) __builtin_prefetch(tile.splats + tile.entries[index - kAhead].splat);
    slots[tile.entries[index].slot] =
        blend_entry_backward<Cover>(tile, index, ends.live(index), strips);
  }
}

}  // namespace

void blend_backward(const TileView& tile, const BackwardImages& images, SplatGradient* slots,
                    double* background_gradient) {
  blend_tile_backward<SplatCover>(tile, images, slots, background_gradient);
}

void blend_surfels_backward(const TileView& tile, const BackwardImages& images,
                            SurfelGradient* slots, double* background_gradient) {
  blend_tile_backward<SurfelCover>(tile, images, slots, background_gradient);
}

}  // namespace sparse3d::SPARSE3D_ISA
