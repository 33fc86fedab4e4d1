#include "kernels/draw_winners.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

template <typename T>
void project(const T* positions, std::int64_t begin, std::int64_t end, const DrawCamera& camera,
             DrawPointStyle style, DrawPoint* out) {
  for (std::int64_t i = begin; i < end; ++i) {
    const T* p = positions + 3 * i;
    const DrawPlace local = draw_in_camera(camera, p[0], p[1], p[2]);
    if (!(local.z > camera.near)) {
      out[i].box = {1, 1, 0, 0};
      continue;
    }
    const double x = draw_pixel_x(camera, local), y = draw_pixel_y(camera, local);
    const double rx = style.in_world ? style.radius * camera.fx / local.z : style.radius;
    const double ry = style.in_world ? style.radius * camera.fy / local.z : style.radius;
    const double home_x = __builtin_floor(x) + 0.5, home_y = __builtin_floor(y) + 0.5;
    const DrawBox box = draw_box(camera, draw_min(x - rx, home_x), draw_min(y - ry, home_y),
                                 draw_max(x + rx, home_x), draw_max(y + ry, home_y));
    out[i] = {box, static_cast<float>(local.z), x, y, rx * rx, ry * ry};
  }
}

void draw_point(const DrawPoint& point, std::int32_t record, const DrawTile& tile,
                DrawWinners& winners) {
  const DrawWindow window = draw_window(point.box, tile);
  const double limit = point.square_x * point.square_y;
  for (int y = window.top; y < window.bottom; ++y) {
    const double dy = y + 0.5 - point.y;
    const bool home_row = __builtin_floor(point.y) == y;
    const double rise = dy * dy * point.square_x;
    for (int x = window.left; x < window.right; ++x) {
      const double dx = x + 0.5 - point.x;
      if (dx * dx * point.square_y + rise < limit ||
          (home_row && __builtin_floor(point.x) == x))
        winners.offer(x, y, point.depth, record);
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

void draw_point_tile(const DrawPoint* records, const DrawTile& tile, const float* colors,
                     std::int32_t first, DrawImages images) {
  DrawWinners winners(tile, images);
  for (std::int64_t i = 0; i < tile.count; ++i)
    draw_point(records[tile.entries[i]], tile.entries[i], tile, winners);
  winners.resolve([&](std::int32_t record, int, int, float* rgb) {
    draw_copy_color(colors + 3 * std::int64_t{record}, rgb);
    return first + record;
  });
}

}  // namespace sparse3d::SPARSE3D_ISA
