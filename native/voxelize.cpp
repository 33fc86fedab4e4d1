#include <nanobind/stl/array.h>

#include <array>
#include <stdexcept>

#include "bindings.hpp"
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
}

}  // namespace sparse3d
