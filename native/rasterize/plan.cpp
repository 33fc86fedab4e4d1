#include "rasterize/plan.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "kernels/blend.hpp"
#include "kernels/project.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kChunk = 512;  // Gaussians projected at once

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

// Sums the slots of each splat, in the order of tiles.
Buffer<SplatGradient> sum_slots(const TileLists& lists, std::int64_t count,
                                const Buffer<SplatGradient>& slots) {
  Buffer<SplatGradient> sums(count);
  const auto visible = static_cast<std::int64_t>(lists.order.size());
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < visible; ++i) {
    SplatGradient sum{};
    const auto row = static_cast<std::size_t>(i);
    for (std::int64_t slot = lists.slot_starts[row]; slot < lists.slot_starts[row + 1]; ++slot) {
      const SplatGradient& part = slots[slot];
      sum.g += part.g;
      sum.gu += part.gu;
      sum.gv += part.gv;
      sum.guu += part.guu;
      sum.guv += part.guv;
      sum.gvv += part.gvv;
      for (int channel = 0; channel < 3; ++channel) sum.color[channel] += part.color[channel];
      sum.depth += part.depth;
    }
    sums[lists.order[row]] = sum;
  }
  return sums;
}

template <std::size_t n>
void add_in_order(const std::vector<std::array<double, n>>& parts, double* total) {
  for (const std::array<double, n>& part : parts)
    for (std::size_t i = 0; i < n; ++i) total[i] += part[i];
}

Buffer<SplatGradient> blend_tiles_backward(const ViewPlan& plan, const BackwardImages& images,
                                           double* background) {
  Buffer<SplatGradient> slots(plan.lists.slot_starts.back());
  const std::int64_t tiles = tile_count(plan.view);
  std::vector<std::array<double, 3>> parts(static_cast<std::size_t>(tiles));
  const auto kernel = SPARSE3D_PICK(blend_backward);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t tile = 0; tile < tiles; ++tile)
    kernel(tile_view(plan, tile), images, slots.data(),
           parts[static_cast<std::size_t>(tile)].data());
  add_in_order(parts, background);
  return slots;
}

void add_shape_sums(const TileLists& lists, const float* more, Buffer<SplatGradient>& sums) {
  for (const std::int32_t row : lists.order) {
    const float* part = more + std::int64_t{kShapeSums} * row;
    sums[row].g += part[0];
    sums[row].gu += part[1];
    sums[row].gv += part[2];
    sums[row].guu += part[3];
    sums[row].guv += part[4];
    sums[row].gvv += part[5];
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
          plan.lists.entries.data() + begin,
          static_cast<int>(end - begin),
          x,
          y,
          std::min(kTile, plan.view.width - x),
          std::min(kTile, plan.view.height - y),
          plan.view.width};
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
  view.blur = rules.blur;
  view.orthographic = rules.orthographic;
  view.antialiased = rules.antialiased;
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
  ViewPlan plan{view, Buffer<Splat>(count), {}, Buffer<float>(pixels),
                Buffer<std::int32_t>(pixels), {}};
  Stopwatch watch;
  const auto project_rows = SPARSE3D_PICK(project);
#pragma omp parallel for schedule(static)
  for (std::int64_t chunk = 0; chunk < chunks(count); ++chunk)
    project_rows(in, view, chunk * kChunk, std::min(count, (chunk + 1) * kChunk),
                 plan.splats.data(), radii);
  plan.seconds.project = watch.lap();
  plan.lists = list_by_tile(plan.splats.data(), count, view.width, view.height, wanted);
  plan.seconds.list = watch.lap();
  images.transmittances = plan.transmittances.data();
  images.last = plan.last.data();
  const auto blend_tile = SPARSE3D_PICK(blend);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t tile = 0; tile < tile_count(view); ++tile)
    blend_tile(tile_view(plan, tile), images);
  plan.seconds.blend = watch.lap();
  return plan;
}

void draw_backward(const GaussianArrays& in, std::int64_t count, const ViewPlan& plan,
                   BackwardImages images, const float* more, const GaussianGradients& out,
                   float* mean_gradients, double* pose, double* background) {
  images.transmittances = plan.transmittances.data();
  images.last = plan.last.data();
  const Buffer<SplatGradient> slots = blend_tiles_backward(plan, images, background);
  Buffer<SplatGradient> sums = sum_slots(plan.lists, count, slots);
  if (more) add_shape_sums(plan.lists, more, sums);
  std::vector<std::array<double, 12>> parts(static_cast<std::size_t>(chunks(count)));
  const auto kernel = SPARSE3D_PICK(project_backward);
#pragma omp parallel for schedule(static)
  for (std::int64_t chunk = 0; chunk < chunks(count); ++chunk)
    kernel(in, plan.view, chunk * kChunk, std::min(count, (chunk + 1) * kChunk),
           plan.splats.data(), sums.data(), out, mean_gradients,
           parts[static_cast<std::size_t>(chunk)].data());
  add_in_order(parts, pose);
}

}  // namespace sparse3d
