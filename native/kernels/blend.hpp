// Alpha blending of one tile, and its gradient.
#pragma once

#include "isa.hpp"
#include "rasterize/types.hpp"

namespace sparse3d {

SPARSE3D_KERNEL(void blend(const TileView& tile, const ForwardImages& images))
SPARSE3D_KERNEL(void blend_surfels(const TileView& tile, const ForwardImages& images))

// Writes one gradient an entry to slots[entry.slot], and adds to the background's gradient.
SPARSE3D_KERNEL(void blend_backward(const TileView& tile, const BackwardImages& images,
                                    SplatGradient* slots, double* background_gradient))
SPARSE3D_KERNEL(void blend_surfels_backward(const TileView& tile, const BackwardImages& images,
                                            SurfelGradient* slots, double* background_gradient))

}  // namespace sparse3d
