// Any values of Gaussians blended in one tile, over zero, after the colours have been: each pixel's
// last entry is known.
#pragma once

#include "isa.hpp"
#include "rasterize/types.hpp"

namespace sparse3d {

// What a slot holds: sums of a SplatGradient over shape, |gx| and |gy| up to a factor, values.
constexpr int kSlotHead = kShapeSums + 2;

// Adds into images [height, width, set.count]; `scratch` holds set.count * kTile * kTile floats.
SPARSE3D_KERNEL(void blend_channels(const TileView& tile, const ChannelSet& set,
                                    const std::int32_t* last, float* scratch, float* images))

// Writes kSlotHead + set.each floats an entry to slots; scratch as above, with room for
// set.each * kTile floats more.
SPARSE3D_KERNEL(void blend_channels_backward(const TileView& tile, const ChannelSet& set,
                                             const float* transmittances,
                                             const std::int32_t* last, const float* gradients,
                                             float* scratch, float* slots))

// The Gaussian behind which transmittance is below one half, and the one of largest weight; -1
// where there is none.
SPARSE3D_KERNEL(void find_rows(const TileView& tile, const std::int32_t* last,
                               std::int32_t* median, std::int32_t* dominant))

}  // namespace sparse3d
