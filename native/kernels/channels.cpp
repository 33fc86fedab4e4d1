#include "kernels/channels.hpp"

#include "kernels/channel_strips.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// From [strip][channel][lane] to the tile's part of [height][width][channel].
void store(const TileView& tile, int count, const float* sums, float* images) {
  for (int row = 0; row < tile.rows; ++row)
    for (int i = 0; i < tile.columns; ++i) {
      const std::int64_t pixel = std::int64_t{tile.y + row} * tile.width + tile.x + i;
      const float* from = sums + (i / kLanes * kTile + row) * count * kLanes + i % kLanes;
      for (int c = 0; c < count; ++c) images[pixel * count + c] = from[c * kLanes];
    }
}

// `sums`: of the channels of a strip.
inline void add_values(const Values& own, int each, Lanes weight, float* sums) {
  for (int j = 0; j < each; ++j) {
    float* sum = sums + own.channel(j) * kLanes;
    store_lanes(sum, fused(weight, all_lanes(own.values[j]), load_lanes(sum)));
  }
}

template <typename Cover>
void blend_tile(const TileView& tile, const ChannelSet& set, const std::int32_t* last,
                float* scratch, float* images) {
  StripEnds ends(tile, last);
  StripValues<std::int32_t> lasts;
  StripValues<float> t;
  lasts.load(tile, last, -1);
  t.fill(1.0f);
  fill(scratch, set.count * kTile * kTile, 0.0f);
  for (std::int32_t index = 0; index <= ends.last(); ++index) {
    const Values own = values_of(set, tile.entries[index].splat);
    for_each_strip<Cover>(tile, index, ends.live(index), [&](const Line<Cover>& line, int strip) {
      const Lanes weight = weigh(line, strip, lasts.of[strip], t.of[strip]);
      add_values(own, set.each, weight, scratch + strip * set.count * kLanes);
    });
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
