// Which record is seen at each pixel of a tile, for the kernels that draw.
#pragma once

#include "kernels/draw_geometry.hpp"

namespace sparse3d::SPARSE3D_ISA {

// Depths are kept in the picture, since tiles own their pixels; records come in their order, so
// that the first of equally near ones stays.
class DrawWinners {
 public:
  DrawWinners(const DrawTile& tile, DrawImages images) : tile_(tile), images_(images) {
    for (std::int32_t& row : rows_) row = -1;
  }

  void offer(int x, int y, double depth, std::int32_t record) {
    const auto rounded = static_cast<float>(depth);
    float& nearest = images_.depths[std::int64_t{y} * images_.width + x];
    if (!(rounded < nearest)) return;
    nearest = rounded;
    rows_[(y - tile_.top) * kDrawTile + x - tile_.left] = record;
  }

  // Calls paint(record, x, y, rgb), which returns the id, where a record is seen.
  template <typename Paint>
  void resolve(Paint paint) const {
    for (int y = tile_.top; y < tile_.bottom; ++y)
      for (int x = tile_.left; x < tile_.right; ++x) {
        const std::int32_t record = rows_[(y - tile_.top) * kDrawTile + x - tile_.left];
        if (record < 0) continue;
        const std::int64_t pixel = std::int64_t{y} * images_.width + x;
        images_.ids[pixel] = paint(record, x, y, images_.colors + 3 * pixel);
      }
  }

 private:
  const DrawTile& tile_;
  DrawImages images_;
  std::int32_t rows_[kDrawTile * kDrawTile];
};

// The part of a box in a tile, the last row and column excluded.
struct DrawWindow {
  int left, top, right, bottom;
};

inline DrawWindow draw_window(const DrawBox& box, const DrawTile& tile) {
  return {box.left > tile.left ? box.left : tile.left, box.top > tile.top ? box.top : tile.top,
          box.right + 1 < tile.right ? box.right + 1 : tile.right,
          box.bottom + 1 < tile.bottom ? box.bottom + 1 : tile.bottom};
}

inline void draw_copy_color(const float* from, float* to) {
  for (int channel = 0; channel < 3; ++channel) to[channel] = from[channel];
}

}  // namespace sparse3d::SPARSE3D_ISA
