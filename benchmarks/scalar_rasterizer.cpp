// A plain rasteriser for one thread, as CPU fall-backs of splatting programs are written: Gaussians
// front to back, each over the pixels of its box, with a list of Gaussians for every pixel that the
// backward pass walks from back to front. libm's expf, no vectors, no tiles.
//
// Same rules as sparse3d.ops.rasterize. It is kinder than most: its boxes end where alpha falls
// below 1/255, not at three standard deviations of the longest axis.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "scalar_projection.hpp"

namespace {

struct Plan {
  std::vector<Projected> projected;
  std::vector<std::vector<int>> lists;  // by pixel, front to back: only what was drawn there
  std::vector<float> left;              // transmittance of each pixel in the end
  std::vector<float> alphas, depths;
};

struct Box {
  int left, right, top, bottom;  // right and bottom are excluded
};

Box box_of(const Projected& p, const Scene& scene) {
  const auto clip = [](float value, int limit) {
    return static_cast<int>(std::min(std::max(value, 0.0f), static_cast<float>(limit)));
  };
  return {clip(std::floor(p.x - p.half_width), scene.width),
          clip(std::ceil(p.x + p.half_width) + 1, scene.width),
          clip(std::floor(p.y - p.half_height), scene.height),
          clip(std::ceil(p.y + p.half_height) + 1, scene.height)};
}

std::vector<int> front_to_back(const std::vector<Projected>& projected) {
  std::vector<int> order(projected.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int i, int j) { return projected[i].depth < projected[j].depth; });
  return order;
}

// What a Gaussian covers of a pixel before it is cut off at 0.999.
float covered(const Projected& p, int x, int y) {
  const float dx = x + 0.5f - p.x, dy = y + 0.5f - p.y;
  return p.opacity * expf(-0.5f * (p.a * dx * dx + p.c * dy * dy) - p.b * dx * dy);
}

void draw(const Projected& p, int row, const Scene& scene, Plan& plan, std::vector<bool>& ended,
          float* colors) {
  const Box box = box_of(p, scene);
  for (int y = box.top; y < box.bottom; ++y)
    for (int x = box.left; x < box.right; ++x) {
      const int pixel = y * scene.width + x;
      if (ended[pixel]) continue;
      const float alpha = std::min(0.999f, covered(p, x, y));
      if (alpha < 1.0f / 255) continue;
      const float after = plan.left[pixel] * (1 - alpha);
      if (after <= 1e-4f) {
        ended[pixel] = true;
        continue;
      }
      const float weight = alpha * plan.left[pixel];
      for (int channel = 0; channel < 3; ++channel)
        colors[3 * pixel + channel] += weight * p.color[channel];
      plan.alphas[pixel] += weight;
      plan.depths[pixel] += weight * p.depth;
      plan.left[pixel] = after;
      plan.lists[pixel].push_back(row);
    }
}

void finish(const Scene& scene, Plan& plan, float* colors) {
  for (std::size_t pixel = 0; pixel < plan.left.size(); ++pixel) {
    for (int channel = 0; channel < 3; ++channel)
      colors[3 * pixel + channel] += plan.left[pixel] * scene.background[channel];
    if (plan.alphas[pixel] > 0) plan.depths[pixel] /= plan.alphas[pixel];
  }
}

// Gradients with respect to one pixel's outputs.
struct Cotangent {
  const float* color;
  float alpha, depth;  // of the sums of weights and of weighted depths
};

void blend_backward(const Scene& scene, const Plan& plan, int pixel, const Cotangent& out,
                    std::vector<PixelGradients>& gradients) {
  const int x = pixel % scene.width, y = pixel / scene.width;
  float left = plan.left[pixel], behind = 0;
  for (int channel = 0; channel < 3; ++channel)
    behind += left * scene.background[channel] * out.color[channel];
  const std::vector<int>& list = plan.lists[pixel];
  for (auto row = list.rbegin(); row != list.rend(); ++row) {
    const Projected& p = plan.projected[*row];
    PixelGradients& g = gradients[*row];
    const float full = covered(p, x, y), alpha = std::min(0.999f, full);
    left /= 1 - alpha;
    float value = out.alpha + p.depth * out.depth;
    for (int channel = 0; channel < 3; ++channel) {
      value += p.color[channel] * out.color[channel];
      g.color[channel] += alpha * left * out.color[channel];
    }
    g.depth += alpha * left * out.depth;
    const float slope = left * value - behind / (1 - alpha);
    behind += alpha * left * value;
    if (full > 0.999f) continue;
    const float dx = x + 0.5f - p.x, dy = y + 0.5f - p.y, scaled = alpha * slope;
    g.logit += scaled * (1 - p.opacity);
    g.x += scaled * (p.a * dx + p.b * dy);
    g.y += scaled * (p.b * dx + p.c * dy);
    g.a -= scaled * 0.5f * dx * dx;
    g.b -= scaled * dx * dy;
    g.c -= scaled * 0.5f * dy * dy;
  }
}

}  // namespace

// Draws the scene into images of zeros; the plan is for scalar_backward and scalar_free.
extern "C" Plan* scalar_forward(const Scene* scene, float* colors, float* alphas, float* depths) {
  const std::size_t pixels = static_cast<std::size_t>(scene->width) * scene->height;
  auto* plan = new Plan;
  for (int row = 0; row < scene->count; ++row) plan->projected.push_back(project(*scene, row));
  plan->lists.resize(pixels);
  plan->left.assign(pixels, 1);
  plan->alphas.assign(pixels, 0);
  plan->depths.assign(pixels, 0);
  std::vector<bool> ended(pixels, false);
  for (int row : front_to_back(plan->projected))
    if (plan->projected[row].visible)
      draw(plan->projected[row], row, *scene, *plan, ended, colors);
  finish(*scene, *plan, colors);
  std::copy(plan->alphas.begin(), plan->alphas.end(), alphas);
  std::copy(plan->depths.begin(), plan->depths.end(), depths);
  return plan;
}

// Writes the gradients of visible Gaussians into zeros, given those of the images.
extern "C" void scalar_backward(const Plan* plan, const Scene* scene, const float* colors,
                                const float* alphas, const float* depths, const Gradients* out) {
  std::vector<PixelGradients> gradients(plan->projected.size());
  for (std::size_t pixel = 0; pixel < plan->left.size(); ++pixel) {
    const float alpha = plan->alphas[pixel];
    const float depth = alpha > 0 ? depths[pixel] / alpha : 0;
    const Cotangent cotangent{colors + 3 * pixel, alphas[pixel] - depth * plan->depths[pixel],
                              depth};
    blend_backward(*scene, *plan, static_cast<int>(pixel), cotangent, gradients);
  }
  for (int row = 0; row < scene->count; ++row)
    if (plan->projected[row].visible)
      project_backward(*scene, row, plan->projected[row], gradients[row], *out);
}

extern "C" void scalar_free(Plan* plan) { delete plan; }
