// Which tile sees which splats, front to back.
#pragma once

#include <cstdint>
#include <vector>

#include "rasterize/buffer.hpp"
#include "rasterize/types.hpp"

namespace sparse3d {

struct TileLists {
  std::vector<std::int32_t> order;         // visible splats, front to back
  std::vector<std::int64_t> slot_starts;   // of order[i]; one more at the end
  std::vector<std::int64_t> entry_starts;  // of each tile, row-major; one more at the end
  Buffer<Entry> entries;                   // all tiles
};

// Splats with a negative reach are left out, and tiles whose `wanted` is false (null: none). Ties in depth keep the order of rows. The result does
// not depend on the number of threads.
TileLists list_by_tile(const Splat* splats, std::int64_t count, int width, int height,
                       const bool* wanted);

}  // namespace sparse3d
