// Bindings of rulebooks. A plan is made first, as its sizes are needed to make the tensors.
#include <nanobind/stl/array.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <vector>

#include "bindings.hpp"
#include "sparse/rules.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

using Keys = Tensor<const std::int64_t, 1>;
using Rows = Tensor<std::int32_t, 1>;
using Axes = std::array<std::int32_t, 3>;

std::vector<Triple> triples(const std::vector<Axes>& values) {
  std::vector<Triple> result;
  for (const Axes& v : values) result.push_back({v[0], v[1], v[2]});
  return result;
}

template <typename Plan>
void write(const Plan& plan, const Rows& sources, const Rows& targets) {
  std::int64_t total = 0;
  for (std::int64_t count : plan.totals()) total += count;
  expect_extent(sources, 0, total, "sources");
  expect_extent(targets, 0, total, "targets");
  plan.write(sources.data(), targets.data());
}

void write_keys(const StridedCells& plan, const Tensor<std::int64_t, 1>& keys) {
  expect_extent(keys, 0, static_cast<std::int64_t>(plan.outputs().size()), "keys");
  std::copy(plan.outputs().begin(), plan.outputs().end(), keys.data());
}

}  // namespace

void bind_rulebook(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  nanobind::class_<SameCells>(module, "SameCells", "Rules of a submanifold convolution.")
      .def("__init__",
           [](SameCells* self, const Keys& keys, const std::vector<Axes>& offsets) {
             new (self) SameCells(keys.data(), static_cast<std::int64_t>(keys.shape(0)),
                                  triples(offsets));
           },
           arg("keys"), arg("offsets"))
      .def("counts", &SameCells::totals, "Pairs of each offset.")
      .def("write", &write<SameCells>, arg("sources"), arg("targets"), release);
  nanobind::class_<StridedCells>(module, "StridedCells", "Rules of a strided convolution.")
      .def("__init__",
           [](StridedCells* self, const Keys& keys, const std::vector<Axes>& offsets,
              const Axes& stride, const Axes& shape) {
             new (self) StridedCells(keys.data(), static_cast<std::int64_t>(keys.shape(0)),
                                     triples(offsets), {stride[0], stride[1], stride[2]},
                                     {shape[0], shape[1], shape[2]});
           },
           arg("keys"), arg("offsets"), arg("stride"), arg("shape"))
      .def("counts", &StridedCells::totals, "Pairs of each offset.")
      .def("outputs", [](const StridedCells& plan) { return plan.outputs().size(); },
           "Number of outputs.")
      .def("write_keys", &write_keys, arg("keys"), "Keys of the outputs, sorted.")
      .def("write", &write<StridedCells>, arg("sources"), arg("targets"), release);
}

}  // namespace sparse3d
