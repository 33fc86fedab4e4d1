#include "kernels/statistics.hpp"

#include "kernels/channel_rows.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// What a tile knows of its pixels' medians and of their dominant Gaussians so far.
struct Found {
  std::int32_t medians[kTile][kTile], dominants[kTile][kTile];
  alignas(64) ReplayRow t[kTile], best[kTile];
};

void start(Found& found) {
  for (int row = 0; row < kTile; ++row)
    for (int i = 0; i < kTile; ++i) {
      found.t[row][i] = 1.0f;
      found.best[row][i] = 0.0f;
      found.medians[row][i] = found.dominants[row][i] = -1;
    }
}

inline void find_in_row(std::int32_t splat, const float* weights, int row, Found& found) {
  const float* t = found.t[row];
  float* best = found.best[row];
  std::int32_t *medians = found.medians[row], *dominants = found.dominants[row];
#pragma omp simd
  for (int i = 0; i < kTile; ++i) {
    medians[i] = t[i] < 0.5f && medians[i] < 0 ? splat : medians[i];
    dominants[i] = weights[i] > best[i] ? splat : dominants[i];
    best[i] = weights[i] > best[i] ? weights[i] : best[i];
  }
}

template <typename Cover>
void find_in_tile(const TileView& tile, const std::int32_t* last, std::int32_t* median,
                  std::int32_t* dominant) {
  Ends ends;
  load_ends(tile, last, ends);
  Found found;
  start(found);
  for (std::int32_t index = 0; index <= ends.tile; ++index) {
    const std::int32_t splat = tile.entries[index].splat;
    const Reached r = reached_rows(tile.splats[splat], tile);
    const auto brush = Cover::brush(tile, splat, r);
    for (int row = r.first; row <= r.last; ++row) {
      RowPlace place;
      if (index > ends.row[row] || !place_row(r, row, &place)) continue;
      const auto stroke = Cover::stroke(brush, place, row);
      alignas(64) ReplayRow weights;
      for (int at = 0; at < kTile; at += kLanes)
        store_lanes(weights + at, weigh<Cover>(brush, stroke, tile.max_alpha, index,
                                               ends.pixel[row], at, found.t[row]));
      find_in_row(splat, weights, row, found);
    }
  }
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      median[pixel] = found.medians[row][i];
      dominant[pixel] = found.dominants[row][i];
    }
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
