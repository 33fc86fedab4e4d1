// Means of L1 and SSIM of two images and the gradient of their weighted sum, row by row.
//
// Every row is computed by one thread and the rows' sums are added in order, so the result does not
// depend on the number of threads.
#include "kernels/ssim.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <omp.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kRadius = kSsimTaps / 2;

struct Images {
  const float* x;
  const float* y;
  const bool* mask;  // one value a pixel, or null
  std::int64_t height, width, channels;

  std::int64_t count() const { return width * channels; }
  std::int64_t stride() const { return count() + 2 * kRadius * channels; }
};

// Rows of floats that are not initialised, one block.
class Block {
 public:
  Block(std::int64_t rows, std::int64_t columns)
      : columns_(columns), values_(new float[static_cast<std::size_t>(rows * columns)]) {}
  float* row(std::int64_t index) { return values_.get() + index * columns_; }

 private:
  std::int64_t columns_;
  std::unique_ptr<float[]> values_;
};

// The mask of a row with a value for each channel, or null.
const float* mask_row(const Images& images, std::int64_t row, float* out) {
  if (images.mask == nullptr) return nullptr;
  const bool* mask = images.mask + row * images.width;
  for (std::int64_t i = 0; i < images.width; ++i)
    std::fill_n(out + i * images.channels, images.channels, mask[i] ? 1.0f : 0.0f);
  return out;
}

void clear_padding(const Images& images, std::int64_t rows, float* padded) {
  const std::int64_t pad = kRadius * images.channels;
  for (std::int64_t i = 0; i < rows; ++i) {
    std::fill_n(padded + i * images.stride(), pad, 0.0f);
    std::fill_n(padded + i * images.stride() + pad + images.count(), pad, 0.0f);
  }
}

void blur_horizontally(const Images& images, std::int64_t rows, const float* padded, float* out) {
  const auto blur = SPARSE3D_PICK(ssim_blur);
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* taps[kSsimTaps];
    for (std::int64_t tap = 0; tap < kSsimTaps; ++tap)
      taps[tap] = padded + i * images.stride() + tap * images.channels;
    blur(taps, images.count(), out + i * images.count());
  }
}

void blur_vertically(Block& source, const std::vector<float>& zeros, std::int64_t row,
                     std::int64_t height, float* out) {
  const float* taps[kSsimTaps];
  for (std::int64_t tap = 0; tap < kSsimTaps; ++tap) {
    const std::int64_t from = row + tap - kRadius;
    taps[tap] = from < 0 || from >= height ? zeros.data() : source.row(from);
  }
  SPARSE3D_PICK(ssim_blur)(taps, static_cast<std::int64_t>(zeros.size()), out);
}

// Blurs x, y, x^2 + y^2 and x y along the rows; returns the sum of |x - y|.
double blur_moments(const Images& images, Block& moments) {
  Block padded(omp_get_max_threads(), kSsimMoments * images.stride());
  Block masks(omp_get_max_threads(), images.count());
  std::vector<double> sums(static_cast<std::size_t>(images.height));
  const auto products = SPARSE3D_PICK(ssim_products);
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < images.height; ++row) {
    float* own = padded.row(omp_get_thread_num());
    const float* mask = mask_row(images, row, masks.row(omp_get_thread_num()));
    const std::int64_t begin = row * images.count();
    clear_padding(images, kSsimMoments, own);
    sums[static_cast<std::size_t>(row)] =
        products(images.x + begin, images.y + begin, mask, images.count(), images.stride(),
                 own + kRadius * images.channels);
    blur_horizontally(images, kSsimMoments, own, moments.row(row));
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

// Blurs the moments down the columns; returns the sum of SSIM. Blurs the derivatives along the
// rows if they are wanted.
double compare(const Images& images, Block& moments, Block* derivatives) {
  Block blurred(omp_get_max_threads(), kSsimMoments * images.count());
  Block padded(omp_get_max_threads(), kSsimDerivatives * images.stride());
  const std::vector<float> zeros(static_cast<std::size_t>(kSsimMoments * images.count()));
  std::vector<double> sums(static_cast<std::size_t>(images.height));
  const auto values = SPARSE3D_PICK(ssim_values);
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < images.height; ++row) {
    float* own = blurred.row(omp_get_thread_num());
    float* wide = padded.row(omp_get_thread_num());
    blur_vertically(moments, zeros, row, images.height, own);
    float* inside = derivatives == nullptr ? nullptr : wide + kRadius * images.channels;
    sums[static_cast<std::size_t>(row)] = values(own, images.count(), images.stride(), inside);
    if (derivatives == nullptr) continue;
    clear_padding(images, kSsimDerivatives, wide);
    blur_horizontally(images, kSsimDerivatives, wide, derivatives->row(row));
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

// Blurs the derivatives down the columns and gathers the gradient of each pixel.
void gather_gradient(const Images& images, Block& derivatives, float ssim_scale, float l1_scale,
                     float* gradient) {
  Block blurred(omp_get_max_threads(), kSsimDerivatives * images.count());
  Block masks(omp_get_max_threads(), images.count());
  const std::vector<float> zeros(static_cast<std::size_t>(kSsimDerivatives * images.count()));
  const auto gather = SPARSE3D_PICK(ssim_gradient);
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < images.height; ++row) {
    float* own = blurred.row(omp_get_thread_num());
    const float* mask = mask_row(images, row, masks.row(omp_get_thread_num()));
    const std::int64_t begin = row * images.count();
    blur_vertically(derivatives, zeros, row, images.height, own);
    gather(images.x + begin, images.y + begin, mask, own, images.count(), ssim_scale, l1_scale,
           gradient + begin);
  }
}

using Image = Tensor<const float, 3>;

std::pair<double, double> compare_images(const Image& image, const Image& target,
                                         const std::optional<Tensor<const bool, 2>>& mask,
                                         double l1_weight, double ssim_weight,
                                         const std::optional<Tensor<float, 3>>& gradient) {
  const Images images{image.data(),
                      target.data(),
                      mask ? mask->data() : nullptr,
                      static_cast<std::int64_t>(image.shape(0)),
                      static_cast<std::int64_t>(image.shape(1)),
                      static_cast<std::int64_t>(image.shape(2))};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto extent = static_cast<std::int64_t>(image.shape(axis));
    expect_extent(target, axis, extent, "target");
    if (mask && axis < 2) expect_extent(*mask, axis, extent, "mask");
    if (gradient) expect_extent(*gradient, axis, extent, "gradient");
  }
  const std::int64_t pixels = images.height * images.width;
  const std::int64_t used =
      mask ? std::count(images.mask, images.mask + pixels, true) : pixels;
  const auto all_values = static_cast<double>(pixels * images.channels);
  const auto used_values = static_cast<double>(std::max<std::int64_t>(used * images.channels, 1));

  Block moments(images.height, kSsimMoments * images.count());
  const double l1 = blur_moments(images, moments) / used_values;
  if (!gradient) return {l1, compare(images, moments, nullptr) / all_values};
  Block derivatives(images.height, kSsimDerivatives * images.count());
  const double ssim = compare(images, moments, &derivatives) / all_values;
  gather_gradient(images, derivatives, static_cast<float>(ssim_weight / all_values),
                  static_cast<float>(l1_weight / used_values), gradient->data());
  return {l1, ssim};
}

}  // namespace

void bind_ssim(nanobind::module_& module) {
  using nanobind::arg;
  module.def("compare_images", &compare_images, arg("image"), arg("target"), arg("mask").none(),
             arg("l1_weight"), arg("ssim_weight"), arg("gradient").none(),
             nanobind::call_guard<nanobind::gil_scoped_release>(),
             "Means of L1 (over true pixels of the mask) and SSIM of two images, channels last; the"
             " gradient by the first image of their weighted sum is written to `gradient`.");
}

}  // namespace sparse3d
