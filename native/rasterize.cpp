#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>

#include <array>
#include <optional>
#include <stdexcept>

#include "bindings.hpp"
#include "rasterize/channels.hpp"
#include "rasterize/plan.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

using In1 = Tensor<const float, 1>;
using In2 = Tensor<const float, 2>;
using In3 = Tensor<const float, 3>;
using In4 = Tensor<const float, 4>;

GaussianArrays gaussians(const In2& means, const In2& quaternions, const In2& log_scales,
                         const In1& logits, const In3& sh) {
  const auto count = static_cast<std::int64_t>(means.shape(0));
  expect_extent(means, 1, 3, "means");
  expect_extent(quaternions, 0, count, "quaternions");
  expect_extent(quaternions, 1, 4, "quaternions");
  expect_extent(log_scales, 0, count, "log_scales");
  expect_extent(log_scales, 1, 3, "log_scales");
  expect_extent(logits, 0, count, "logit_opacities");
  expect_extent(sh, 0, count, "sh");
  expect_extent(sh, 2, 3, "sh");
  return {means.data(),  quaternions.data(), log_scales.data(),
          logits.data(), sh.data(),          static_cast<int>(sh.shape(1))};
}

template <typename T>
void expect_images(const T& images, std::size_t views, int width, int height, const char* name) {
  expect_extent(images, 0, static_cast<std::int64_t>(views), name);
  expect_extent(images, 1, height, name);
  expect_extent(images, 2, width, name);
}

RasterizePlan forward(const In2& means, const In2& quaternions, const In2& log_scales,
                      const In1& logits, const In3& sh, const In3& poses, const In3& matrices,
                      const In2& background, float near, float blur, float max_alpha,
                      bool orthographic, bool antialiased, bool surfels,
                      const std::optional<Tensor<const bool, 2>>& tiles,
                      const Tensor<float, 4>& colors, const Tensor<float, 3>& alphas,
                      const Tensor<float, 3>& depths, const Tensor<std::int32_t, 2>& radii,
                      const std::optional<Tensor<float, 2>>& weights) {
  const GaussianArrays in = gaussians(means, quaternions, log_scales, logits, sh);
  const int height = static_cast<int>(colors.shape(1)), width = static_cast<int>(colors.shape(2));
  const std::size_t views = poses.shape(0);
  expect_images(colors, views, width, height, "colors");
  expect_images(alphas, views, width, height, "alphas");
  expect_images(depths, views, width, height, "depths");
  expect_extent(matrices, 0, static_cast<std::int64_t>(views), "matrices");
  expect_extent(background, 0, static_cast<std::int64_t>(views), "background");
  expect_extent(radii, 0, static_cast<std::int64_t>(views), "radii");
  expect_extent(radii, 1, static_cast<std::int64_t>(means.shape(0)), "radii");
  if (weights) {
    expect_extent(*weights, 0, static_cast<std::int64_t>(views), "weights");
    expect_extent(*weights, 1, static_cast<std::int64_t>(means.shape(0)), "weights");
  }
  if (tiles) {
    expect_extent(*tiles, 0, (height + kTile - 1) / kTile, "tiles");
    expect_extent(*tiles, 1, (width + kTile - 1) / kTile, "tiles");
  }
  const DrawRules rules{near,        blur,    max_alpha, orthographic,
                        antialiased, surfels, tiles ? tiles->data() : nullptr};
  RasterizePlan plan;
  plan.count = static_cast<std::int64_t>(means.shape(0));
  const std::size_t pixels = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  for (std::size_t i = 0; i < views; ++i) {
    const PinholeView view =
        make_view(poses.data() + 16 * i, matrices.data() + 9 * i, width, height, rules);
    const ForwardImages images{background.data() + 3 * i,
                               colors.data() + 3 * pixels * i,
                               alphas.data() + pixels * i,
                               depths.data() + pixels * i,
                               nullptr,
                               nullptr,
                               weights ? weights->data() + i * means.shape(0) : nullptr};
    plan.views.push_back(
        draw(in, plan.count, view, rules.wanted, images, radii.data() + i * means.shape(0)));
  }
  return plan;
}

void backward(const RasterizePlan& plan, const In2& means, const In2& quaternions,
              const In2& log_scales, const In1& logits, const In3& sh, const In2& background,
              const In3& alphas, const In3& depths, const In4& color_gradients,
              const In3& alpha_gradients, const In3& depth_gradients,
              const std::optional<In3>& shape_gradients, const Tensor<float, 2>& out_means,
              const Tensor<float, 2>& out_quaternions,
              const Tensor<float, 2>& out_log_scales, const Tensor<float, 1>& out_logits,
              const Tensor<float, 3>& out_sh, const Tensor<float, 3>& out_poses,
              const Tensor<float, 2>& out_background, const Tensor<float, 3>& out_centres) {
  const GaussianArrays in = gaussians(means, quaternions, log_scales, logits, sh);
  expect_extent(means, 0, plan.count, "means");
  if (shape_gradients) {
    expect_extent(*shape_gradients, 0, static_cast<std::int64_t>(plan.views.size()),
                  "shape_gradients");
    expect_extent(*shape_gradients, 1, plan.count, "shape_gradients");
    for (const ViewPlan& view : plan.views)
      expect_extent(*shape_gradients, 2, shape_sums(view.view), "shape_gradients");
  }
  const GaussianGradients out{out_means.data(), out_quaternions.data(), out_log_scales.data(),
                              out_logits.data(), out_sh.data()};
  for (std::size_t i = 0; i < plan.views.size(); ++i) {
    const PinholeView& view = plan.views[i].view;
    const std::size_t pixels =
        static_cast<std::size_t>(view.width) * static_cast<std::size_t>(view.height);
    const BackwardImages images{background.data() + 3 * i,
                                alphas.data() + pixels * i,
                                depths.data() + pixels * i,
                                nullptr,
                                nullptr,
                                color_gradients.data() + 3 * pixels * i,
                                alpha_gradients.data() + pixels * i,
                                depth_gradients.data() + pixels * i};
    double pose[12] = {}, backdrop[3] = {};
    const float* more =
        shape_gradients ? shape_gradients->data() + shape_sums(view) * i * means.shape(0) : nullptr;
    draw_backward(in, plan.count, plan.views[i], images, more, out,
                  out_centres.data() + 2 * i * means.shape(0), pose, backdrop);
    for (int row = 0; row < 3; ++row) {
      float* target = out_poses.data() + 16 * i + 4 * row;
      for (int column = 0; column < 3; ++column)
        target[column] = static_cast<float>(pose[3 * row + column]);
      target[3] = static_cast<float>(pose[9 + row]);
      out_background.data()[3 * i + row] = static_cast<float>(backdrop[row]);
    }
  }
}

std::array<double, 3> stage_seconds(const RasterizePlan& plan) {
  std::array<double, 3> sums{};
  for (const ViewPlan& view : plan.views) {
    sums[0] += view.seconds.project;
    sums[1] += view.seconds.list;
    sums[2] += view.seconds.blend;
  }
  return sums;
}

const ViewPlan& view_of(const RasterizePlan& plan, std::size_t view) {
  if (view >= plan.views.size()) throw std::out_of_range("view is not in the plan");
  return plan.views[view];
}

using Indices = std::optional<Tensor<const std::int32_t, 2>>;

ChannelSet channel_set(const RasterizePlan& plan, const In2& values, const Indices& indices,
                       std::int64_t count) {
  expect_extent(values, 0, plan.count, "values");
  if (indices) {
    expect_extent(*indices, 0, plan.count, "indices");
    expect_extent(*indices, 1, static_cast<std::int64_t>(values.shape(1)), "indices");
    for (std::size_t i = 0; i < indices->size(); ++i)
      if (indices->data()[i] < 0 || indices->data()[i] >= count)
        throw std::invalid_argument("indices must be channels");
  } else {
    expect_extent(values, 1, count, "values");
  }
  return {values.data(), indices ? indices->data() : nullptr, static_cast<int>(values.shape(1)),
          static_cast<int>(count)};
}

void channels_forward(const RasterizePlan& plan, std::size_t view, const In2& values,
                      const Indices& indices, const Tensor<float, 3>& images) {
  const ViewPlan& drawn = view_of(plan, view);
  expect_extent(images, 0, drawn.view.height, "images");
  expect_extent(images, 1, drawn.view.width, "images");
  const auto count = static_cast<std::int64_t>(images.shape(2));
  draw_channels(drawn, channel_set(plan, values, indices, count), images.data());
}

void channels_backward(const RasterizePlan& plan, std::size_t view, const In2& values,
                       const Indices& indices, const In3& gradients,
                       const std::optional<Tensor<float, 2>>& out_values,
                       const std::optional<Tensor<float, 2>>& out_shape,
                       const std::optional<Tensor<float, 2>>& out_absolute) {
  const ViewPlan& drawn = view_of(plan, view);
  expect_extent(gradients, 0, drawn.view.height, "gradients");
  expect_extent(gradients, 1, drawn.view.width, "gradients");
  const auto each = static_cast<std::int64_t>(values.shape(1));
  const auto data = [&](const auto& out, std::int64_t width, const char* name) -> float* {
    if (!out) return nullptr;
    expect_extent(*out, 0, plan.count, name);
    expect_extent(*out, 1, width, name);
    return out->data();
  };
  const ChannelGradients out{data(out_values, each, "out_values"),
                             data(out_shape, shape_sums(drawn.view), "out_shape"),
                             data(out_absolute, 2, "out_absolute")};
  const auto count = static_cast<std::int64_t>(gradients.shape(2));
  draw_channels_backward(drawn, channel_set(plan, values, indices, count), gradients.data(), out);
}

void rows(const RasterizePlan& plan, std::size_t view, const Tensor<std::int32_t, 2>& median,
          const Tensor<std::int32_t, 2>& dominant) {
  const ViewPlan& drawn = view_of(plan, view);
  for (const auto* out : {&median, &dominant}) {
    expect_extent(*out, 0, drawn.view.height, "rows");
    expect_extent(*out, 1, drawn.view.width, "rows");
  }
  draw_rows(drawn, median.data(), dominant.data());
}

// Colour, 1 and depth of every Gaussian as one view sees it; 0 where it is not visible.
void splat_values(const RasterizePlan& plan, std::size_t view, const Tensor<float, 2>& out) {
  const ViewPlan& drawn = view_of(plan, view);
  expect_extent(out, 0, plan.count, "out");
  expect_extent(out, 1, 5, "out");
  for (std::int64_t row = 0; row < plan.count; ++row) {
    const Splat& s = drawn.splats[row];
    const float values[] = {s.color[0], s.color[1], s.color[2], 1.0f, s.depth};
    for (int j = 0; j < 5; ++j) out.data()[5 * row + j] = s.reach < 0 ? 0.0f : values[j];
  }
}

void bind_channels(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  module.def("rasterize_channels_forward", &channels_forward, arg("plan"), arg("view"),
             arg("values"), arg("indices").none(), arg("images"), release,
             "Blend values of Gaussians over zero into images [h, w, channels].");
  module.def("rasterize_channels_backward", &channels_backward, arg("plan"), arg("view"),
             arg("values"), arg("indices").none(), arg("gradients"), arg("out_values").none(),
             arg("out_shape").none(), arg("out_absolute").none(), release,
             "Add gradients of values, of shapes (shape_gradients of rasterize_backward) and the "
             "sums over pixels of absolute gradients of centres to out_*.");
  module.def("rasterize_rows", &rows, arg("plan"), arg("view"), arg("median"), arg("dominant"),
             release, "Median and dominant Gaussian of every pixel, -1 where there is none.");
  module.def("rasterize_splat_values", &splat_values, arg("plan"), arg("view"), arg("out"),
             release, "Colour, 1 and depth of Gaussians [n, 5] as one view sees them.");
}

}  // namespace

void bind_rasterize(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  nanobind::class_<RasterizePlan>(module, "RasterizePlan",
                                  "What rasterize_backward must know of the forward call.")
      .def_prop_ro("seconds", &stage_seconds,
                   "Projecting with colours, sorting and listing by tile, blending; all views.");
  module.def("rasterize_forward", &forward, arg("means"), arg("quaternions"), arg("log_scales"),
             arg("logit_opacities"), arg("sh"), arg("world_from_camera"), arg("matrices"),
             arg("background"), arg("near"), arg("blur"), arg("max_alpha"), arg("orthographic"),
             arg("antialiased"), arg("surfels"), arg("tiles").none(), arg("colors"), arg("alphas"), arg("depths"), arg("radii"),
             arg("weights").none(), release,
             "Draw all views into colors, alphas, depths and radii; add each Gaussian's weights to "
             "the zeros in weights.");
  module.def("rasterize_backward", &backward, arg("plan"), arg("means"), arg("quaternions"),
             arg("log_scales"), arg("logit_opacities"), arg("sh"), arg("background"),
             arg("alphas"), arg("depths"), arg("color_gradients"), arg("alpha_gradients"),
             arg("depth_gradients"), arg("shape_gradients").none(), arg("out_means"), arg("out_quaternions"),
             arg("out_log_scales"), arg("out_logit_opacities"), arg("out_sh"),
             arg("out_world_from_camera"), arg("out_background"), arg("out_centres"), release,
             "Add the gradients to the zeros in out_*.");
  bind_channels(module);
}

}  // namespace sparse3d
