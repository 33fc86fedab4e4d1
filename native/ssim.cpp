// Means of L1 and SSIM of two images and the gradient of their weighted sum, tile by tile.
//
// A pixel has the same values whichever tile it is computed for, and sums are added in order, so the
// result does not depend on the number of threads.
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

  // Values before a pixel.
  std::int64_t at(std::int64_t row, std::int64_t column) const {
    return (row * width + column) * channels;
  }
};

struct Range {
  std::int64_t begin, end;

  std::int64_t size() const { return end - begin; }
  bool holds(std::int64_t number) const { return number >= begin && number < end; }
  Range grown(std::int64_t by, std::int64_t limit) const {
    return {std::max<std::int64_t>(begin - by, 0), std::min(end + by, limit)};
  }
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

// What comes of the images. Sums are those of the part of a row that a tile has, [tiles, rows].
struct Results {
  float ssim_scale, l1_scale;  // of the gradient
  float* gradient;             // null if it is not wanted
  std::vector<double> l1, ssim;
};

// Some columns, from top to bottom. Of what is blurred along rows it keeps as many rows as the blur
// down the columns needs, so that all stays in the cache; what is needed around is computed again.
class Tile {
 public:
  Tile(const Images& images, Range rows, Range columns, std::size_t sums, Results& results)
      : images_(images),
        results_(results),
        rows_(rows),
        columns_(columns),
        near_(with_gradient() ? columns.grown(kRadius, images.width) : columns),
        far_(near_.grown(kRadius, images.width)),
        pad_(kRadius * images.channels),
        width_(near_.size() * images.channels),
        own_width_(columns.size() * images.channels),
        sums_(sums),
        next_derivatives_(with_gradient() ? rows.grown(kRadius, images.height).begin : rows.begin),
        next_moments_(std::max<std::int64_t>(next_derivatives_ - kRadius, 0)),
        moments_(kSsimTaps, kSsimMoments * width_),
        derivatives_(with_gradient() ? kSsimTaps : 0, kSsimDerivatives * own_width_),
        blurred_(1, kSsimMoments * width_),
        padded_(kSsimMoments, width_ + 2 * pad_),
        mask_(1, far_.size() * images.channels),
        zeros_(static_cast<std::size_t>(kSsimMoments * width_)) {}

  void run() {
    for (std::int64_t row = rows_.begin; row < rows_.end; ++row)
      if (with_gradient())
        gather_gradient(row);
      else
        find_derivatives(row);
  }

 private:
  bool with_gradient() const { return results_.gradient != nullptr; }
  std::int64_t below(std::int64_t row) const { return std::min(row + kRadius, images_.height - 1); }
  std::size_t sum_of(std::int64_t row) const { return sums_ + static_cast<std::size_t>(row); }

  // The mask with a value for each channel, or null.
  const float* mask(std::int64_t row, Range columns) {
    if (images_.mask == nullptr) return nullptr;
    const bool* mask = images_.mask + row * images_.width + columns.begin;
    for (std::int64_t i = 0; i < columns.size(); ++i)
      std::fill_n(mask_.row(0) + i * images_.channels, images_.channels, mask[i] ? 1.0f : 0.0f);
    return mask_.row(0);
  }

  void clear_padding(std::int64_t rows) {
    for (std::int64_t i = 0; i < rows; ++i) {
      std::fill_n(padded_.row(i), pad_, 0.0f);
      std::fill_n(padded_.row(i) + width_ + pad_, pad_, 0.0f);
    }
  }

  // Blurs x, y, x^2 + y^2 and x y along the rows up to `last`.
  void find_moments(std::int64_t last) {
    for (; next_moments_ <= last; ++next_moments_) {
      const std::int64_t row = next_moments_, from = images_.at(row, far_.begin);
      if (rows_.holds(row)) add_distance(row);
      clear_padding(kSsimMoments);
      SPARSE3D_PICK(ssim_products)
      (images_.x + from, images_.y + from, mask(row, far_), far_.size() * images_.channels,
       width_ + 2 * pad_, padded_.row(0) + pad_ - (near_.begin - far_.begin) * images_.channels);
      blur_horizontally(kSsimMoments, 0, width_, moments_.row(row % kSsimTaps));
    }
  }

  void add_distance(std::int64_t row) {
    const std::int64_t from = images_.at(row, columns_.begin);
    results_.l1[sum_of(row)] = SPARSE3D_PICK(ssim_distance)(
        images_.x + from, images_.y + from, mask(row, columns_), own_width_);
  }

  // Compares the rows up to `last`; blurs the derivatives along the rows if they are wanted.
  void find_derivatives(std::int64_t last) {
    const std::int64_t before = (columns_.begin - near_.begin) * images_.channels;
    for (; next_derivatives_ <= last; ++next_derivatives_) {
      const std::int64_t row = next_derivatives_;
      find_moments(below(row));
      blur_vertically(moments_, row, kSsimMoments * width_);
      compare(0, before);
      const double ssim = compare(before, own_width_);
      compare(before + own_width_, width_ - before - own_width_);
      if (rows_.holds(row)) results_.ssim[sum_of(row)] = ssim;
      if (!with_gradient()) continue;
      clear_padding(kSsimDerivatives);
      blur_horizontally(kSsimDerivatives, before, own_width_, derivatives_.row(row % kSsimTaps));
    }
  }

  double compare(std::int64_t begin, std::int64_t count) {
    float* out = with_gradient() ? padded_.row(0) + pad_ + begin : nullptr;
    return SPARSE3D_PICK(ssim_values)(blurred_.row(0) + begin, count, width_, width_ + 2 * pad_,
                                      out);
  }

  // Blurs the derivatives down the columns and gathers the gradient of each pixel.
  void gather_gradient(std::int64_t row) {
    find_derivatives(below(row));
    blur_vertically(derivatives_, row, kSsimDerivatives * own_width_);
    const std::int64_t from = images_.at(row, columns_.begin);
    SPARSE3D_PICK(ssim_gradient)
    (images_.x + from, images_.y + from, mask(row, columns_), blurred_.row(0), own_width_,
     results_.ssim_scale, results_.l1_scale, results_.gradient + from);
  }

  // `count` values of each of the padded rows, from the value `begin` behind the padding.
  void blur_horizontally(std::int64_t rows, std::int64_t begin, std::int64_t count, float* out) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const float* taps[kSsimTaps];
      for (std::int64_t tap = 0; tap < kSsimTaps; ++tap)
        taps[tap] = padded_.row(i) + begin + tap * images_.channels;
      SPARSE3D_PICK(ssim_blur)(taps, count, out + i * count);
    }
  }

  void blur_vertically(Block& source, std::int64_t row, std::int64_t count) {
    const float* taps[kSsimTaps];
    for (std::int64_t tap = 0; tap < kSsimTaps; ++tap) {
      const std::int64_t from = row + tap - kRadius;
      const bool outside = from < 0 || from >= images_.height;
      taps[tap] = outside ? zeros_.data() : source.row(from % kSsimTaps);
    }
    SPARSE3D_PICK(ssim_blur)(taps, count, blurred_.row(0));
  }

  const Images& images_;
  Results& results_;
  Range rows_, columns_;      // of the results
  Range near_, far_;          // columns that the results depend on: compared, read
  std::int64_t pad_, width_, own_width_;
  std::size_t sums_;          // where its sums begin
  std::int64_t next_derivatives_, next_moments_;
  Block moments_, derivatives_, blurred_, padded_, mask_;
  std::vector<float> zeros_;
};

constexpr std::int64_t kTileWidth = 128;  // pixels; rows that are kept fill some 100 KiB

// Tiles are as wide on every machine, which fixes the order of sums, and as high as threads need.
void run_tiles(const Images& images, Results& results) {
  const std::int64_t columns = (images.width + kTileWidth - 1) / kTileWidth;
  const std::int64_t wanted = (2 * omp_get_max_threads() + columns - 1) / columns;
  const std::int64_t bands = std::min(wanted, images.height);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t i = 0; i < columns * bands; ++i) {
    const std::int64_t column = i / bands, band = i % bands;
    const Range rows = {images.height * band / bands, images.height * (band + 1) / bands};
    const Range own = {column * kTileWidth, std::min(images.width, (column + 1) * kTileWidth)};
    Tile(images, rows, own, static_cast<std::size_t>(column * images.height), results).run();
  }
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
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

  const auto sums = static_cast<std::size_t>((images.width + kTileWidth - 1) / kTileWidth *
                                             images.height);
  Results results{static_cast<float>(ssim_weight / all_values),
                  static_cast<float>(l1_weight / used_values),
                  gradient ? gradient->data() : nullptr, std::vector<double>(sums),
                  std::vector<double>(sums)};
  run_tiles(images, results);
  return {sum(results.l1) / used_values, sum(results.ssim) / all_values};
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
