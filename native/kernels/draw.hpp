// Drawing points, lines and triangles: from the world to pixels, and into one tile of a picture.
//
// All arithmetic is float64 in one order, so that every backend draws the same pixels.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

constexpr int kDrawTile = 32;  // pixels of a tile's edge

struct DrawCamera {
  double rotation[9];  // world_from_camera, row-major
  double centre[3];
  double fx, fy, cx, cy;
  double near;
  int width, height;
};

// First and last pixel of a bounding box, both included; left > right: nothing.
struct DrawBox {
  std::int16_t left, top, right, bottom;
};

// A dot. Half a line of the cache: tiles read dots from all over the memory.
struct alignas(32) DrawPoint {
  DrawBox box;
  double x, y;  // pixels
  double z;
};

struct DrawLine {
  DrawBox box;
  double x, y, dx, dy;       // start, and the way to the end, pixels
  double squared_length;
  double closeness[2];       // 1 / z of both ends
};

// Corners are in the order that makes the area positive, y down.
struct DrawTriangle {
  DrawBox box;
  std::int32_t face;
  double x[3], y[3], closeness[3];
  float colors[9];
};

struct DrawPointStyle {
  double radius;
  bool in_world;
};

struct DrawLineStyle {
  double half, nearer;  // half the width, pixels; factor of depths
};

// One tile: rows of records whose boxes touch it, in their order, and its pixels.
struct DrawTile {
  const std::int32_t* entries;
  std::int64_t count;
  int left, top, right, bottom;  // the last two excluded
};

// The whole picture.
struct DrawImages {
  float* colors;
  float* depths;
  std::int32_t* ids;
  int width;
};

SPARSE3D_KERNEL(void draw_project_points_float(const float* positions, std::int64_t begin,
                                               std::int64_t end, const DrawCamera& camera,
                                               DrawPointStyle style, DrawPoint* out))
SPARSE3D_KERNEL(void draw_project_points_double(const double* positions, std::int64_t begin,
                                                std::int64_t end, const DrawCamera& camera,
                                                DrawPointStyle style, DrawPoint* out))
SPARSE3D_KERNEL(void draw_project_lines(const double* ends, std::int64_t begin, std::int64_t end,
                                        const DrawCamera& camera, DrawLineStyle style,
                                        DrawLine* out))

// How many triangles are left of some faces when what is not beyond `near` is cut off.
SPARSE3D_KERNEL(std::int64_t draw_count_triangles(const double* corners, std::int64_t begin,
                                                  std::int64_t end, const DrawCamera& camera))

// Writes as many; corners and colors are [count, 3, 3].
SPARSE3D_KERNEL(void draw_project_triangles(const double* corners, const float* colors,
                                            std::int64_t begin, std::int64_t end,
                                            const DrawCamera& camera, DrawTriangle* out))

// Draw into a tile what is nearer than what is there; `first` is the id of row 0.
SPARSE3D_KERNEL(void draw_point_tile(const DrawPoint* records, const DrawTile& tile,
                                     const DrawCamera& camera, DrawPointStyle style,
                                     const float* colors, std::int32_t first, DrawImages images))
SPARSE3D_KERNEL(void draw_line_tile(const DrawLine* records, const DrawTile& tile,
                                    const float* colors, std::int32_t first, DrawLineStyle style,
                                    DrawImages images))
SPARSE3D_KERNEL(void draw_triangle_tile(const DrawTriangle* records, const DrawTile& tile,
                                        std::int32_t first, DrawImages images))

}  // namespace sparse3d
