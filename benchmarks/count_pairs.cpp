// Counts Gaussian-pixel pairs of a picture: those that are drawn, and those that are evaluated by a
// rasteriser like native/kernels/blend.cpp and blend_backward.cpp, which walk over the strips of
// tiles of 16 by 16 pixels: registers of pixels of a row. A Gaussian is evaluated at all pixels of
// a strip that it reaches; forward as long as one of them has not ended, backward if it may have
// been drawn at one of them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "scalar_projection.hpp"

namespace {

constexpr int kTile = 16;

struct Counts {
  std::int64_t drawn, forward, backward;
};

struct Picture {
  int strips;               // of a row of pixels
  int lanes;                // pixels of a register
  std::vector<float> left;  // transmittance; negative once the pixel has ended
  std::vector<int> live;    // pixels that have not ended, by strip
  Counts counts;
};

// Where a Gaussian is at least 1/255 along the middle of a row of pixels; nowhere if low > high.
struct Span {
  float low, high;
};

Span span_of(const Projected& p, const Scene& scene, int y) {
  const float dy = y + 0.5f - p.y, reach = 2 * std::log(255 * p.opacity);
  const float discriminant = p.b * p.b * dy * dy - p.a * (p.c * dy * dy - reach);
  if (y >= scene.height || discriminant < 0) return {1, 0};
  const float middle = p.x - p.b * dy / p.a, half = std::sqrt(discriminant) / p.a;
  return {middle - half, middle + half};
}

// Whether a span meets the line from the first to the last centre of some pixels; it may do so
// between two of them.
bool reaches(const Span& span, int first, int count) {
  return span.low <= span.high && span.high >= first + 0.5f && span.low <= first + count - 0.5f;
}

void draw(const Projected& p, const Scene& scene, int x, int y, int& live, Picture& picture) {
  float& left = picture.left[static_cast<std::size_t>(y) * scene.width + x];
  const float dx = x + 0.5f - p.x, dy = y + 0.5f - p.y;
  const float power = -0.5f * (p.a * dx * dx + p.c * dy * dy) - p.b * dx * dy;
  const float alpha = std::min(0.999f, p.opacity * std::exp(power));
  if (left < 0 || alpha < 1.0f / 255) return;
  const float after = left * (1 - alpha);
  const bool ends = after <= 1e-4f;
  if (ends) --live;
  if (!ends) ++picture.counts.drawn;
  left = ends ? -left : after;
}

// A pixel's end is before the Gaussian that ends it, so the last live pixel of a strip keeps
// backward from a Gaussian that forward has seen.
void draw_strip(const Projected& p, const Scene& scene, int first, int y, const Span& span,
                Picture& picture) {
  const int end = std::min(scene.width, first + picture.lanes);
  if (first >= end) return;
  int& live = picture.live[static_cast<std::size_t>(y) * picture.strips + first / picture.lanes];
  if (live == 0 || !reaches(span, first, picture.lanes)) return;
  picture.counts.forward += picture.lanes;
  for (int x = first; x < end; ++x)
    if (reaches(span, x, 1)) draw(p, scene, x, y, live, picture);
  if (live != 0) picture.counts.backward += picture.lanes;
}

void draw_band(const Projected& p, const Scene& scene, int band, Picture& picture) {
  Span spans[kTile];
  float low = scene.width, high = -1;
  for (int row = 0; row < kTile; ++row) {
    spans[row] = span_of(p, scene, band * kTile + row);
    if (spans[row].low > spans[row].high) continue;
    low = std::min(low, spans[row].low);
    high = std::max(high, spans[row].high);
  }
  const int first = static_cast<int>(std::max(std::ceil(low - 0.5f), 0.0f));
  const int last = static_cast<int>(std::min(std::floor(high - 0.5f), scene.width - 1.0f));
  if (first > last) return;
  for (int row = 0; row < kTile; ++row)
    for (int x = first / kTile * kTile; x <= last; x += picture.lanes)
      draw_strip(p, scene, x, band * kTile + row, spans[row], picture);
}

Picture blank(const Scene& scene, int lanes) {
  const int strips = (scene.width + lanes - 1) / lanes;
  Picture picture{strips, lanes, {}, {}, {}};
  picture.left.assign(static_cast<std::size_t>(scene.width) * scene.height, 1);
  picture.live.resize(static_cast<std::size_t>(strips) * scene.height);
  for (std::size_t i = 0; i < picture.live.size(); ++i) {
    const int first = static_cast<int>(i) % strips * lanes;
    picture.live[i] = std::min(lanes, scene.width - first);
  }
  return picture;
}

std::vector<Projected> front_to_back(const Scene& scene) {
  std::vector<Projected> projected;
  for (int row = 0; row < scene.count; ++row) {
    const Projected p = project(scene, row);
    if (p.visible) projected.push_back(p);
  }
  std::stable_sort(projected.begin(), projected.end(),
                   [](const Projected& a, const Projected& b) { return a.depth < b.depth; });
  return projected;
}

}  // namespace

// `lanes`: pixels of a strip; they divide the tile's edge.
extern "C" void count_pairs(const Scene* scene, int lanes, Counts* counts) {
  Picture picture = blank(*scene, lanes);
  const int bands = (scene->height + kTile - 1) / kTile;
  for (const Projected& p : front_to_back(*scene)) {
    const int top = static_cast<int>(std::max(p.y - p.half_height, 0.0f)) / kTile;
    const float low = std::min(p.y + p.half_height, scene->height - 1.0f);
    for (int band = top; band <= static_cast<int>(low) / kTile && band < bands; ++band)
      draw_band(p, *scene, band, picture);
  }
  *counts = picture.counts;
}
