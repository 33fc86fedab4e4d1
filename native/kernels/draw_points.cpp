#include "kernels/draw_winners.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr std::int64_t kAhead = 16;  // dots that are fetched before they are drawn

struct Axes {
  double x, y;  // half of them, pixels; they differ where fx and fy do
};

Axes axes(const DrawCamera& camera, DrawPointStyle style, double z) {
  if (!style.in_world) return {style.radius, style.radius};
  return {style.radius * camera.fx / z, style.radius * camera.fy / z};
}

// A block of dots on its way to pixels, as the loops over it become vectors.
struct Block {
  static constexpr int kSize = 64;
  double x[kSize], y[kSize], z[kSize];
  std::int16_t left[kSize], top[kSize], right[kSize], bottom[kSize];
};

template <typename T>
void place(const T* positions, int count, const DrawCamera& camera, Block& block) {
#pragma omp simd
  for (int i = 0; i < count; ++i) {
    const T* p = positions + 3 * i;
    const DrawPlace local = draw_in_camera(camera, p[0], p[1], p[2]);
    block.x[i] = draw_pixel_x(camera, local);
    block.y[i] = draw_pixel_y(camera, local);
    block.z[i] = local.z;
  }
}

// Boxes of one axis: the pixels within reach and the one that a dot lies in.
void bound(const double* centre, const double* z, int count, double reach, bool in_world,
           int extent, std::int16_t* first, std::int16_t* last) {
#pragma omp simd
  for (int i = 0; i < count; ++i) {
    const double radius = in_world ? reach / z[i] : reach;
    const double home = __builtin_floor(centre[i]) + 0.5;
    first[i] = static_cast<std::int16_t>(
        draw_first(draw_min(centre[i] - radius, home), 0, extent));
    last[i] = static_cast<std::int16_t>(draw_last(draw_max(centre[i] + radius, home), 0, extent));
  }
}

template <typename T>
void project(const T* positions, std::int64_t begin, std::int64_t end, const DrawCamera& camera,
             DrawPointStyle style, DrawPoint* out) {
  const Axes reach = axes(camera, style, 1.0);
  Block block;
  for (std::int64_t start = begin; start < end; start += Block::kSize) {
    const int count = static_cast<int>(end - start < Block::kSize ? end - start : Block::kSize);
    place(positions + 3 * start, count, camera, block);
    bound(block.x, block.z, count, reach.x, style.in_world, camera.width, block.left, block.right);
    bound(block.y, block.z, count, reach.y, style.in_world, camera.height, block.top,
          block.bottom);
    for (int i = 0; i < count; ++i) {
      DrawBox box{block.left[i], block.top[i], block.right[i], block.bottom[i]};
      const bool seen =
          block.z[i] > camera.near && box.left <= box.right && box.top <= box.bottom;
      out[start + i] = {seen ? box : DrawBox{1, 1, 0, 0}, block.x[i], block.y[i], block.z[i]};
    }
  }
}

void draw_point(const DrawPoint& point, Axes reach, std::int32_t record, const DrawTile& tile,
                DrawWinners& winners) {
  const DrawWindow window = draw_window(point.box, tile);
  const double square_x = reach.x * reach.x, square_y = reach.y * reach.y;
  const double limit = square_x * square_y;
  const double home_x = __builtin_floor(point.x), home_y = __builtin_floor(point.y);
  const auto depth = static_cast<float>(point.z);
  for (int y = window.top; y < window.bottom; ++y) {
    const double dy = y + 0.5 - point.y, rise = dy * dy * square_x;
    for (int x = window.left; x < window.right; ++x) {
      const double dx = x + 0.5 - point.x;
      const bool within = dx * dx * square_y + rise < limit;
      winners.offer_if(within | ((home_x == x) & (home_y == y)), x, y, depth, record);
    }
  }
}

}  // namespace

void draw_project_points_float(const float* positions, std::int64_t begin, std::int64_t end,
                               const DrawCamera& camera, DrawPointStyle style, DrawPoint* out) {
  project(positions, begin, end, camera, style, out);
}

void draw_project_points_double(const double* positions, std::int64_t begin, std::int64_t end,
                                const DrawCamera& camera, DrawPointStyle style, DrawPoint* out) {
  project(positions, begin, end, camera, style, out);
}

void draw_point_tile(const DrawPoint* records, const DrawTile& tile, const DrawCamera& camera,
                     DrawPointStyle style, const float* colors, std::int32_t first,
                     DrawImages images) {
  DrawWinners winners(tile, images);
  for (std::int64_t i = 0; i < tile.count; ++i) {
    if (i + kAhead < tile.count) __builtin_prefetch(records + tile.entries[i + kAhead]);
    const DrawPoint& point = records[tile.entries[i]];
    draw_point(point, axes(camera, style, point.z), tile.entries[i], tile, winners);
  }
  winners.resolve([&](std::int32_t record, int, int, float* rgb) {
    draw_copy_color(colors + 3 * std::int64_t{record}, rgb);
    return first + record;
  });
}

}  // namespace sparse3d::SPARSE3D_ISA
