// Which tile sees which records, in their order.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/draw.hpp"
#include "rasterize/buffer.hpp"

namespace sparse3d {

struct DrawLists {
  int columns, rows;
  std::vector<std::int64_t> starts;  // of each tile in entries, row-major; one more at the end
  Buffer<std::int32_t> entries;

  // A tile of a picture, numbered row by row.
  DrawTile tile(std::int64_t number, int width, int height) const;
};

// Lists records by the tiles that their boxes touch. `boxes` is the box of the first record,
// `stride` the bytes from one record to the next. The result does not depend on the number of
// threads.
DrawLists list_boxes(const DrawBox* boxes, std::int64_t stride, std::int64_t count, int width,
                     int height);

}  // namespace sparse3d
