#include "kernels/interpolate.hpp"

#include <nanobind/stl/array.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "bindings.hpp"
#include "sparse/cell_table.hpp"
#include "sparse/morton.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

using Keys = Tensor<const std::int64_t, 1>;
using Numbers = Tensor<const std::int64_t, 2>;
using Floats = Tensor<const float, 2>;

constexpr std::int64_t kPointsAPart = 1024;
constexpr std::int64_t kRowsAPart = 512;

// Calls work(begin, end) for parts of so many.
template <typename Work>
void for_parts(std::int64_t count, std::int64_t size, Work work) {
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t begin = 0; begin < count; begin += size)
    work(begin, std::min(count, begin + size));
}

void find_corners(const Keys& keys, const Numbers& first, const std::array<std::int64_t, 3>& shape,
                  const Tensor<std::int64_t, 2>& rows) {
  const auto count = static_cast<std::int64_t>(first.shape(0));
  expect_extent(first, 1, 4, "first");
  expect_extent(rows, 0, count, "rows");
  expect_extent(rows, 1, kCorners, "rows");
  for (const std::int64_t extent : shape)
    if (extent < 1 || extent > std::int64_t{1} << kAxisBits)
      throw std::invalid_argument("1 to 65536 cells an axis expected");
  const CellTable table(keys.data(), static_cast<std::int64_t>(keys.shape(0)));
  for_parts(count, kPointsAPart, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = kCorners * begin; at < kCorners * end; ++at) {
      const std::int64_t* cell = first.data() + at / kCorners * 4;
      const std::int64_t x = cell[1] + (at >> 2 & 1), y = cell[2] + (at >> 1 & 1),
                         z = cell[3] + (at & 1);
      const bool inside = x >= 0 && y >= 0 && z >= 0 && x < shape[0] && y < shape[1] &&
                          z < shape[2];
      rows.data()[at] = !inside ? -1
                                : table.find(encode({cell[0], static_cast<std::int32_t>(x),
                                                     static_cast<std::int32_t>(y),
                                                     static_cast<std::int32_t>(z)}));
    }
  });
}

void expect_rows(const Numbers& rows, std::int64_t points, std::int64_t count) {
  expect_extent(rows, 0, points, "rows");
  expect_extent(rows, 1, kCorners, "rows");
  const std::int64_t* end = rows.data() + rows.size();
  if (std::any_of(rows.data(), end, [count](std::int64_t row) { return row < -1 || row >= count; }))
    throw std::invalid_argument("rows must be -1 or those of the features");
}

void gather_rows(const Floats& features, const Numbers& rows, const Floats& weights,
                 const Tensor<float, 2>& sums) {
  const auto points = static_cast<std::int64_t>(sums.shape(0));
  const auto channels = static_cast<std::int64_t>(features.shape(1));
  expect_rows(rows, points, static_cast<std::int64_t>(features.shape(0)));
  expect_extent(weights, 0, points, "weights");
  expect_extent(weights, 1, kCorners, "weights");
  expect_extent(sums, 1, channels, "sums");
  for_parts(points, kPointsAPart, [&](std::int64_t begin, std::int64_t end) {
    SPARSE3D_PICK(gather_corners)({rows.data(), weights.data()}, features.data(), channels, begin,
                                  end, sums.data());
  });
}

void multiply_rows(const Floats& features, const Numbers& rows, const Floats& values,
                   const Tensor<float, 2>& products) {
  const auto points = static_cast<std::int64_t>(values.shape(0));
  const auto channels = static_cast<std::int64_t>(features.shape(1));
  expect_rows(rows, points, static_cast<std::int64_t>(features.shape(0)));
  expect_extent(values, 1, channels, "values");
  expect_extent(products, 0, points, "products");
  expect_extent(products, 1, kCorners, "products");
  for_parts(points, kPointsAPart, [&](std::int64_t begin, std::int64_t end) {
    SPARSE3D_PICK(multiply_corners)(rows.data(), features.data(), values.data(), channels, begin,
                                    end, products.data());
  });
}

// Places of the corners by the rows that they name, in order; those of -1 are left out.
struct ByRow {
  std::vector<std::int64_t> offsets, places;

  ByRow(const Numbers& rows, std::int64_t count)
      : offsets(static_cast<std::size_t>(count) + 1, 0) {
    const auto total = static_cast<std::int64_t>(rows.size());
    for (std::int64_t at = 0; at < total; ++at)
      if (rows.data()[at] >= 0) ++offsets[static_cast<std::size_t>(rows.data()[at]) + 1];
    for (std::size_t row = 1; row < offsets.size(); ++row) offsets[row] += offsets[row - 1];
    places.resize(static_cast<std::size_t>(offsets.back()));
    std::vector<std::int64_t> next(offsets.begin(), offsets.end() - 1);
    for (std::int64_t at = 0; at < total; ++at)
      if (rows.data()[at] >= 0)
        places[static_cast<std::size_t>(next[static_cast<std::size_t>(rows.data()[at])]++)] = at;
  }
};

void scatter_rows(const Floats& values, const Numbers& rows, const Floats& weights,
                  const Tensor<float, 2>& sums) {
  const auto points = static_cast<std::int64_t>(values.shape(0));
  const auto channels = static_cast<std::int64_t>(values.shape(1));
  const auto count = static_cast<std::int64_t>(sums.shape(0));
  expect_rows(rows, points, count);
  expect_extent(weights, 0, points, "weights");
  expect_extent(weights, 1, kCorners, "weights");
  expect_extent(sums, 1, channels, "sums");
  const ByRow by_row(rows, count);
  for_parts(count, kRowsAPart, [&](std::int64_t begin, std::int64_t end) {
    SPARSE3D_PICK(scatter_corners)(weights.data(), values.data(), channels, by_row.offsets.data(),
                                   by_row.places.data(), begin, end, sums.data());
  });
}

}  // namespace

void bind_interpolate(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  module.def("find_corners", &find_corners, arg("keys"), arg("first"), arg("shape"),
             arg("rows").noconvert(), release,
             "Writes the rows of the eight cells from the first one on, -1 where there is none.");
  module.def("gather_rows", &gather_rows, arg("features"), arg("rows"), arg("weights"),
             arg("sums").noconvert(), release, "Sums weighted rows of the features.");
  module.def("scatter_rows", &scatter_rows, arg("values"), arg("rows"), arg("weights"),
             arg("sums").noconvert(), release, "Adds weighted values to their rows.");
  module.def("multiply_rows", &multiply_rows, arg("features"), arg("rows"), arg("values"),
             arg("products").noconvert(), release, "Products of features and values.");
}

}  // namespace sparse3d
