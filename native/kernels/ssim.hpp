// Kernels of SSIM for a piece of a row, `count` values. Quantities of the same pixels lie `stride`
// values apart.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

constexpr int kSsimTaps = 11;

// What one pixel's SSIM depends on, each blurred: x, y, x^2 + y^2, x y.
constexpr int kSsimMoments = 4;

// Derivatives of SSIM by the blurred x, x^2 + y^2 and x y (by those of x alone, y being constant).
constexpr int kSsimDerivatives = 3;

// out = the 11 rows at `taps`, weighted by a Gaussian of sigma 1.5 whose weights sum to 1.
SPARSE3D_KERNEL(void ssim_blur(const float* const* taps, std::int64_t count, float* out))

// Sum of |x - y| where `mask` (null: everywhere) is not zero.
SPARSE3D_KERNEL(double ssim_distance(const float* x, const float* y, const float* mask,
                                     std::int64_t count))

// out = x, y, x^2 + y^2 and x y, zero where `mask` (null: nowhere) is zero.
SPARSE3D_KERNEL(void ssim_products(const float* x, const float* y, const float* mask,
                                   std::int64_t count, std::int64_t stride, float* out))

// Sum of SSIM; out = the derivatives, `out_stride` apart, unless it is null.
SPARSE3D_KERNEL(double ssim_values(const float* moments, std::int64_t count, std::int64_t stride,
                                   std::int64_t out_stride, float* out))

// out = the gradient by x of ssim_scale * sum of SSIM + l1_scale * sum of |x - y|, from the blurred
// derivatives; zero where `mask` (null: nowhere) is zero.
SPARSE3D_KERNEL(void ssim_gradient(const float* x, const float* y, const float* mask,
                                   const float* derivatives, std::int64_t count, float ssim_scale,
                                   float l1_scale, float* out))

}  // namespace sparse3d
