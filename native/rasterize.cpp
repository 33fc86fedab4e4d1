#include "bindings.hpp"
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
                      const In2& background, float near, const Tensor<float, 4>& colors,
                      const Tensor<float, 3>& alphas, const Tensor<float, 3>& depths,
                      const Tensor<std::int32_t, 2>& radii) {
  const GaussianArrays in = gaussians(means, quaternions, log_scales, logits, sh);
  const int height = static_cast<int>(colors.shape(1)), width = static_cast<int>(colors.shape(2));
  const std::size_t views = poses.shape(0);
  expect_images(colors, views, width, height, "colors");
  expect_images(alphas, views, width, height, "alphas");
  expect_images(depths, views, width, height, "depths");
  expect_extent(matrices, 0, static_cast<std::int64_t>(views), "matrices");
  expect_extent(background, 0, static_cast<std::int64_t>(views), "background");
  expect_extent(radii, 1, static_cast<std::int64_t>(means.shape(0)), "radii");
  RasterizePlan plan;
  plan.count = static_cast<std::int64_t>(means.shape(0));
  const std::size_t pixels = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  for (std::size_t i = 0; i < views; ++i) {
    const PinholeView view =
        make_view(poses.data() + 16 * i, matrices.data() + 9 * i, width, height, near);
    const ForwardImages images{background.data() + 3 * i,
                               colors.data() + 3 * pixels * i,
                               alphas.data() + pixels * i,
                               depths.data() + pixels * i,
                               nullptr,
                               nullptr};
    plan.views.push_back(
        draw(in, plan.count, view, images, radii.data() + i * means.shape(0)));
  }
  return plan;
}

void backward(const RasterizePlan& plan, const In2& means, const In2& quaternions,
              const In2& log_scales, const In1& logits, const In3& sh, const In2& background,
              const In3& alphas, const In3& depths, const In4& color_gradients,
              const In3& alpha_gradients, const In3& depth_gradients,
              const Tensor<float, 2>& out_means, const Tensor<float, 2>& out_quaternions,
              const Tensor<float, 2>& out_log_scales, const Tensor<float, 1>& out_logits,
              const Tensor<float, 3>& out_sh, const Tensor<float, 3>& out_poses,
              const Tensor<float, 2>& out_background, const Tensor<float, 3>& out_centres) {
  const GaussianArrays in = gaussians(means, quaternions, log_scales, logits, sh);
  expect_extent(means, 0, plan.count, "means");
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
    draw_backward(in, plan.count, plan.views[i], images, out,
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

}  // namespace

void bind_rasterize(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  nanobind::class_<RasterizePlan>(module, "RasterizePlan",
                                  "What rasterize_backward must know of the forward call.");
  module.def("rasterize_forward", &forward, arg("means"), arg("quaternions"), arg("log_scales"),
             arg("logit_opacities"), arg("sh"), arg("world_from_camera"), arg("matrices"),
             arg("background"), arg("near"), arg("colors"), arg("alphas"), arg("depths"),
             arg("radii"), release, "Draw all views into colors, alphas, depths and radii.");
  module.def("rasterize_backward", &backward, arg("plan"), arg("means"), arg("quaternions"),
             arg("log_scales"), arg("logit_opacities"), arg("sh"), arg("background"),
             arg("alphas"), arg("depths"), arg("color_gradients"), arg("alpha_gradients"),
             arg("depth_gradients"), arg("out_means"), arg("out_quaternions"),
             arg("out_log_scales"), arg("out_logit_opacities"), arg("out_sh"),
             arg("out_world_from_camera"), arg("out_background"), arg("out_centres"), release,
             "Add the gradients to the zeros in out_*.");
}

}  // namespace sparse3d
