#include "kernels/statistics.hpp"

#include "kernels/channel_strips.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// What a tile knows of its pixels' medians and of their dominant Gaussians so far.
struct Found {
  StripValues<std::int32_t> medians, dominants;
  StripValues<float> t, best;
};

inline void find_in_strip(std::int32_t splat, const float* weights, int strip, Found& found) {
  const float* t = found.t.of[strip];
  float* best = found.best.of[strip];
  std::int32_t *medians = found.medians.of[strip], *dominants = found.dominants.of[strip];
#pragma omp simd
  for (int i = 0; i < kLanes; ++i) {
    medians[i] = t[i] < 0.5f && medians[i] < 0 ? splat : medians[i];
    dominants[i] = weights[i] > best[i] ? splat : dominants[i];
    best[i] = weights[i] > best[i] ? weights[i] : best[i];
  }
}

template <typename Cover>
void find_in_tile(const TileView& tile, const std::int32_t* last, std::int32_t* median,
                  std::int32_t* dominant) {
  StripEnds ends(tile, last);
  StripValues<std::int32_t> lasts;
  lasts.load(tile, last, -1);
  Found found;
  found.medians.fill(-1);
  found.dominants.fill(-1);
  found.t.fill(1.0f);
  found.best.fill(0.0f);
  for (std::int32_t index = 0; index <= ends.last(); ++index) {
    const std::int32_t splat = tile.entries[index].splat;
    for_each_strip<Cover>(tile, index, ends.live(index), [&](const Line<Cover>& line, int strip) {
      alignas(64) float weights[kLanes];
      store_lanes(weights, weigh(line, strip, lasts.of[strip], found.t.of[strip]));
      find_in_strip(splat, weights, strip, found);
    });
  }
  found.medians.store(tile, median);
  found.dominants.store(tile, dominant);
}

}  // namespace

void find_rows(const TileView& tile, const std::int32_t* last, std::int32_t* median,
               std::int32_t* dominant) {
  find_in_tile<SplatCover>(tile, last, median, dominant);
}

void find_surfel_rows(const TileView& tile, const std::int32_t* last, std::int32_t* median,
                      std::int32_t* dominant) {
  find_in_tile<SurfelCover>(tile, last, median, dominant);
}

}  // namespace sparse3d::SPARSE3D_ISA
