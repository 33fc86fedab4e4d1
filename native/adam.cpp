// One Adam step of a float32 parameter with float32 or bfloat16 moments, in place.
//
// The one kernel that writes into tensors that live on: its caller passes detached tensors and
// tells autograd afterwards that they have changed.
#include "kernels/adam.hpp"

#include <nanobind/stl/optional.h>

#include <algorithm>
#include <optional>

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

void run(float* p, const float* g, float* m, float* v, const VisibleRows& rows,
         const AdamNumbers& numbers) {
  SPARSE3D_PICK(adam_float_rows)(p, g, m, v, rows, numbers);
}

void run(float* p, const float* g, bfloat16* m, bfloat16* v, const VisibleRows& rows,
         const AdamNumbers& numbers) {
  SPARSE3D_PICK(adam_bfloat16_rows)(p, g, &m->bits, &v->bits, rows, numbers);
}

template <typename Moment>
void all(float* p, const float* g, Moment* m, Moment* v, std::int64_t count,
         const AdamNumbers& numbers) {
#pragma omp parallel for schedule(static)
  for (std::int64_t first = 0; first < count; first += kChunk)
    run(p, g, m, v, first, std::min(kChunk, count - first), numbers);
}

template <typename Moment>
void visible_only(float* p, const float* g, Moment* m, Moment* v, const VisibleRows& all_rows,
                  const AdamNumbers& numbers) {
  const std::int64_t chunk = std::max<std::int64_t>(1, kChunk / all_rows.width);
#pragma omp parallel for schedule(static)
  for (std::int64_t begin = 0; begin < all_rows.end; begin += chunk) {
    const std::int64_t end = std::min(begin + chunk, all_rows.end);
    run(p, g, m, v, VisibleRows{all_rows.flags, begin, end, all_rows.width}, numbers);
  }
}

std::int64_t row_width(std::int64_t count, std::int64_t rows) {
  if (rows == 0 ? count != 0 : count % rows != 0)
    throw std::invalid_argument("visible must have one element a row, got " +
                                std::to_string(rows) + " for " + std::to_string(count) +
                                " elements");
  return rows == 0 ? 0 : count / rows;
}

template <typename Moment>
void adam_step(const Tensor<float, 1>& parameter, const Tensor<const float, 1>& gradient,
               const Tensor<Moment, 1>& exp_avg, const Tensor<Moment, 1>& exp_avg_sq, double beta1,
               double beta2, double eps, double step_size, double root_scale, std::uint32_t step,
               const std::optional<Tensor<const std::uint8_t, 1>>& visible) {
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
  float* p = parameter.data();
  if (!visible) return all(p, gradient.data(), exp_avg.data(), exp_avg_sq.data(), count, numbers);
  const auto rows = static_cast<std::int64_t>(visible->shape(0));
  const VisibleRows mask{visible->data(), 0, rows, row_width(count, rows)};
  if (count > 0)
    visible_only(p, gradient.data(), exp_avg.data(), exp_avg_sq.data(), mask, numbers);
}

template <typename Moment>
void define(nanobind::module_& module) {
  using nanobind::arg;
  module.def("adam_step", &adam_step<Moment>, arg("parameter").noconvert(), arg("gradient"),
             arg("exp_avg").noconvert(), arg("exp_avg_sq").noconvert(), arg("beta1"), arg("beta2"),
             arg("eps"), arg("step_size"), arg("root_scale"), arg("step"),
             arg("visible").none(),
             nanobind::call_guard<nanobind::gil_scoped_release>(),
             "Updates parameter and moments in place, all of one length; with a mask, only the rows"
             " that it names.");
}

}  // namespace

void bind_adam(nanobind::module_& module) {
  define<float>(module);
  define<bfloat16>(module);
}

}  // namespace sparse3d
