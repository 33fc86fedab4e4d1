#include "kernels/draw_winners.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// The end, or, if it is not beyond `near`, where the way to the other one comes there.
DrawPlace cut(const DrawPlace& end, const DrawPlace& other, double near) {
  if (end.z > near) return end;
  const double t = (near - end.z) / (other.z - end.z);
  return {end.x + t * (other.x - end.x), end.y + t * (other.y - end.y), near};
}

DrawLine project(const double* ends, const DrawCamera& camera, double half) {
  const DrawPlace start = draw_in_camera(camera, ends[0], ends[1], ends[2]);
  const DrawPlace stop = draw_in_camera(camera, ends[3], ends[4], ends[5]);
  DrawLine line{};
  line.box = {1, 1, 0, 0};
  if (!(start.z > camera.near || stop.z > camera.near)) return line;
  const DrawPlace a = cut(start, stop, camera.near), b = cut(stop, start, camera.near);
  const double x = draw_pixel_x(camera, b), y = draw_pixel_y(camera, b);
  line.x = draw_pixel_x(camera, a);
  line.y = draw_pixel_y(camera, a);
  line.dx = x - line.x;
  line.dy = y - line.y;
  line.squared_length = line.dx * line.dx + line.dy * line.dy;
  line.closeness[0] = 1 / a.z;
  line.closeness[1] = 1 / b.z;
  if (line.squared_length == 0)  // seen from its end
    line.closeness[0] = line.closeness[1] = draw_max(line.closeness[0], line.closeness[1]);
  line.box = draw_box(camera, draw_min(line.x, x) - half, draw_min(line.y, y) - half,
                      draw_max(line.x, x) + half, draw_max(line.y, y) + half);
  return line;
}

// Columns in which a row of pixels can be near enough: those of the part of the line whose y is.
void narrow(const DrawLine& line, double y, double half, DrawWindow& window) {
  double from = 0, to = 1;
  if (line.dy != 0) {
    const double slack = half + 1e-6;
    const double a = (y - slack - line.y) / line.dy, b = (y + slack - line.y) / line.dy;
    from = draw_clamp(draw_min(a, b), 0, 1);
    to = draw_clamp(draw_max(a, b), 0, 1);
  }
  const double a = line.x + from * line.dx, b = line.x + to * line.dx;
  window.left = draw_first(draw_min(a, b) - half, window.left, window.right);
  window.right = draw_last(draw_max(a, b) + half, window.left, window.right) + 1;
}

void draw_line(const DrawLine& line, std::int32_t record, const DrawTile& tile,
               DrawLineStyle style, DrawWinners& winners) {
  const DrawWindow window = draw_window(line.box, tile);
  for (int row = window.top; row < window.bottom; ++row) {
    DrawWindow part = window;
    narrow(line, row + 0.5, style.half, part);
    for (int column = part.left; column < part.right; ++column) {
      const double x = column + 0.5 - line.x, y = row + 0.5 - line.y;
      const double t = line.squared_length > 0 ? draw_clamp((x * line.dx + y * line.dy) /
                                                                line.squared_length, 0, 1)
                                               : 0.0;
      const double dx = x - t * line.dx, dy = y - t * line.dy;
      if (dx * dx + dy * dy > style.half * style.half) continue;
      const double depth = 1 / ((1 - t) * line.closeness[0] + t * line.closeness[1]);
      winners.offer(column, row, depth * style.nearer, record);
    }
  }
}

}  // namespace

void draw_project_lines(const double* ends, std::int64_t begin, std::int64_t end,
                        const DrawCamera& camera, DrawLineStyle style, DrawLine* out) {
  for (std::int64_t i = begin; i < end; ++i) out[i] = project(ends + 6 * i, camera, style.half);
}

void draw_line_tile(const DrawLine* records, const DrawTile& tile, const float* colors,
                    std::int32_t first, DrawLineStyle style, DrawImages images) {
  DrawWinners winners(tile, images);
  for (std::int64_t i = 0; i < tile.count; ++i)
    draw_line(records[tile.entries[i]], tile.entries[i], tile, style, winners);
  winners.resolve([&](std::int32_t record, int, int, float* rgb) {
    draw_copy_color(colors + 3 * std::int64_t{record}, rgb);
    return first + record;
  });
}

}  // namespace sparse3d::SPARSE3D_ISA
