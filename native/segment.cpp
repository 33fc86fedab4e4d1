#include "kernels/segment.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "large_pages.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

using Numbers = Tensor<const std::int64_t, 1>;

constexpr std::int64_t kSegmentsAPart = 256;

Reduction reduction_of(const std::string& name) {
  if (name == "sum") return Reduction::sum;
  if (name == "mean") return Reduction::mean;
  if (name == "max") return Reduction::max;
  if (name == "first") return Reduction::first;
  throw std::invalid_argument("sum, mean, max or first expected, got " + name);
}

auto reduce_kernel(float) { return SPARSE3D_PICK(reduce_segments_float); }
auto reduce_kernel(double) { return SPARSE3D_PICK(reduce_segments_double); }
auto spread_kernel(float) { return SPARSE3D_PICK(spread_segments_float); }
auto spread_kernel(double) { return SPARSE3D_PICK(spread_segments_double); }

void check_offsets(const Numbers& offsets, std::int64_t rows) {
  const auto count = static_cast<std::int64_t>(offsets.shape(0));
  const std::int64_t* at = offsets.data();
  bool good = count > 0 && at[0] == 0 && at[count - 1] == rows;
#pragma omp parallel for schedule(static) reduction(&& : good)
  for (std::int64_t i = 1; i < count; ++i) good = good && at[i - 1] < at[i];
  if (!good)
    throw std::invalid_argument("offsets must increase from 0 to the number of rows, " +
                                std::to_string(rows));
}

template <typename T>
Segments<T> segments_of(const Tensor<const T, 2>& values, const std::optional<Numbers>& rows,
                        const Numbers& offsets) {
  const auto count = static_cast<std::int64_t>(values.shape(0));
  const std::int64_t listed = rows ? static_cast<std::int64_t>(rows->shape(0)) : count;
  check_offsets(offsets, listed);
  return {values.data(), count, static_cast<std::int64_t>(values.shape(1)),
          rows ? rows->data() : nullptr, offsets.data()};
}

// Calls work(begin, end), which returns whether all rows are there, for parts of the segments.
template <typename Work>
void for_parts(const Numbers& offsets, Work work) {
  const auto count = static_cast<std::int64_t>(offsets.shape(0)) - 1;
  bool inside = true;
#pragma omp parallel for schedule(dynamic) reduction(&& : inside)
  for (std::int64_t begin = 0; begin < count; begin += kSegmentsAPart)
    inside = work(begin, std::min(count, begin + kSegmentsAPart)) && inside;
  if (!inside) throw std::invalid_argument("rows must be rows of the values");
}

template <typename T>
void reduce(const Tensor<const T, 2>& values, const std::optional<Numbers>& rows,
            const Numbers& offsets, const std::string& name, const Tensor<T, 2>& reduced) {
  const Segments<T> segments = segments_of(values, rows, offsets);
  const Reduction reduction = reduction_of(name);
  expect_extent(reduced, 0, static_cast<std::int64_t>(offsets.shape(0)) - 1, "reduced");
  expect_extent(reduced, 1, segments.channels, "reduced");
  prefer_large_pages(reduced.data(), static_cast<std::int64_t>(reduced.size()));
  for_parts(offsets, [&](std::int64_t begin, std::int64_t end) {
    return reduce_kernel(T{})(segments, reduction, begin, end, reduced.data());
  });
}

// Two segments must not write to one row.
void expect_distinct(const Numbers& rows, std::int64_t count) {
  std::vector<std::uint8_t> seen(static_cast<std::size_t>(count), 0);
  for (std::size_t i = 0; i < rows.shape(0); ++i) {
    const std::int64_t row = rows.data()[i];
    if (row < 0 || row >= count || seen[static_cast<std::size_t>(row)]++ != 0)
      throw std::invalid_argument("rows must be distinct rows of the values");
  }
}

template <typename T>
void spread(const Tensor<const T, 2>& values, const std::optional<Numbers>& rows,
            const Numbers& offsets, const std::string& name, const Tensor<const T, 2>& reduced,
            const Tensor<const T, 2>& gradient, const Tensor<T, 2>& result) {
  const Segments<T> segments = segments_of(values, rows, offsets);
  const Reduction reduction = reduction_of(name);
  if (rows) expect_distinct(*rows, segments.count);
  for (const Tensor<const T, 2>* each : {&reduced, &gradient}) {
    expect_extent(*each, 0, static_cast<std::int64_t>(offsets.shape(0)) - 1, "reduced");
    expect_extent(*each, 1, segments.channels, "reduced");
  }
  expect_extent(result, 0, segments.count, "result");
  expect_extent(result, 1, segments.channels, "result");
  prefer_large_pages(result.data(), static_cast<std::int64_t>(result.size()));
  if (rows) std::fill_n(result.data(), result.size(), T{0});
  for_parts(offsets, [&](std::int64_t begin, std::int64_t end) {
    return spread_kernel(T{})(segments, reduction, reduced.data(), gradient.data(),
                                          begin, end, result.data());
  });
}

// Writes the number of its segment to each of `rows`, which are distinct, and -1 to all others.
void write_owners(const Numbers& rows, const Numbers& offsets,
                  const Tensor<std::int64_t, 1>& owners) {
  const auto count = static_cast<std::int64_t>(owners.shape(0));
  check_offsets(offsets, static_cast<std::int64_t>(rows.shape(0)));
  std::int64_t* out = owners.data();
  prefer_large_pages(out, count);
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) out[i] = -1;
  for_parts(offsets, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t* at = offsets.data();
    if (!all_within(rows.data(), at[begin], at[end], count)) return false;
    for (std::int64_t segment = begin; segment < end; ++segment)
      for (std::int64_t i = at[segment]; i < at[segment + 1]; ++i) out[rows.data()[i]] = segment;
    return true;
  });
}

template <typename T>
void define(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  module.def("reduce_segments", &reduce<T>, arg("values"), arg("rows").none(), arg("offsets"),
             arg("reduction"), arg("reduced").noconvert(), release,
             "Reduces segments of rows, those listed if any, to one row each.");
  module.def("spread_segments", &spread<T>, arg("values"), arg("rows").none(), arg("offsets"),
             arg("reduction"), arg("reduced"), arg("gradient"), arg("result").noconvert(), release,
             "Writes the gradient to the values.");
}

}  // namespace

void bind_segment(nanobind::module_& module) {
  using nanobind::arg;
  define<float>(module);
  define<double>(module);
  module.def("write_owners", &write_owners, arg("rows"), arg("offsets"),
             arg("owners").noconvert(), nanobind::call_guard<nanobind::gil_scoped_release>(),
             "Writes the segment of each of the rows, -1 where there is none.");
}

}  // namespace sparse3d
