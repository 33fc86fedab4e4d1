#include <nanobind/stl/array.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "bindings.hpp"
#include "large_pages.hpp"
#include "sparse/morton.hpp"
#include "sparse/voxels.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

using Positions = Tensor<const float, 2>;
using Numbers = Tensor<const std::int64_t, 1>;
using Rows = Tensor<std::int64_t, 1>;

constexpr int kBatchBits = 14;

VoxelBox box_of(const std::array<float, 3>& low, const std::array<float, 3>& size,
                const std::array<std::int64_t, 3>& shape, std::int64_t batch_size) {
  VoxelBox box{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (shape[axis] < 1 || shape[axis] > std::int64_t{1} << kAxisBits)
      throw std::invalid_argument("1 to 65536 cells an axis expected");
    box.low[axis] = low[axis];
    box.size[axis] = size[axis];
    box.shape[axis] = static_cast<float>(shape[axis]);
  }
  if (batch_size < 0 || batch_size > std::int64_t{1} << kBatchBits)
    throw std::invalid_argument("at most 16384 grids expected");
  box.batch_size = batch_size;
  return box;
}

void make_plan(VoxelPlan* plan, const Positions& positions, const Numbers& batch,
               const std::array<float, 3>& low, const std::array<float, 3>& size,
               const std::array<std::int64_t, 3>& shape, std::int64_t batch_size) {
  const auto count = static_cast<std::int64_t>(positions.shape(0));
  expect_extent(positions, 1, 3, "positions");
  expect_extent(batch, 0, count, "batch");
  const VoxelBox box = box_of(low, size, shape, batch_size);
  const nanobind::gil_scoped_release release;
  new (plan) VoxelPlan(positions.data(), batch.data(), count, box);
}

void write(const VoxelPlan& plan, const Rows& keys, const Rows& points, const Rows& offsets) {
  expect_extent(keys, 0, plan.cells(), "keys");
  expect_extent(points, 0, plan.points(), "points");
  expect_extent(offsets, 0, plan.cells() + 1, "offsets");
  plan.write(keys.data(), points.data(), offsets.data());
}

void check_segments(const Numbers& rows, const Numbers& offsets) {
  const auto count = static_cast<std::int64_t>(offsets.shape(0));
  if (count < 1 || offsets.data()[0] != 0 ||
      offsets.data()[count - 1] != static_cast<std::int64_t>(rows.shape(0)) ||
      !std::is_sorted(offsets.data(), offsets.data() + count))
    throw std::invalid_argument("offsets must increase from 0 to the number of rows");
}

// Writes to each of `rows`, which are distinct, the number of its segment, to others -1.
void write_owners(const Numbers& rows, const Numbers& offsets, const Rows& owners) {
  check_segments(rows, offsets);
  const auto count = static_cast<std::int64_t>(owners.shape(0));
  const auto segments = static_cast<std::int64_t>(offsets.shape(0)) - 1;
  std::int64_t* out = owners.data();
  bool inside = true;
  prefer_large_pages(out, count);
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) out[i] = -1;
#pragma omp parallel for schedule(static) reduction(&& : inside)
  for (std::int64_t segment = 0; segment < segments; ++segment)
    for (std::int64_t i = offsets.data()[segment]; i < offsets.data()[segment + 1]; ++i) {
      const std::int64_t row = rows.data()[i];
      inside = inside && row >= 0 && row < count;
      if (row >= 0 && row < count) out[row] = segment;
    }
  if (!inside) throw std::invalid_argument("rows must be those of the owners");
}

}  // namespace

void bind_voxelize(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  nanobind::class_<VoxelPlan>(module, "VoxelPlan", "Points sorted by cell.")
      .def("__init__", &make_plan, arg("positions"), arg("batch"), arg("low"), arg("size"),
           arg("shape"), arg("batch_size"))
      .def("valid", &VoxelPlan::valid, "Whether positions are finite and batch numbers in range.")
      .def("points", &VoxelPlan::points, "Points in the box.")
      .def("cells", &VoxelPlan::cells, "Occupied cells.")
      .def("write", &write, arg("keys").noconvert(), arg("points").noconvert(),
           arg("offsets").noconvert(), release,
           "Writes the keys of the cells, rows of points by cell, and where each cell begins.");
  module.def("write_owners", &write_owners, arg("rows"), arg("offsets"),
             arg("owners").noconvert(), release,
             "Writes the segment of each of the rows, -1 where there is none.");
}

}  // namespace sparse3d
