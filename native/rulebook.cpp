// Bindings of rulebooks. Lists are made first, as their sizes are needed to make the tensors.
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
using Rows = Tensor<const std::int32_t, 1>;
using NewRows = Tensor<std::int32_t, 1>;
using Axis = std::array<std::int32_t, 7>;  // the members of an AxisRule

AxisRules rules_of(const std::array<Axis, 3>& axes) {
  AxisRules rules{};
  for (std::size_t i = 0; i < 3; ++i) {
    const Axis& a = axes[i];
    rules[i] = {a[0], a[1], a[2], a[3], a[4], a[5], a[6]};
  }
  return rules;
}

std::int64_t rows_of(const Keys& keys) { return static_cast<std::int64_t>(keys.shape(0)); }

// Outputs of a convolution that makes new cells.
struct Outputs {
  std::vector<std::int64_t> keys;
};

void make_outputs(Outputs* self, const Keys& keys, const std::array<Axis, 3>& axes) {
  const nanobind::gil_scoped_release release;
  new (self) Outputs{outputs_of(keys.data(), rows_of(keys), rules_of(axes))};
}

void write_keys(const Outputs& outputs, const Tensor<std::int64_t, 1>& keys) {
  expect_extent(keys, 0, static_cast<std::int64_t>(outputs.keys.size()), "keys");
  std::copy(outputs.keys.begin(), outputs.keys.end(), keys.data());
}

void make_list(RuleList* self, const Keys& inputs, const Keys& outputs,
               const std::array<Axis, 3>& axes, bool mirrored) {
  const nanobind::gil_scoped_release release;
  new (self) RuleList(inputs.data(), rows_of(inputs), outputs.data(), rows_of(outputs),
                      rules_of(axes), mirrored);
}

void write(const RuleList& list, const NewRows& sources, const NewRows& targets) {
  std::int64_t total = 0;
  for (const std::int64_t count : list.totals()) total += count;
  expect_extent(sources, 0, total, "sources");
  expect_extent(targets, 0, total, "targets");
  list.write(sources.data(), targets.data());
}

void reverse(const Rows& sources, const Rows& targets, const std::vector<std::int64_t>& counts,
             std::int64_t inputs, const NewRows& new_sources, const NewRows& new_targets) {
  const auto total = static_cast<std::int64_t>(sources.shape(0));
  expect_extent(targets, 0, total, "targets");
  expect_extent(new_sources, 0, total, "new_sources");
  expect_extent(new_targets, 0, total, "new_targets");
  std::int64_t rest = total;
  for (const std::int64_t count : counts) {
    if (count < 0 || count > rest) throw std::invalid_argument("counts must be those of the pairs");
    rest -= count;
  }
  if (rest != 0 || inputs < 0) throw std::invalid_argument("counts must be those of the pairs");
  reverse_rules({sources.data(), targets.data(), counts}, inputs, false, new_sources.data(),
                new_targets.data());
}

}  // namespace

void bind_rulebook(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  nanobind::class_<Outputs>(module, "ConvOutputs", "Cells that read an input of a convolution.")
      .def("__init__", &make_outputs, arg("keys"), arg("axes"))
      .def("__len__", [](const Outputs& outputs) { return outputs.keys.size(); })
      .def("write", &write_keys, arg("keys"), "Their keys, sorted.", release);
  nanobind::class_<RuleList>(module, "RuleList", "Which inputs the outputs of a convolution read.")
      .def("__init__", &make_list, arg("inputs"), arg("outputs"), arg("axes"),
           arg("mirrored"))
      .def("counts", &RuleList::totals, "Pairs of each offset.")
      .def("write", &write, arg("sources"), arg("targets"), release);
  module.def("reverse_rules", &reverse, arg("sources"), arg("targets"), arg("counts"),
             arg("inputs"), arg("new_sources"), arg("new_targets"), release,
             "Set the new rows to the pairs from targets to sources.");
}

}  // namespace sparse3d
