// One call of the rasteriser: forward fills a plan, backward reads it.
#pragma once

#include <vector>

#include "rasterize/binning.hpp"
#include "rasterize/buffer.hpp"
#include "rasterize/types.hpp"

namespace sparse3d {

// How long the stages of a forward call took, seconds.
struct StageSeconds {
  double project = 0, list = 0, blend = 0;
};

// What backward needs to know of one view.
struct ViewPlan {
  PinholeView view;
  Buffer<Splat> splats;
  Buffer<Surfel> surfels;  // where the view draws them
  TileLists lists;
  Buffer<float> transmittances;
  Buffer<std::int32_t> last;
  StageSeconds seconds;
};

struct RasterizePlan {
  RasterizePlan() = default;
  RasterizePlan(RasterizePlan&&) = default;
  RasterizePlan(const RasterizePlan&) = delete;

  std::int64_t count = 0;
  std::vector<ViewPlan> views;
};

// How views are drawn, the same for all of one call.
struct DrawRules {
  float near, blur, max_alpha;
  bool orthographic, antialiased, surfels;
  const bool* wanted;  // tiles to draw, row-major; all if null
};

PinholeView make_view(const float* world_from_camera, const float* matrix, int width, int height,
                      const DrawRules& rules);

std::int64_t tile_count(const PinholeView& view);
TileView tile_view(const ViewPlan& plan, std::int64_t tile);

// Draws one view; `images` point at the view's part, transmittances and last are set here.
// images.weights [count] holds zeros or is null: the sums over all tiles are added.
ViewPlan draw(const GaussianArrays& in, std::int64_t count, const PinholeView& view,
              const bool* wanted, ForwardImages images, std::int32_t* radii);

// Sums that a gradient with respect to shape and place is made of.
int shape_sums(const PinholeView& view);

// Adds the gradients of one view; pose is [12] as in project_backward. `more` [count, shape_sums]
// holds what other images than those of BackwardImages add to the sums, or is null.
void draw_backward(const GaussianArrays& in, std::int64_t count, const ViewPlan& plan,
                   BackwardImages images, const float* more, const GaussianGradients& out,
                   float* mean_gradients, double* pose, double* background);

}  // namespace sparse3d
