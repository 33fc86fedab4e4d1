// Counts Gaussian-pixel pairs of a picture: those that are drawn, and those that are evaluated by a
// rasteriser like native/kernels/blend.cpp (rows of 16 pixels that a Gaussian reaches; rows whose
// pixels have all ended are looked for every 32 entries of a tile's list).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "scalar_projection.hpp"

namespace {

constexpr int kTile = 16;
constexpr int kCheckEvery = 32;

struct Picture {
  int columns;               // tiles in a row
  std::vector<float> left;   // transmittance; negative once the pixel has ended
  std::vector<int> entries;  // by tile, so far
  std::vector<char> live;    // by tile and row
  std::int64_t drawn = 0, evaluated = 0;
};

struct Span {
  int first, last;  // pixels, both included
};

// Pixels of row y that a Gaussian reaches; none if first > last.
Span span_of(const Projected& p, const Scene& scene, int y) {
  const float dy = y + 0.5f - p.y, reach = 2 * std::log(255 * p.opacity);
  const float discriminant = p.b * p.b * dy * dy - p.a * (p.c * dy * dy - reach);
  if (discriminant < 0) return {0, -1};
  const float middle = p.x - p.b * dy / p.a, half = std::sqrt(discriminant) / p.a;
  const float low = std::ceil(middle - half - 0.5f), high = std::floor(middle + half - 0.5f);
  return {static_cast<int>(std::max(low, 0.0f)),
          static_cast<int>(std::min(high, static_cast<float>(scene.width - 1)))};
}

void draw(const Projected& p, const Scene& scene, int x, int y, Picture& picture) {
  float& left = picture.left[static_cast<std::size_t>(y) * scene.width + x];
  const float dx = x + 0.5f - p.x, dy = y + 0.5f - p.y;
  const float power = -0.5f * (p.a * dx * dx + p.c * dy * dy) - p.b * dx * dy;
  const float alpha = std::min(0.999f, p.opacity * std::exp(power));
  if (left < 0 || alpha < 1.0f / 255) return;
  const float after = left * (1 - alpha);
  if (after > 1e-4f) ++picture.drawn;
  left = after > 1e-4f ? after : -left;
}

void find_live_rows(const Scene& scene, int column, int band, Picture& picture) {
  const int tile = band * picture.columns + column;
  for (int row = 0; row < kTile; ++row) {
    char& live = picture.live[tile * kTile + row];
    live = 0;
    const int y = band * kTile + row, end = std::min(scene.width, (column + 1) * kTile);
    for (int x = column * kTile; x < end && y < scene.height; ++x)
      live |= picture.left[static_cast<std::size_t>(y) * scene.width + x] > 0;
  }
}

void draw_tile(const Projected& p, const Scene& scene, int column, int band, const Span* spans,
               Picture& picture) {
  const int tile = band * picture.columns + column;
  if (picture.entries[tile]++ % kCheckEvery == 0) find_live_rows(scene, column, band, picture);
  for (int row = 0; row < kTile; ++row) {
    const int first = std::max(spans[row].first, column * kTile);
    const int last = std::min(spans[row].last, column * kTile + kTile - 1);
    if (!picture.live[tile * kTile + row] || first > last) continue;
    picture.evaluated += kTile;
    for (int x = first; x <= last; ++x) draw(p, scene, x, band * kTile + row, picture);
  }
}

void draw_band(const Projected& p, const Scene& scene, int band, Picture& picture) {
  Span spans[kTile], whole{scene.width, -1};
  for (int row = 0; row < kTile; ++row) {
    const int y = band * kTile + row;
    spans[row] = y < scene.height ? span_of(p, scene, y) : Span{0, -1};
    if (spans[row].first > spans[row].last) continue;
    whole = {std::min(whole.first, spans[row].first), std::max(whole.last, spans[row].last)};
  }
  if (whole.first > whole.last) return;
  for (int column = whole.first / kTile; column <= whole.last / kTile; ++column)
    draw_tile(p, scene, column, band, spans, picture);
}

}  // namespace

// counts[0]: pairs drawn; counts[1]: pairs evaluated.
extern "C" void count_pairs(const Scene* scene, std::int64_t* counts) {
  std::vector<Projected> projected;
  for (int row = 0; row < scene->count; ++row) {
    const Projected p = project(*scene, row);
    if (p.visible) projected.push_back(p);
  }
  std::stable_sort(projected.begin(), projected.end(),
                   [](const Projected& a, const Projected& b) { return a.depth < b.depth; });
  Picture picture{(scene->width + kTile - 1) / kTile, {}, {}, {}};
  const int bands = (scene->height + kTile - 1) / kTile;
  picture.left.assign(static_cast<std::size_t>(scene->width) * scene->height, 1);
  picture.entries.assign(picture.columns * bands, 0);
  picture.live.assign(picture.columns * bands * kTile, 0);
  for (const Projected& p : projected) {
    const int top = static_cast<int>(std::max(p.y - p.half_height, 0.0f)) / kTile;
    const float low = std::min(p.y + p.half_height, scene->height - 1.0f);
    for (int band = top; band <= static_cast<int>(low) / kTile && band < bands; ++band)
      draw_band(p, *scene, band, picture);
  }
  counts[0] = picture.drawn;
  counts[1] = picture.evaluated;
}
