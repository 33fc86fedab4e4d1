// Points to voxels, reductions of segments, and sums of weighted rows.
#include "check/check.hpp"
#include "kernels/interpolate.hpp"
#include "kernels/segment.hpp"
#include "sparse/voxels.hpp"

namespace sparse3d::check {
namespace {

using Rows = std::vector<std::int64_t>;

void check_voxels(const std::string& name, const VoxelBox& box, std::int64_t count) {
  Random random(11);
  const Floats positions = random.many(3 * count, -4.5f, 4.5f);
  Rows batch;
  for (std::int64_t i = 0; i < count; ++i)
    batch.push_back(random.below(static_cast<std::int32_t>(box.batch_size)));
  const VoxelPlan plan(positions.data(), batch.data(), count, box);
  Rows keys(static_cast<std::size_t>(plan.cells())), points(static_cast<std::size_t>(plan.points()));
  Rows offsets(keys.size() + 1);
  plan.write(keys.data(), points.data(), offsets.data());
  exact(name + ".keys", keys);
  exact(name + ".points", points);
  exact(name + ".offsets", offsets);
}

// Both passes of all reductions over segments of 1 to 3 rows, in another order.
void check_segments() {
  constexpr std::int64_t kRows = 60, kChannels = 23;
  Random random(12);
  const Floats values = random.many(kRows * kChannels, -1, 1);
  Rows rows, offsets = {0};
  for (std::int64_t i = 0; i < kRows; ++i) rows.push_back(i * 7 % kRows);
  while (offsets.back() < kRows - 3) offsets.push_back(offsets.back() + 1 + random.below(3));
  offsets.push_back(kRows);
  const auto count = static_cast<std::int64_t>(offsets.size()) - 1;
  const Floats gradient = random.many(count * kChannels, -1, 1);
  const Segments<float> segments{values.data(), kRows, kChannels, rows.data(), offsets.data()};
  for (const Reduction reduction :
       {Reduction::sum, Reduction::mean, Reduction::max, Reduction::first}) {
    Floats reduced(gradient.size()), result(values.size());
    SPARSE3D_PICK(reduce_segments_float)(segments, reduction, 0, count, reduced.data());
    SPARSE3D_PICK(spread_segments_float)(segments, reduction, reduced.data(), gradient.data(), 0,
                                         count, result.data());
    const std::string name = "segments." + std::to_string(static_cast<int>(reduction));
    close(name + ".reduced", reduced);
    close(name + ".gradient", result);
  }
}

void check_corners() {
  constexpr std::int64_t kPoints = 40, kRows = 30, kChannels = 13;
  Random random(13);
  Rows rows;
  for (std::int64_t i = 0; i < kPoints * kCorners; ++i) rows.push_back(random.below(kRows + 1) - 1);
  const Floats weights = random.many(kPoints * kCorners, 0, 1);
  const Floats features = random.many(kRows * kChannels, -1, 1);
  const Floats values = random.many(kPoints * kChannels, -1, 1);
  Floats sums(values.size()), products(weights.size());
  SPARSE3D_PICK(gather_corners)({rows.data(), weights.data()}, features.data(), kChannels, 0,
                                kPoints, sums.data());
  SPARSE3D_PICK(multiply_corners)(rows.data(), features.data(), values.data(), kChannels, 0,
                                  kPoints, products.data());
  close("corners.gathered", sums);
  close("corners.products", products);
}

}  // namespace

void check_points() {
  check_voxels("voxels", {{-4, -3, -2}, {0.5f, 0.3f, 1}, {16, 20, 4}, 3}, 300);
  check_voxels("voxels.apart", {{-5, -5, -5}, {2e-4f, 2e-4f, 2e-4f}, {65536, 65536, 65536}, 16384},
               50);
  check_segments();
  check_corners();
}

}  // namespace sparse3d::check
