#include "rasterize/plan.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "kernels/blend.hpp"
#include "kernels/project.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kChunk = 512;  // Gaussians projected at once
constexpr float kSurfelBlur = 0.5f;   // variance of the low-pass filter of surfels, square pixels

class Stopwatch {
 public:
  // Seconds since the last lap, or since it was made.
  double lap() {
    const Clock::time_point before = last_;
    last_ = Clock::now();
    return std::chrono::duration<double>(last_ - before).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

std::int64_t chunks(std::int64_t count) { return (count + kChunk - 1) / kChunk; }

template <typename Gradient>
float* floats(Gradient& gradient) {
  return reinterpret_cast<float*>(&gradient);  // it holds nothing else
}

// Sums the slots of each splat, in the order of tiles.
template <typename Gradient>
Buffer<Gradient> sum_slots(const TileLists& lists, std::int64_t count, Buffer<Gradient>& slots) {
  constexpr std::size_t kFloats = sizeof(Gradient) / sizeof(float);
  Buffer<Gradient> sums(count);
  const auto visible = static_cast<std::int64_t>(lists.order.size());
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < visible; ++i) {
    Gradient sum{};
    const auto row = static_cast<std::size_t>(i);
    for (std::int64_t slot = lists.slot_starts[row]; slot < lists.slot_starts[row + 1]; ++slot) {
      const float* part = floats(slots[slot]);
      for (std::size_t j = 0; j < kFloats; ++j) floats(sum)[j] += part[j];
    }
    sums[lists.order[row]] = sum;
  }
  return sums;
}

void add_weights(const TileLists& lists, const Buffer<float>& slots, float* weights) {
  for (std::size_t i = 0; i < lists.order.size(); ++i)
    for (std::int64_t slot = lists.slot_starts[i]; slot < lists.slot_starts[i + 1]; ++slot)
      weights[lists.order[i]] += slots[slot];
}

template <std::size_t n>
void add_in_order(const std::vector<std::array<double, n>>& parts, double* total) {
  for (const std::array<double, n>& part : parts)
    for (std::size_t i = 0; i < n; ++i) total[i] += part[i];
}

template <typename Gradient>
using BlendBackward = void (*)(const TileView&, const BackwardImages&, Gradient*, double*);

template <typename Gradient>
Buffer<Gradient> blend_tiles_backward(BlendBackward<Gradient> kernel, const ViewPlan& plan,
                                      const BackwardImages& images, double* background) {
  Buffer<Gradient> slots(plan.lists.slot_starts.back());
  const std::int64_t tiles = tile_count(plan.view);
  std::vector<std::array<double, 3>> parts(static_cast<std::size_t>(tiles));
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t tile = 0; tile < tiles; ++tile)
    kernel(tile_view(plan, tile), images, slots.data(),
           parts[static_cast<std::size_t>(tile)].data());
  add_in_order(parts, background);
  return slots;
}

template <typename Gradient>
void add_shape_sums(const TileLists& lists, const float* more, Buffer<Gradient>& sums) {
  for (const std::int32_t row : lists.order) {
    const float* part = more + std::int64_t{Gradient::kShape} * row;
    for (int j = 0; j < Gradient::kShape; ++j) floats(sums[row])[j] += part[j];
  }
}

// Gradients that arrive at the splats of one view.
template <typename Gradient>
Buffer<Gradient> gradients_of_splats(BlendBackward<Gradient> kernel, const ViewPlan& plan,
                                     std::int64_t count, const BackwardImages& images,
                                     const float* more, double* background) {
  Buffer<Gradient> slots = blend_tiles_backward(kernel, plan, images, background);
  Buffer<Gradient> sums = sum_slots(plan.lists, count, slots);
  if (more) add_shape_sums(plan.lists, more, sums);
  return sums;
}

// Calls project(begin, end, pose) for chunks of Gaussians and adds up their poses.
template <typename Project>
void project_chunks_backward(std::int64_t count, double* pose, Project project) {
  std::vector<std::array<double, 12>> parts(static_cast<std::size_t>(chunks(count)));
#pragma omp parallel for schedule(static)
  for (std::int64_t chunk = 0; chunk < chunks(count); ++chunk)
    project(chunk * kChunk, std::min(count, (chunk + 1) * kChunk),
            parts[static_cast<std::size_t>(chunk)].data());
  add_in_order(parts, pose);
}

void project_chunks(const GaussianArrays& in, std::int64_t count, ViewPlan& plan,
                    std::int32_t* radii) {
  const auto splats = SPARSE3D_PICK(project);
  const auto surfels = SPARSE3D_PICK(project_surfels);
#pragma omp parallel for schedule(static)
  for (std::int64_t chunk = 0; chunk < chunks(count); ++chunk) {
    const std::int64_t begin = chunk * kChunk, end = std::min(count, (chunk + 1) * kChunk);
    if (plan.view.surfels)
      surfels(in, plan.view, begin, end, plan.splats.data(), plan.surfels.data(), radii);
    else
      splats(in, plan.view, begin, end, plan.splats.data(), radii);
  }
}

}  // namespace

std::int64_t tile_count(const PinholeView& view) {
  return std::int64_t{(view.width + kTile - 1) / kTile} * ((view.height + kTile - 1) / kTile);
}

TileView tile_view(const ViewPlan& plan, std::int64_t tile) {
  const std::int64_t columns = (plan.view.width + kTile - 1) / kTile;
  const std::int64_t begin = plan.lists.entry_starts[static_cast<std::size_t>(tile)];
  const std::int64_t end = plan.lists.entry_starts[static_cast<std::size_t>(tile) + 1];
  const int x = static_cast<int>(tile % columns) * kTile;
  const int y = static_cast<int>(tile / columns) * kTile;
  return {plan.splats.data(),
          plan.surfels.data(),
          plan.lists.entries.data() + begin,
          static_cast<int>(end - begin),
          x,
          y,
          std::min(kTile, plan.view.width - x),
          std::min(kTile, plan.view.height - y),
          plan.view.width,
          plan.view.max_alpha};
}

int shape_sums(const PinholeView& view) {
  return view.surfels ? SurfelGradient::kShape : SplatGradient::kShape;
}

PinholeView make_view(const float* world_from_camera, const float* matrix, int width, int height,
                      const DrawRules& rules) {
  PinholeView view{};
  for (int row = 0; row < 3; ++row) {
    std::copy_n(world_from_camera + 4 * row, 3, view.rotation + 3 * row);
    view.centre[row] = world_from_camera[4 * row + 3];
  }
  view.fx = matrix[0];
  view.fy = matrix[4];
  view.cx = matrix[2];
  view.cy = matrix[5];
  view.width = width;
  view.height = height;
  view.near = rules.near;
  view.blur = rules.surfels ? kSurfelBlur : rules.blur;
  view.max_alpha = rules.max_alpha;
  view.orthographic = rules.orthographic;
  view.antialiased = rules.antialiased;
  view.surfels = rules.surfels;
  const float size[] = {static_cast<float>(width), static_cast<float>(height)};
  const float focal[] = {view.fx, view.fy}, principal[] = {view.cx, view.cy};
  for (int axis = 0; axis < 2; ++axis) {  // 15 % of the image past its border
    view.slope_low[axis] = -(principal[axis] + 0.15f * size[axis]) / focal[axis];
    view.slope_high[axis] = (1.15f * size[axis] - principal[axis]) / focal[axis];
  }
  return view;
}

ViewPlan draw(const GaussianArrays& in, std::int64_t count, const PinholeView& view,
              const bool* wanted, ForwardImages images, std::int32_t* radii) {
  const std::int64_t pixels = std::int64_t{view.width} * view.height;
  ViewPlan plan{view,
                Buffer<Splat>(count),
                view.surfels ? Buffer<Surfel>(count) : Buffer<Surfel>(),
                {},
                Buffer<float>(pixels),
                Buffer<std::int32_t>(pixels),
                {}};
  Stopwatch watch;
  project_chunks(in, count, plan, radii);
  plan.seconds.project = watch.lap();
  plan.lists = list_by_tile(plan.splats.data(), count, view.width, view.height, wanted);
  plan.seconds.list = watch.lap();
  images.transmittances = plan.transmittances.data();
  images.last = plan.last.data();
  float* weights = images.weights;
  Buffer<float> slots(weights ? plan.lists.slot_starts.back() : 0);
  if (weights) images.weights = slots.data();
  const auto blend_tile = view.surfels ? SPARSE3D_PICK(blend_surfels) : SPARSE3D_PICK(blend);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t tile = 0; tile < tile_count(view); ++tile)
    blend_tile(tile_view(plan, tile), images);
  if (weights) add_weights(plan.lists, slots, weights);
  plan.seconds.blend = watch.lap();
  return plan;
}

void draw_backward(const GaussianArrays& in, std::int64_t count, const ViewPlan& plan,
                   BackwardImages images, const float* more, const GaussianGradients& out,
                   float* mean_gradients, double* pose, double* background) {
  images.transmittances = plan.transmittances.data();
  images.last = plan.last.data();
  const PinholeView& view = plan.view;
  const Splat* splats = plan.splats.data();
  if (view.surfels) {
    const auto kernel = SPARSE3D_PICK(project_surfels_backward);
    const Buffer<SurfelGradient> sums = gradients_of_splats<SurfelGradient>(
        SPARSE3D_PICK(blend_surfels_backward), plan, count, images, more, background);
    project_chunks_backward(count, pose, [&](std::int64_t begin, std::int64_t end, double* part) {
      kernel(in, view, begin, end, splats, plan.surfels.data(), sums.data(), out, mean_gradients,
             part);
    });
    return;
  }
  const auto kernel = SPARSE3D_PICK(project_backward);
  const Buffer<SplatGradient> sums = gradients_of_splats<SplatGradient>(
      SPARSE3D_PICK(blend_backward), plan, count, images, more, background);
  project_chunks_backward(count, pose, [&](std::int64_t begin, std::int64_t end, double* part) {
    kernel(in, view, begin, end, splats, sums.data(), out, mean_gradients, part);
  });
}

}  // namespace sparse3d
