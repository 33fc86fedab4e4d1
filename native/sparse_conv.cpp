#include "sparse/convolve.hpp"

#include <nanobind/stl/optional.h>

#include <optional>
#include <type_traits>

#include "bindings.hpp"
#include "halves.hpp"
#include "pair_tensors.hpp"
#include "sparse/weight_gradient.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

template <typename T>
void forward(const Tensor<const T, 2>& features, const Tensor<const T, 3>& weight,
             bool transposed, const PairRows& from, const PairRows& to, const PairCounts& counts,
             const Tensor<T, 2>& out, const std::optional<Tensor<const float, 1>>& bias,
             bool relu) {
  const auto inputs = static_cast<int>(features.shape(1)), outputs = static_cast<int>(out.shape(1));
  expect_extent(weight, 0, static_cast<std::int64_t>(counts.shape(0)), "weight");
  expect_extent(weight, 1, transposed ? outputs : inputs, "weight");
  expect_extent(weight, 2, transposed ? inputs : outputs, "weight");
  if (bias) expect_extent(*bias, 0, outputs, "bias");
  const auto rows = static_cast<std::int64_t>(out.shape(0));
  const PairList rules = pairs_of(from, to, counts, features.shape(0), out.shape(0));
  const Epilogue epilogue{bias ? bias->data() : nullptr, relu};
  const Convolution<T> convolution{features.data(), weight.data(), inputs,
                                   outputs,         transposed,    epilogue};
  if constexpr (std::is_same_v<T, float>)
    convolve(rules, convolution, rows, out.data());
  else
    convolve(rules, convolution, rows, active_halves(), out.data());
}

template <typename T>
void backward_weight(const Tensor<const T, 2>& features, const Tensor<const T, 2>& gradient,
                     const PairRows& from, const PairRows& to, const PairCounts& counts,
                     const Tensor<float, 3>& out) {
  const PairList rules = pairs_of(from, to, counts, features.shape(0), gradient.shape(0));
  expect_extent(out, 0, rules.offsets(), "out");
  expect_extent(out, 1, static_cast<std::int64_t>(features.shape(1)), "out");
  expect_extent(out, 2, static_cast<std::int64_t>(gradient.shape(1)), "out");
  const OuterRows<T> rows{features.data(),
                          gradient.data(),
                          static_cast<int>(features.shape(1)),
                          static_cast<int>(gradient.shape(1)),
                          static_cast<std::int64_t>(features.shape(0)),
                          static_cast<std::int64_t>(gradient.shape(0))};
  weight_gradient(rules, rows, out.data());
}

// One dtype of rows. Nothing is converted: a copy of `out` would be written, and lost.
template <typename T>
void bind_of(nanobind::module_& module) {
  const auto arg = [](const char* name) { return nanobind::arg(name).noconvert(); };
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  module.def("sparse_conv_forward", &forward<T>, arg("features"), arg("weight"),
             arg("transposed"), arg("from_rows"), arg("to_rows"), arg("counts"), arg("out"),
             arg("bias").none() = nanobind::none(), arg("relu") = false, release,
             "Set out to the sums over pairs of features[from] times weight[offset], plus a bias,"
             " rectified.");
  module.def("sparse_conv_weight_gradient", &backward_weight<T>, arg("features"),
             arg("gradient"), arg("from_rows"), arg("to_rows"), arg("counts"), arg("out"),
             release, "Set out[offset] to the sum over pairs of features[from]^T gradient[to].");
}

}  // namespace

void bind_sparse_conv(nanobind::module_& module) {
  bind_of<float>(module);
  bind_of<bfloat16>(module);
}

}  // namespace sparse3d
