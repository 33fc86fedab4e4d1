#include "kernels/channels.hpp"

#include "kernels/channel_rows.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// From [row][channel][column] to the tile's part of [height][width][channel]: an entry reaches
// a few rows, and what it needs of them lies together.
void store(const TileView& tile, int count, const float* sums, float* images) {
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      for (int c = 0; c < count; ++c) images[pixel * count + c] = sums[(row * count + c) * kTile + i];
    }
}

// `sums`: of the channels at a part of a row.
inline void add_values(const Values& own, int each, Lanes weight, float* sums) {
  for (int j = 0; j < each; ++j) {
    float* sum = sums + own.channel(j) * kTile;
    store_lanes(sum, fused(weight, all_lanes(own.values[j]), load_lanes(sum)));
  }
}

template <typename Cover>
void blend_tile(const TileView& tile, const ChannelSet& set, const std::int32_t* last,
                float* scratch, float* images) {
  Ends ends;
  load_ends(tile, last, ends);
  alignas(64) ReplayRow t[kTile];
  fill(&t[0][0], kTile * kTile, 1.0f);
  fill(scratch, set.count * kTile * kTile, 0.0f);
  for (std::int32_t index = 0; index <= ends.tile; ++index) {
    const std::int32_t splat = tile.entries[index].splat;
    const Reached r = reached_rows(tile.splats[splat], tile);
    const auto brush = Cover::brush(tile, splat, r);
    const Values own = values_of(set, splat);
    for (int row = r.first; row <= r.last; ++row) {
      RowPlace place;
      if (index > ends.row[row] || !place_row(r, row, &place)) continue;
      const auto stroke = Cover::stroke(brush, place, row);
      for (int at = 0; at < kTile; at += kLanes) {
        if (!reaches(r, place, at, kLanes)) continue;
        const Lanes weight = weigh<Cover>(brush, stroke, tile.max_alpha, index, ends.pixel[row],
                                          at, t[row]);
        add_values(own, set.each, weight, scratch + std::int64_t{row} * set.count * kTile + at);
      }
    }
  }
  store(tile, set.count, scratch, images);
}

}  // namespace

void blend_channels(const TileView& tile, const ChannelSet& set, const std::int32_t* last,
                    float* scratch, float* images) {
  blend_tile<SplatCover>(tile, set, last, scratch, images);
}

void blend_surfel_channels(const TileView& tile, const ChannelSet& set, const std::int32_t* last,
                           float* scratch, float* images) {
  blend_tile<SurfelCover>(tile, set, last, scratch, images);
}

}  // namespace sparse3d::SPARSE3D_ISA
