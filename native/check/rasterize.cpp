// The rasteriser forward and backward, with extra channels and rows.
#include <algorithm>

#include "check/check.hpp"
#include "rasterize/channels.hpp"
#include "rasterize/plan.hpp"

namespace sparse3d::check {
namespace {

constexpr int kWidth = 45, kHeight = 37;  // the last tiles are cut off
constexpr std::int64_t kPixels = kWidth * kHeight;
constexpr std::int64_t kCoefficients = 16;

struct Gaussians {
  std::int64_t count;
  Floats means, quaternions, log_scales, logits, sh;

  Gaussians(Random& random, std::int64_t n)
      : count(n),
        means(random.many(3 * n, -1.5f, 1.5f)),
        quaternions(random.many(4 * n, -1, 1)),
        log_scales(random.many(3 * n, -3.5f, -0.5f)),
        logits(random.many(n, -4, 7)),  // opaque ones end pixels, faint ones are not seen
        sh(random.many(3 * kCoefficients * n, -0.4f, 0.4f)) {}

  void spoil() {
    means[2] = NAN;
    log_scales[4] = INFINITY;
    means[8] = -9;  // behind the camera
    std::copy_n(means.begin() + 9, 3, means.begin() + 12);  // one place, one depth
  }

  GaussianArrays arrays() const {
    return {means.data(),  quaternions.data(), log_scales.data(),
            logits.data(), sh.data(),          kCoefficients};
  }
};

Floats floats(std::int64_t count) { return Floats(static_cast<std::size_t>(count)); }

std::vector<std::int32_t> integers(std::int64_t count) {
  return std::vector<std::int32_t>(static_cast<std::size_t>(count), -7);
}

// What a view is drawn by.
struct Mode {
  bool orthographic, antialiased, surfels;
  float max_alpha;
};

PinholeView view_of(const Mode& mode) {
  const float world_from_camera[] = {0.96f, 0, 0.28f, -0.9f, 0,  1, 0, 0.2f,
                                     -0.28f, 0, 0.96f, -3,   0,  0, 0, 1};
  const float zoom = mode.orthographic ? 14.0f : 42.0f;
  const float matrix[] = {zoom, 0, 21.3f, 0, 1.1f * zoom, 19.1f, 0, 0, 1};
  return make_view(world_from_camera, matrix, kWidth, kHeight,
                   {0.05f, 0.3f, mode.max_alpha, mode.orthographic, mode.antialiased,
                    mode.surfels, nullptr});
}

struct Images {
  Floats colors = floats(3 * kPixels), alphas = floats(kPixels), depths = floats(kPixels);
};

// A number of every splat that is visible.
template <typename Get>
Floats of_visible(const ViewPlan& plan, Get get) {
  Floats values;
  for (const std::int32_t row : plan.lists.order) values.push_back(get(plan.splats[row]));
  return values;
}

void report_splats(const std::string& name, const ViewPlan& plan) {
  exact(name + ".order", plan.lists.order);
  exact(name + ".slot_starts", plan.lists.slot_starts);
  exact(name + ".entry_starts", plan.lists.entry_starts);
  close(name + ".x", of_visible(plan, [](const Splat& s) { return s.x; }));
  close(name + ".y", of_visible(plan, [](const Splat& s) { return s.y; }));
  close(name + ".a", of_visible(plan, [](const Splat& s) { return s.a; }));
  close(name + ".k", of_visible(plan, [](const Splat& s) { return s.k; }));
  close(name + ".c", of_visible(plan, [](const Splat& s) { return s.c; }));
  close(name + ".log2_opacity", of_visible(plan, [](const Splat& s) { return s.log2_opacity; }));
  close(name + ".green", of_visible(plan, [](const Splat& s) { return s.color[1]; }));
  close(name + ".height", of_visible(plan, [](const Splat& s) { return s.height; }));
  close(name + ".skew", of_visible(plan, [](const Splat& s) { return s.skew; }));
}

// A number of every surfel that is visible.
template <typename Get>
Floats of_visible_surfels(const ViewPlan& plan, Get get) {
  Floats values;
  if (!plan.view.surfels) return values;
  for (const std::int32_t row : plan.lists.order) values.push_back(get(plan.surfels[row]));
  return values;
}

void report_surfels(const std::string& name, const ViewPlan& plan) {
  const auto report = [&](const char* what, auto get) {
    close(name + "." + what, of_visible_surfels(plan, get));
  };
  report("a0", [](const Surfel& s) { return s.a0; });
  report("a1", [](const Surfel& s) { return s.a1; });
  report("b0", [](const Surfel& s) { return s.b0; });
  report("b1", [](const Surfel& s) { return s.b1; });
  report("q0", [](const Surfel& s) { return s.q0; });
  report("q1", [](const Surfel& s) { return s.q1; });
  report("q2", [](const Surfel& s) { return s.q2; });
  report("z0", [](const Surfel& s) { return s.z0; });
  report("z1", [](const Surfel& s) { return s.z1; });
  report("z2", [](const Surfel& s) { return s.z2; });
}

ViewPlan check_forward(const std::string& name, const Gaussians& gaussians,
                       const PinholeView& view, const float* background, Images& images) {
  std::vector<std::int32_t> radii = integers(gaussians.count);
  Floats weights = floats(gaussians.count);
  ViewPlan plan = draw(gaussians.arrays(), gaussians.count, view, nullptr,
                       {background, images.colors.data(), images.alphas.data(),
                        images.depths.data(), nullptr, nullptr, weights.data()},
                       radii.data());
  report_splats(name, plan);
  report_surfels(name, plan);
  exact(name + ".radii", radii);
  close(name + ".colors", images.colors);
  close(name + ".alphas", images.alphas);
  close(name + ".depths", images.depths);
  close(name + ".weights", weights);
  exact(name + ".last", std::vector<std::int32_t>(plan.last.data(), plan.last.data() + kPixels));
  return plan;
}

void check_backward(const std::string& name, const Gaussians& gaussians, const ViewPlan& plan,
                    const float* background, const Images& images, Random& random) {
  const Floats colors = random.many(3 * kPixels, -1, 1), alphas = random.many(kPixels, -1, 1);
  const Floats depths = random.many(kPixels, -1, 1);
  const std::int64_t count = gaussians.count;
  Floats means = floats(3 * count), quaternions = floats(4 * count);
  Floats log_scales = floats(3 * count), logits = floats(count), centres = floats(2 * count);
  Floats sh = floats(3 * kCoefficients * count);
  std::vector<double> pose(12), backdrop(3);
  draw_backward(gaussians.arrays(), count, plan,
                {background, images.alphas.data(), images.depths.data(), nullptr, nullptr,
                 colors.data(), alphas.data(), depths.data()},
                nullptr,
                {means.data(), quaternions.data(), log_scales.data(), logits.data(), sh.data()},
                centres.data(), pose.data(), backdrop.data());
  close(name + ".means_gradient", means);
  close(name + ".quaternions_gradient", quaternions);
  close(name + ".log_scales_gradient", log_scales);
  close(name + ".logits_gradient", logits);
  close(name + ".sh_gradient", sh);
  close(name + ".centres_gradient", centres);
  close(name + ".pose_gradient", pose);
  close(name + ".background_gradient", backdrop);
}

void check_rows(const std::string& name, const ViewPlan& plan) {
  std::vector<std::int32_t> median = integers(kPixels), dominant = integers(kPixels);
  draw_rows(plan, median.data(), dominant.data());
  exact(name + ".median", median);
  exact(name + ".dominant", dominant);
}

void check_channels(const std::string& name, std::int64_t count, const ViewPlan& plan,
                    Random& random) {
  constexpr int kEach = 2, kChannels = 5;
  const Floats values = random.many(kEach * count, -1, 1);
  std::vector<std::int32_t> indices = integers(kEach * count);
  for (std::int32_t& index : indices) index = random.below(kChannels);
  const ChannelSet set{values.data(), indices.data(), kEach, kChannels};
  Floats images = floats(kChannels * kPixels);
  draw_channels(plan, set, images.data());
  close(name + ".channels", images);

  const Floats gradients = random.many(kChannels * kPixels, -1, 1);
  Floats by_values = floats(kEach * count), shape = floats(shape_sums(plan.view) * count);
  Floats absolute = floats(2 * count);
  draw_channels_backward(plan, set, gradients.data(),
                         {by_values.data(), shape.data(), absolute.data()});
  close(name + ".channel_values_gradient", by_values);
  close(name + ".channel_shape_gradient", shape);
  close(name + ".channel_absolute_gradient", absolute);
}

void check_view(const std::string& name, const Gaussians& gaussians, const PinholeView& view,
                Random& random) {
  const float background[] = {0.2f, 0.9f, 0.4f};
  Images images;
  const ViewPlan plan = check_forward(name, gaussians, view, background, images);
  check_backward(name, gaussians, plan, background, images, random);
  check_channels(name, gaussians.count, plan, random);
  check_rows(name, plan);
}

}  // namespace

void check_rasterize() {
  Random random(3);
  Gaussians gaussians(random, 400);
  gaussians.spoil();
  const Mode plain{false, false, false, 0.999f}, discs{false, false, true, 0.999f};
  check_view("perspective", gaussians, view_of(plain), random);
  check_view("orthographic", gaussians, view_of({true, true, false, 0.999f}), random);
  check_view("single", Gaussians(random, 1), view_of(plain), random);
  check_view("empty", Gaussians(random, 0), view_of(plain), random);
  check_view("clear", gaussians, view_of({false, false, false, 0.7f}), random);
  check_view("surfels", gaussians, view_of(discs), random);
  check_view("orthographic_surfels", gaussians, view_of({true, false, true, 0.9f}), random);
  check_view("single_surfel", Gaussians(random, 1), view_of(discs), random);
  check_view("no_surfels", Gaussians(random, 0), view_of(discs), random);
}

}  // namespace sparse3d::check
