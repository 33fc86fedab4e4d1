#include "kernels/finite.hpp"

#include <algorithm>

#include "bindings.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kChunk = 1 << 16;

bool finite(const Tensor<const float, 1>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  const float* data = values.data();
  const auto kernel = SPARSE3D_PICK(all_finite);
  bool all = true;
#pragma omp parallel for reduction(&& : all)
  for (std::int64_t begin = 0; begin < count; begin += kChunk)
    all = all && kernel(data + begin, std::min(kChunk, count - begin));
  return all;
}

}  // namespace

void bind_finite(nanobind::module_& module) {
  module.def("all_finite", &finite, nanobind::arg("values"),
             nanobind::call_guard<nanobind::gil_scoped_release>(),
             "Whether no value is infinite or not a number.");
}

}  // namespace sparse3d
