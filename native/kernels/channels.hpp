// Any values of Gaussians blended in one tile, over zero, after the colours have been: each pixel's
// last entry is known.
#pragma once

#include "isa.hpp"
#include "rasterize/types.hpp"

namespace sparse3d {

// What a slot holds ahead of sums of values: those of the gradient over shape, and |gx| and |gy| up
// to the factor 2 ln 2.
template <typename Gradient>
constexpr int kSlotHead = Gradient::kShape + 2;

// Adds into images [height, width, set.count]; `scratch` holds set.count * kTile * kTile floats.
SPARSE3D_KERNEL(void blend_channels(const TileView& tile, const ChannelSet& set,
                                    const std::int32_t* last, float* scratch, float* images))
SPARSE3D_KERNEL(void blend_surfel_channels(const TileView& tile, const ChannelSet& set,
                                           const std::int32_t* last, float* scratch,
                                           float* images))

// Writes kSlotHead + set.each floats an entry to slots, |gx| and |gy| being zero unless `absolute`;
// scratch as above, with room for set.each * kTile floats more.
SPARSE3D_KERNEL(void blend_channels_backward(const TileView& tile, const ChannelSet& set,
                                             const float* transmittances,
                                             const std::int32_t* last, const float* gradients,
                                             bool absolute, float* scratch, float* slots))
SPARSE3D_KERNEL(void blend_surfel_channels_backward(const TileView& tile, const ChannelSet& set,
                                                    const float* transmittances,
                                                    const std::int32_t* last,
                                                    const float* gradients, bool absolute,
                                                    float* scratch, float* slots))

}  // namespace sparse3d
