// What no gradient passes through, of one tile, after the colours have been drawn: each pixel's last
// entry is known.
#pragma once

#include "isa.hpp"
#include "rasterize/types.hpp"

namespace sparse3d {

// The Gaussian behind which transmittance is below one half, and the one of largest weight; -1
// where there is none.
SPARSE3D_KERNEL(void find_rows(const TileView& tile, const std::int32_t* last,
                               std::int32_t* median, std::int32_t* dominant))
SPARSE3D_KERNEL(void find_surfel_rows(const TileView& tile, const std::int32_t* last,
                                      std::int32_t* median, std::int32_t* dominant))

}  // namespace sparse3d
