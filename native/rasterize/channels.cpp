#include "rasterize/channels.hpp"

#include "kernels/channels.hpp"
#include "kernels/statistics.hpp"

namespace sparse3d {
namespace {

constexpr float kLn2 = 0.6931471805599453f;

void add_slots(const ViewPlan& plan, std::int64_t place, int width, const Buffer<float>& slots,
               const ChannelGradients& out) {
  const auto i = static_cast<std::size_t>(place);
  const std::int32_t row = plan.lists.order[i];
  const int shapes = shape_sums(plan.view), head = shapes + 2, each = width - head;
  float x = 0, y = 0;
  for (std::int64_t slot = plan.lists.slot_starts[i]; slot < plan.lists.slot_starts[i + 1];
       ++slot) {
    const float* part = slots.data() + slot * width;
    if (out.shape)
      for (int j = 0; j < shapes; ++j) out.shape[std::int64_t{row} * shapes + j] += part[j];
    x += part[shapes];
    y += part[shapes + 1];
    if (out.values)
      for (int j = 0; j < each; ++j) out.values[std::int64_t{row} * each + j] += part[head + j];
  }
  if (!out.absolute) return;
  out.absolute[2 * std::int64_t{row}] += 2 * kLn2 * x;
  out.absolute[2 * std::int64_t{row} + 1] += 2 * kLn2 * y;
}

}  // namespace

void draw_channels(const ViewPlan& plan, const ChannelSet& set, float* images) {
  const auto kernel =
      plan.view.surfels ? SPARSE3D_PICK(blend_surfel_channels) : SPARSE3D_PICK(blend_channels);
  const std::int64_t tiles = tile_count(plan.view);
#pragma omp parallel
  {
    Buffer<float> scratch(std::int64_t{set.count} * kTile * kTile);
#pragma omp for schedule(dynamic)
    for (std::int64_t tile = 0; tile < tiles; ++tile)
      kernel(tile_view(plan, tile), set, plan.last.data(), scratch.data(), images);
  }
}

void draw_channels_backward(const ViewPlan& plan, const ChannelSet& set, const float* gradients,
                            const ChannelGradients& out) {
  const int width = shape_sums(plan.view) + 2 + set.each;
  Buffer<float> slots(plan.lists.slot_starts.back() * width);
  const auto kernel = plan.view.surfels ? SPARSE3D_PICK(blend_surfel_channels_backward)
                                        : SPARSE3D_PICK(blend_channels_backward);
  const std::int64_t tiles = tile_count(plan.view);
#pragma omp parallel
  {
    Buffer<float> scratch(std::int64_t{set.count} * kTile * kTile +
                          std::int64_t{set.each} * kTile);
#pragma omp for schedule(dynamic)
    for (std::int64_t tile = 0; tile < tiles; ++tile)
      kernel(tile_view(plan, tile), set, plan.transmittances.data(), plan.last.data(), gradients,
             out.absolute != nullptr, scratch.data(), slots.data());
  }
  const auto visible = static_cast<std::int64_t>(plan.lists.order.size());
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < visible; ++i) add_slots(plan, i, width, slots, out);
}

void draw_rows(const ViewPlan& plan, std::int32_t* median, std::int32_t* dominant) {
  const auto kernel =
      plan.view.surfels ? SPARSE3D_PICK(find_surfel_rows) : SPARSE3D_PICK(find_rows);
  const std::int64_t tiles = tile_count(plan.view);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t tile = 0; tile < tiles; ++tile)
    kernel(tile_view(plan, tile), plan.last.data(), median, dominant);
}

}  // namespace sparse3d
