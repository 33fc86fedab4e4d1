// Which record is seen at each pixel of a tile, for the kernels that draw.
#pragma once

#include "kernels/draw_geometry.hpp"

namespace sparse3d::SPARSE3D_ISA {

// Records come in their order, so that the first of equally near ones stays.
class DrawWinners {
 public:
  DrawWinners(const DrawTile& tile, DrawImages images)
      : left_(tile.left), top_(tile.top), right_(tile.right), bottom_(tile.bottom),
        images_(images) {
    for (std::int32_t& row : rows_) row = -1;
    for (int y = top_; y < bottom_; ++y)
      for (int x = left_; x < right_; ++x) depths_[cell(x, y)] = images_.depths[pixel(x, y)];
  }

  void offer(int x, int y, double depth, std::int32_t record) {
    const auto rounded = static_cast<float>(depth);
    const int at = cell(x, y);
    if (!(rounded < depths_[at])) return;
    depths_[at] = rounded;
    rows_[at] = record;
  }

  // The same without a branch, which is faster where the outcome cannot be foreseen.
  void offer_if(bool covered, int x, int y, float depth, std::int32_t record) {
    const int at = cell(x, y);
    const bool wins = covered & (depth < depths_[at]);
    depths_[at] = wins ? depth : depths_[at];
    rows_[at] = wins ? record : rows_[at];
  }

  // Calls paint(record, x, y, rgb), which returns the id, where a record is seen.
  template <typename Paint>
  void resolve(Paint paint) const {
    for (int y = top_; y < bottom_; ++y)
      for (int x = left_; x < right_; ++x) {
        const int at = cell(x, y);
        if (rows_[at] < 0) continue;
        images_.depths[pixel(x, y)] = depths_[at];
        images_.ids[pixel(x, y)] = paint(rows_[at], x, y, images_.colors + 3 * pixel(x, y));
      }
  }

 private:
  int cell(int x, int y) const { return (y - top_) * kDrawTile + x - left_; }
  std::int64_t pixel(int x, int y) const { return std::int64_t{y} * images_.width + x; }

  int left_, top_, right_, bottom_;
  DrawImages images_;
  float depths_[kDrawTile * kDrawTile];  // rows of the picture would crowd few sets of the cache
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
