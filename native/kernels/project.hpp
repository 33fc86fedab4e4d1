// Gaussians to splats of one view, and the gradient of it.
#pragma once

#include "isa.hpp"
#include "rasterize/types.hpp"

namespace sparse3d {

// Rows [begin, end); a splat that is not visible gets a negative reach and radius 0.
SPARSE3D_KERNEL(void project(const GaussianArrays& in, const PinholeView& view, std::int64_t begin,
                             std::int64_t end, Splat* splats, std::int32_t* radii))

// The same of discs, whose splats are what covers them.
SPARSE3D_KERNEL(void project_surfels(const GaussianArrays& in, const PinholeView& view,
                                     std::int64_t begin, std::int64_t end, Splat* splats,
                                     Surfel* surfels, std::int32_t* radii))

// Adds to the parameters' gradients; writes mean_gradients [., 2] (pixels); adds to pose[12], the
// gradient of rotation (row-major) and centre.
SPARSE3D_KERNEL(void project_backward(const GaussianArrays& in, const PinholeView& view,
                                      std::int64_t begin, std::int64_t end, const Splat* splats,
                                      const SplatGradient* sums, const GaussianGradients& out,
                                      float* mean_gradients, double* pose))
SPARSE3D_KERNEL(void project_surfels_backward(const GaussianArrays& in, const PinholeView& view,
                                              std::int64_t begin, std::int64_t end,
                                              const Splat* splats, const Surfel* surfels,
                                              const SurfelGradient* sums,
                                              const GaussianGradients& out,
                                              float* mean_gradients, double* pose))

}  // namespace sparse3d
