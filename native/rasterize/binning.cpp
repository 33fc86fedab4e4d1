#include "rasterize/binning.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

#include "sparse/sort.hpp"

namespace sparse3d {
namespace {

struct Grid {
  int width, height, columns, rows;
  const bool* wanted;  // tiles, row-major; all of them if null
};

struct Sortable {
  std::uint32_t key;
  std::int32_t splat;
};

// Positive floats are ordered as their bits are.
std::uint32_t depth_key(float depth) {
  std::uint32_t bits;
  std::memcpy(&bits, &depth, sizeof bits);
  return bits;
}

// Visible splats, part by part, and the span of their keys.
struct Visible {
  Buffer<Sortable> items;
  std::vector<Range> parts;
  std::uint32_t first = std::numeric_limits<std::uint32_t>::max(), last = 0;
};

Visible find_visible(const Splat* splats, std::int64_t count) {
  Visible found{Buffer<Sortable>(count), parts_of(Range{0, count})};
  std::uint32_t first = found.first, last = found.last;
#pragma omp parallel for schedule(dynamic) reduction(min : first) reduction(max : last)
  for (std::int64_t part = 0; part < static_cast<std::int64_t>(found.parts.size()); ++part) {
    Range& range = found.parts[static_cast<std::size_t>(part)];
    std::int64_t next = range.begin;
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      if (splats[i].reach < 0) continue;
      const std::uint32_t key = depth_key(splats[i].depth);
      first = std::min(first, key);
      last = std::max(last, key);
      found.items[next++] = {key, static_cast<std::int32_t>(i)};
    }
    range.end = next;
  }
  found.first = first;
  found.last = last;
  return found;
}

std::vector<std::int32_t> front_to_back(const Splat* splats, std::int64_t count) {
  Visible found = find_visible(splats, count);
  const std::int64_t visible = total_of(found.parts);
  std::vector<std::int32_t> order(static_cast<std::size_t>(visible));
  if (visible == 0) return order;
  int bits = 0;
  for (std::uint32_t span = found.last - found.first; span != 0; span >>= 1) ++bits;
  const auto number = [first = found.first](const Sortable& item) {
    return std::uint64_t{item.key - first};
  };
  RadixSort sort(std::move(found.items), found.parts, std::max(bits, 1), number);
  const auto sorted = std::move(sort).result();
  for (std::int64_t i = 0; i < visible; ++i)
    order[static_cast<std::size_t>(i)] = sorted.items[i].splat;
  return order;
}

// Numbers of the first and last pixel centre in [low, high], within [0, count).
struct Centres {
  int first, last;
};

Centres centres(float low, float high, int count) {
  const auto limit = static_cast<float>(count);
  const float start = std::clamp(low - 0.5f, 0.0f, limit);
  const int below = static_cast<int>(start);  // conversions cut off, and are no function calls
  return {below + (start > static_cast<float>(below) ? 1 : 0),
          static_cast<int>(std::clamp(high + 0.5f, 0.0f, limit)) - 1};
}

// Calls visit(first tile, count) for the tiles with a pixel centre in the ellipse, row by row
// (AccuTile of Speedy-Splat, Hanson et al. 2025, on pixel centres): in a band of rows, the ellipse
// is widest at its own extreme point, or at the edge of the band that is nearest to it.
template <typename Visit>
void for_each_span(const Splat& s, const Grid& grid, Visit visit) {
  const float slack = 0.01f + 1e-6f * (std::abs(s.x) + std::abs(s.y));
  const Centres rows = centres(s.y - s.height - slack, s.y + s.height + slack, grid.height);
  const auto half_width = [&](float dy) {
    const float v = s.c * dy;
    return std::sqrt(std::max(s.reach - v * v, 0.0f)) / s.a;
  };
  for (int band = rows.first / kTile; band <= rows.last / kTile && rows.first <= rows.last;
       ++band) {
    const float top = static_cast<float>(std::max(rows.first, band * kTile)) + 0.5f - s.y;
    const float bottom =
        static_cast<float>(std::min(rows.last, band * kTile + kTile - 1)) + 0.5f - s.y;
    const float right = std::clamp(s.skew, top, bottom), left = std::clamp(-s.skew, top, bottom);
    const Centres columns = centres(s.x - s.k * left - half_width(left) - slack,
                                  s.x - s.k * right + half_width(right) + slack, grid.width);
    if (columns.first > columns.last) continue;
    const int first = band * grid.columns + columns.first / kTile;
    const int last = band * grid.columns + columns.last / kTile;
    if (grid.wanted == nullptr) {
      visit(first, last - first + 1);
      continue;
    }
    for (int tile = first; tile <= last; ++tile)
      if (grid.wanted[tile]) visit(tile, 1);
  }
}

// Tiles side by side that a splat touches.
struct Span {
  std::int32_t splat, tile, count;
};

// Splats in front-to-back order are cut into parts; each part counts and fills on its own, and the
// starts make the parts follow each other within every tile.
struct Parts {
  std::int64_t count;
  std::vector<std::int64_t> tile_counts;  // [count, tiles]
  std::vector<std::vector<Span>> spans;   // of each part, front to back
};

constexpr std::int64_t kSplatsAPart = 4096;
constexpr std::int64_t kAhead = 16;  // splats, which are far apart in memory

void prefetch(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#endif
}

std::int64_t part_count(std::int64_t splats) {
  return std::clamp<std::int64_t>(splats / kSplatsAPart, 1, 16);
}

Parts count_entries(const Splat* splats, const Grid& grid, TileLists& lists) {
  const auto visible = static_cast<std::int64_t>(lists.order.size());
  const std::int64_t tiles = std::int64_t{grid.columns} * grid.rows;
  Parts parts{part_count(visible), {}, {}};
  parts.tile_counts.assign(static_cast<std::size_t>(parts.count * tiles), 0);
  parts.spans.resize(static_cast<std::size_t>(parts.count));
  lists.slot_starts.assign(static_cast<std::size_t>(visible) + 1, 0);
#pragma omp parallel for schedule(static)
  for (std::int64_t part = 0; part < parts.count; ++part) {
    std::int64_t* counts = parts.tile_counts.data() + part * tiles;
    std::vector<Span>& spans = parts.spans[static_cast<std::size_t>(part)];
    const std::int64_t end = visible * (part + 1) / parts.count;
    for (std::int64_t i = visible * part / parts.count; i < end; ++i) {
      const std::int32_t splat = lists.order[static_cast<std::size_t>(i)];
      const std::int64_t ahead = std::min(i + kAhead, end - 1);
      prefetch(splats + lists.order[static_cast<std::size_t>(ahead)]);
      std::int64_t touched = 0;
      for_each_span(splats[splat], grid, [&](int tile, int count) {
        for (int step = 0; step < count; ++step) ++counts[tile + step];
        spans.push_back({splat, tile, count});
        touched += count;
      });
      lists.slot_starts[static_cast<std::size_t>(i) + 1] = touched;
    }
  }
  return parts;
}

// Turns counts into the first entry of each part in each tile.
void lay_out(Parts& parts, std::int64_t tiles, TileLists& lists) {
  for (std::size_t i = 1; i < lists.slot_starts.size(); ++i)
    lists.slot_starts[i] += lists.slot_starts[i - 1];
  lists.entry_starts.resize(static_cast<std::size_t>(tiles) + 1);
  std::int64_t next = 0;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    lists.entry_starts[static_cast<std::size_t>(tile)] = next;
    for (std::int64_t part = 0; part < parts.count; ++part) {
      std::int64_t& cell = parts.tile_counts[static_cast<std::size_t>(part * tiles + tile)];
      const std::int64_t count = cell;
      cell = next;
      next += count;
    }
  }
  lists.entry_starts[static_cast<std::size_t>(tiles)] = next;
}

void fill(std::int64_t tiles, Parts& parts, TileLists& lists) {
  const auto visible = static_cast<std::int64_t>(lists.order.size());
#pragma omp parallel for schedule(static)
  for (std::int64_t part = 0; part < parts.count; ++part) {
    std::int64_t* next = parts.tile_counts.data() + part * tiles;
    const auto first = static_cast<std::size_t>(visible * part / parts.count);
    auto slot = static_cast<std::int32_t>(lists.slot_starts[first]);
    for (const Span& span : parts.spans[static_cast<std::size_t>(part)])
      for (int tile = span.tile; tile < span.tile + span.count; ++tile)
        lists.entries[next[tile]++] = {span.splat, slot++};
  }
}

}  // namespace

TileLists list_by_tile(const Splat* splats, std::int64_t count, int width, int height,
                       const bool* wanted) {
  const Grid grid{width, height, (width + kTile - 1) / kTile, (height + kTile - 1) / kTile,
                  wanted};
  const std::int64_t tiles = std::int64_t{grid.columns} * grid.rows;
  TileLists lists;
  lists.order = front_to_back(splats, count);
  Parts parts = count_entries(splats, grid, lists);
  lay_out(parts, tiles, lists);
  if (lists.slot_starts.back() > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("Gaussians cover more than 2^31 tiles in one view");
  lists.entries = Buffer<Entry>(lists.slot_starts.back());
  fill(tiles, parts, lists);
  return lists;
}

}  // namespace sparse3d
