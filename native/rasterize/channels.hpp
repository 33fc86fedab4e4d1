// Extra images of a view that has been drawn, from its plan.
#pragma once

#include "rasterize/plan.hpp"

namespace sparse3d {

// Writes images [height, width, set.count].
void draw_channels(const ViewPlan& plan, const ChannelSet& set, float* images);

// Where gradients of one view go, a row a Gaussian; null where they are not asked for.
struct ChannelGradients {
  float* values;    // [count, set.each], added to
  float* shape;     // [count, shape_sums], added to
  float* absolute;  // [count, 2], added to: sums over pixels of |dL/d centre|, pixels
};

void draw_channels_backward(const ViewPlan& plan, const ChannelSet& set, const float* gradients,
                            const ChannelGradients& out);

// Rows of Gaussians, [height, width] each.
void draw_rows(const ViewPlan& plan, std::int32_t* median, std::int32_t* dominant);

}  // namespace sparse3d
