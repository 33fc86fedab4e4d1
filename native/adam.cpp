// One Adam step of a float32 parameter with float32 or bfloat16 moments, in place.
//
// The one kernel that writes into tensors that live on: its caller passes detached tensors and
// tells autograd afterwards that they have changed.
#include "kernels/adam.hpp"

#include <algorithm>

#include "bindings.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kChunk = 1 << 14;

void run(float* p, const float* g, float* m, float* v, std::int64_t first, std::int64_t count,
         const AdamNumbers& numbers) {
  SPARSE3D_PICK(adam_float)(p + first, g + first, m + first, v + first, count, numbers);
}

void run(float* p, const float* g, bfloat16* m, bfloat16* v, std::int64_t first,
         std::int64_t count, const AdamNumbers& numbers) {
  SPARSE3D_PICK(adam_bfloat16)(p + first, g + first, &m[first].bits, &v[first].bits, first, count,
                               numbers);
}

template <typename Moment>
void adam_step(const Tensor<float, 1>& parameter, const Tensor<const float, 1>& gradient,
               const Tensor<Moment, 1>& exp_avg, const Tensor<Moment, 1>& exp_avg_sq, double beta1,
               double beta2, double eps, double step_size, double root_scale, std::uint32_t step) {
  const auto count = static_cast<std::int64_t>(parameter.shape(0));
  expect_extent(gradient, 0, count, "gradient");
  expect_extent(exp_avg, 0, count, "exp_avg");
  expect_extent(exp_avg_sq, 0, count, "exp_avg_sq");
  const AdamNumbers numbers{static_cast<float>(beta2),
                            static_cast<float>(1 - beta1),
                            static_cast<float>(1 - beta2),
                            static_cast<float>(eps),
                            static_cast<float>(step_size),
                            static_cast<float>(root_scale),
                            step};
#pragma omp parallel for schedule(static)
  for (std::int64_t first = 0; first < count; first += kChunk)
    run(parameter.data(), gradient.data(), exp_avg.data(), exp_avg_sq.data(), first,
        std::min(kChunk, count - first), numbers);
}

template <typename Moment>
void define(nanobind::module_& module) {
  using nanobind::arg;
  module.def("adam_step", &adam_step<Moment>, arg("parameter").noconvert(), arg("gradient"),
             arg("exp_avg").noconvert(), arg("exp_avg_sq").noconvert(), arg("beta1"), arg("beta2"),
             arg("eps"), arg("step_size"), arg("root_scale"), arg("step"),
             nanobind::call_guard<nanobind::gil_scoped_release>(),
             "Updates parameter and moments in place: all of one length.");
}

}  // namespace

void bind_adam(nanobind::module_& module) {
  define<float>(module);
  define<bfloat16>(module);
}

}  // namespace sparse3d
