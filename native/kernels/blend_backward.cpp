#include "kernels/blend.hpp"
#include "kernels/splat_cover.hpp"
#include "kernels/surfel_cover.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr int kParts = kTile / kLanes;

using Row = float[kTile];

// Pixels of a row, and the gradients that arrive there.
struct alignas(64) RowState {
  Row t;                        // transmittance behind the entry at hand
  Row behind;                   // sum over what lies behind of weight * (its values . gradient)
  Row r, g, b, alpha, depth;    // dL/d sums
  std::int32_t last[kTile];
  std::int32_t row_last;
};

void clear(RowState& s) {
  for (int i = 0; i < kTile; ++i) {
    s.t[i] = 1.0f;
    s.behind[i] = s.r[i] = s.g[i] = s.b[i] = s.alpha[i] = s.depth[i] = 0.0f;
    s.last[i] = -1;
  }
  s.row_last = -1;
}

// Gradients of colour, of alpha (the sum of weights) and of the sum of weighted depths.
void load_pixel(const BackwardImages& images, std::int64_t pixel, int i, RowState& s,
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
  if (s.last[i] > s.row_last) s.row_last = s.last[i];
}

// Returns the number of the last entry that any pixel may show.
std::int32_t load(const TileView& tile, const BackwardImages& images, RowState* rows,
                  double* background_gradient) {
  std::int32_t tile_last = -1;
  for (int row = 0; row < tile.rows; ++row) {
    clear(rows[row]);
    const std::int64_t begin = std::int64_t{tile.y + row} * tile.width + tile.x;
    for (int i = 0; i < tile.columns; ++i)
      load_pixel(images, begin + i, i, rows[row], background_gradient);
    if (rows[row].row_last > tile_last) tile_last = rows[row].row_last;
  }
  return tile_last;
}

// Gradients of the values of an entry.
struct ValueSums {
  Lanes red, green, blue, depth;
};

template <typename Cover>
inline void blend_part_backward(const Splat& splat, const typename Cover::Brush& brush,
                                const typename Cover::Stroke& stroke, std::int32_t index,
                                int part, float max_alpha, RowState& s,
                                typename Cover::RowSums& shape, ValueSums& sums) {
  const int at = part * kLanes;
  typename Cover::Pixels pixels;
  const Lanes power = Cover::power(brush, stroke, at, &pixels);
  const Lanes reached = zero_if_less(power, all_lanes(kReplayMinPower), exp2_lanes(power));
  const Lanes unclamped = zero_after(index, s.last + at, reached);
  const Lanes alpha = smaller(unclamped, all_lanes(max_alpha));
  const Lanes inverse = over(all_lanes(1.0f), minus(all_lanes(1.0f), alpha));
  const Lanes before = times(load_lanes(s.t + at), inverse);
  const Lanes weight = times(alpha, before);
  const Lanes red = load_lanes(s.r + at), green = load_lanes(s.g + at);
  const Lanes blue = load_lanes(s.b + at), depth = load_lanes(s.depth + at);
  Lanes value = fused(all_lanes(splat.color[0]), red, load_lanes(s.alpha + at));
  value = fused(all_lanes(splat.color[1]), green, value);
  value = fused(all_lanes(splat.color[2]), blue, value);
  value = fused(all_lanes(splat.depth), depth, value);
  const Lanes behind = load_lanes(s.behind + at);
  const Lanes slope = fused_minus(behind, inverse, times(before, value));  // dL/dalpha
  const Lanes g = zero_if_less(all_lanes(max_alpha), unclamped, times(alpha, slope));
  store_lanes(s.behind + at, fused(weight, value, behind));
  store_lanes(s.t + at, before);
  Cover::add(pixels, g, shape);
  sums.red = fused(weight, red, sums.red);
  sums.green = fused(weight, green, sums.green);
  sums.blue = fused(weight, blue, sums.blue);
  sums.depth = fused(weight, depth, sums.depth);
}

// One entry, all its rows.
template <typename Cover>
inline typename Cover::Gradient blend_entry_backward(const TileView& tile, std::int32_t index,
                                                     RowState* rows) {
  const std::int32_t number = tile.entries[index].splat;
  const Splat& splat = tile.splats[number];
  const Reached reached = reached_rows(splat, tile);
  const auto brush = Cover::brush(tile, number, reached);
  const Lanes zero = all_lanes(0.0f);
  ValueSums values{zero, zero, zero, zero};
  typename Cover::Sums sums = Cover::no_sums();
  for (int row = reached.first; row <= reached.last; ++row) {
    RowPlace place;
    if (index > rows[row].row_last || !place_row(reached, row, &place)) continue;
    const auto stroke = Cover::stroke(brush, place, row);
    typename Cover::RowSums shape = Cover::no_row_sums();
    for (int part = 0; part < kParts; ++part)
      if (reaches(reached, place, part * kLanes, kLanes))
        blend_part_backward<Cover>(splat, brush, stroke, index, part, tile.max_alpha, rows[row],
                                   shape, values);
    Cover::add_row(shape, stroke, place, sums);
  }
  typename Cover::Gradient gradient = Cover::total_of(sums);
  gradient.color[0] = total(values.red);
  gradient.color[1] = total(values.green);
  gradient.color[2] = total(values.blue);
  gradient.depth = total(values.depth);
  return gradient;
}

template <typename Cover>
void blend_tile_backward(const TileView& tile, const BackwardImages& images,
                         typename Cover::Gradient* slots, double* background_gradient) {
  RowState rows[kTile];
  const std::int32_t tile_last = load(tile, images, rows, background_gradient);
  for (int index = tile.count - 1; index > tile_last; --index)
    slots[tile.entries[index].slot] = typename Cover::Gradient{};
  for (std::int32_t index = tile_last; index >= 0; --index)
    slots[tile.entries[index].slot] = blend_entry_backward<Cover>(tile, index, rows);
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
