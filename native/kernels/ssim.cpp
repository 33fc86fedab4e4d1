#include "kernels/ssim.hpp"

#include "kernels/exp2.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// exp(-i^2 / 4.5) for i = 0 to 5, divided by their sum over i = -5 to 5.
constexpr float kWindow[] = {0.26601172486179436f, 0.21300553771125370f, 0.10936068950970002f,
                             0.03600077212843083f, 0.00759875813523919f, 0.00102838008447911f};
constexpr float kC1 = 0.01f * 0.01f;
constexpr float kC2 = 0.03f * 0.03f;

}  // namespace

void ssim_blur(const float* const* taps, std::int64_t count, float* __restrict out) {
  const float *t0 = taps[0], *t1 = taps[1], *t2 = taps[2], *t3 = taps[3], *t4 = taps[4];
  const float *t5 = taps[5], *t6 = taps[6], *t7 = taps[7], *t8 = taps[8], *t9 = taps[9];
  const float* t10 = taps[10];
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = madd(kWindow[5], t0[i] + t10[i],
                  madd(kWindow[4], t1[i] + t9[i],
                       madd(kWindow[3], t2[i] + t8[i],
                            madd(kWindow[2], t3[i] + t7[i],
                                 madd(kWindow[1], t4[i] + t6[i], kWindow[0] * t5[i])))));
}

double ssim_distance(const float* x, const float* y, const float* mask, std::int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) {
    const bool used = mask == nullptr || mask[i] != 0.0f;
    sum += static_cast<double>(used ? __builtin_fabsf(x[i] - y[i]) : 0.0f);
  }
  return sum;
}

void ssim_products(const float* x, const float* y, const float* mask, std::int64_t count,
                   std::int64_t stride, float* __restrict out) {
  float* __restrict xs = out;
  float* __restrict ys = out + stride;
  float* __restrict squares = out + 2 * stride;
  float* __restrict products = out + 3 * stride;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const bool used = mask == nullptr || mask[i] != 0.0f;
    const float a = used ? x[i] : 0.0f;
    const float b = used ? y[i] : 0.0f;
    xs[i] = a;
    ys[i] = b;
    squares[i] = madd(a, a, b * b);
    products[i] = a * b;
  }
}

double ssim_values(const float* moments, std::int64_t count, std::int64_t stride,
                   std::int64_t out_stride, float* __restrict out) {
  const float* mean_x = moments;
  const float* mean_y = moments + stride;
  const float* squares = moments + 2 * stride;
  const float* products = moments + 3 * stride;
  double sum = 0;
  if (out == nullptr) {
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < count; ++i) {
      const float both = mean_x[i] * mean_y[i];
      const float each = mean_x[i] * mean_x[i] + mean_y[i] * mean_y[i];
      const float a = 2.0f * both + kC1, b = 2.0f * (products[i] - both) + kC2;
      const float c = each + kC1, d = (squares[i] - each) + kC2;
      sum += static_cast<double>(a * b / (c * d));
    }
    return sum;
  }
  float* __restrict by_mean = out;
  float* __restrict by_square = out + out_stride;
  float* __restrict by_product = out + 2 * out_stride;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) {
    const float both = mean_x[i] * mean_y[i];
    const float each = mean_x[i] * mean_x[i] + mean_y[i] * mean_y[i];
    const float a = 2.0f * both + kC1, b = 2.0f * (products[i] - both) + kC2;
    const float c = each + kC1, d = (squares[i] - each) + kC2;
    const float inverse = 1.0f / (c * d);
    const float value = a * b * inverse;
    // d value / d a, b, c, d = b, a, -value * d, -value * c, all over c * d
    by_mean[i] = 2.0f * inverse * (mean_y[i] * (b - a) - mean_x[i] * value * (d - c));
    by_square[i] = -value * c * inverse;
    by_product[i] = 2.0f * a * inverse;
    sum += static_cast<double>(value);
  }
  return sum;
}

void ssim_gradient(const float* x, const float* y, const float* mask, const float* derivatives,
                   std::int64_t count, float ssim_scale, float l1_scale, float* __restrict out) {
  const float* by_mean = derivatives;
  const float* by_square = derivatives + count;
  const float* by_product = derivatives + 2 * count;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float similar = by_mean[i] + 2.0f * x[i] * by_square[i] + y[i] * by_product[i];
    const float sign = x[i] > y[i] ? 1.0f : (x[i] < y[i] ? -1.0f : 0.0f);
    const bool used = mask == nullptr || mask[i] != 0.0f;
    out[i] = used ? ssim_scale * similar + l1_scale * sign : 0.0f;
  }
}

}  // namespace sparse3d::SPARSE3D_ISA
