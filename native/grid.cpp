// Bindings of the octree. Its levels are made first, as their sizes are needed to make the tensors.
#include <nanobind/stl/optional.h>

#include <optional>

#include "bindings.hpp"
#include "sparse/octree.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

void expect_inner(const OctreeLevels& octree, int level) {
  if (level < 1 || level > octree.depth()) throw std::invalid_argument("no such inner level");
}

void write_keys(const OctreeLevels& octree, int level, const Tensor<std::int64_t, 1>& keys) {
  expect_inner(octree, level);
  expect_extent(keys, 0, octree.size(level), "keys");
  octree.write_keys(level, keys.data());
}

void write_children(const OctreeLevels& octree, int level,
                    const Tensor<std::int64_t, 1>& offsets) {
  expect_inner(octree, level);
  expect_extent(offsets, 0, octree.size(level) + 1, "offsets");
  octree.write_children(level, offsets.data());
}

void write_neighbours(const OctreeLevels& octree, int level,
                      const std::optional<Tensor<const std::int32_t, 2>>& above,
                      const Tensor<std::int32_t, 2>& out) {
  expect_extent(out, 0, octree.size(level), "out");
  expect_extent(out, 1, kAround, "out");
  if (above.has_value() == (level == octree.depth()))
    throw std::invalid_argument("the table of the level above expected, none at the top");
  if (above) {
    expect_extent(*above, 0, octree.size(level + 1), "above");
    expect_extent(*above, 1, kAround, "above");
  }
  octree.write_neighbours(level, above ? above->data() : nullptr, out.data());
}

}  // namespace

void bind_grid(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  nanobind::class_<OctreeLevels>(module, "OctreeLevels", "Levels of the octree over sorted keys.")
      .def("__init__",
           [](OctreeLevels* self, const Tensor<const std::int64_t, 1>& keys, int depth) {
             nanobind::gil_scoped_release unlocked;
             new (self) OctreeLevels(keys.data(), static_cast<std::int64_t>(keys.shape(0)), depth);
           },
           arg("keys").noconvert(), arg("depth"))
      .def("size", &OctreeLevels::size, arg("level"), "Number of nodes.")
      .def("write_keys", &write_keys, arg("level"), arg("keys").noconvert(), release)
      .def("write_children", &write_children, arg("level"), arg("offsets").noconvert(), release)
      .def("write_neighbours", &write_neighbours, arg("level"), arg("above").none().noconvert(),
           arg("out").noconvert(), release);
}

}  // namespace sparse3d
