// From the world to pixels, for the kernels that draw.
#pragma once

#include "kernels/draw.hpp"

namespace sparse3d::SPARSE3D_ISA {

struct DrawPlace {
  double x, y, z;
};

inline DrawPlace draw_in_camera(const DrawCamera& camera, double px, double py, double pz) {
  const double* r = camera.rotation;
  const double x = px - camera.centre[0], y = py - camera.centre[1], z = pz - camera.centre[2];
  return {r[0] * x + r[3] * y + r[6] * z, r[1] * x + r[4] * y + r[7] * z,
          r[2] * x + r[5] * y + r[8] * z};
}

inline double draw_pixel_x(const DrawCamera& camera, const DrawPlace& place) {
  return camera.fx * place.x / place.z + camera.cx;
}

inline double draw_pixel_y(const DrawCamera& camera, const DrawPlace& place) {
  return camera.fy * place.y / place.z + camera.cy;
}

inline double draw_min(double a, double b) { return b < a ? b : a; }
inline double draw_max(double a, double b) { return b > a ? b : a; }
inline double draw_clamp(double value, double low, double high) {  // nan: low
  return draw_min(value > low ? value : low, high);
}

// Pixels whose centres lie in [low, high], within [begin, end); a little more, since the exact
// test follows and rounding must lose none.
inline int draw_first(double low, int begin, int end) {
  return static_cast<int>(__builtin_ceil(draw_clamp(low - 0.5 - 1e-6, begin, end)));
}
inline int draw_last(double high, int begin, int end) {
  return static_cast<int>(__builtin_floor(draw_clamp(high - 0.5 + 1e-6, begin - 1, end - 1)));
}

inline DrawBox draw_box(const DrawCamera& camera, double left, double top, double right,
                        double bottom) {
  const int columns[] = {draw_first(left, 0, camera.width), draw_last(right, 0, camera.width)};
  const int rows[] = {draw_first(top, 0, camera.height), draw_last(bottom, 0, camera.height)};
  if (columns[0] > columns[1] || rows[0] > rows[1]) return {1, 1, 0, 0};
  return {static_cast<std::int16_t>(columns[0]), static_cast<std::int16_t>(rows[0]),
          static_cast<std::int16_t>(columns[1]), static_cast<std::int16_t>(rows[1])};
}

}  // namespace sparse3d::SPARSE3D_ISA
