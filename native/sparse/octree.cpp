#include "sparse/octree.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "sparse/morton.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kKeysAPart = 1 << 15;
constexpr std::int64_t kNodesAPart = 1 << 10;
constexpr int kWindow = 64;  // 4 x 4 x 4 cells: the children of a node and what lies around them

std::int64_t parts_of(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

std::int64_t parent_of(std::int64_t key) { return (key & ~kCellMask) | (key & kCellMask) >> 3; }

// The places of one neighbour's children in the window.
struct Places {
  int count = 0;
  std::uint8_t octant[8], place[8];
};

// A cell of the window along an axis, 0 to 3, lies in the parent at (w + 1) / 2 of the three along
// that axis, and is the (w + 1) % 2 of its two cells.
std::array<Places, kAround> all_places() {
  std::array<Places, kAround> places;
  for (int x = 0; x < 4; ++x)
    for (int y = 0; y < 4; ++y)
      for (int z = 0; z < 4; ++z) {
        const int beside = 9 * ((x + 1) / 2) + 3 * ((y + 1) / 2) + (z + 1) / 2;
        Places& at = places[static_cast<std::size_t>(beside)];
        at.octant[at.count] =
            static_cast<std::uint8_t>((x + 1) % 2 << 2 | (y + 1) % 2 << 1 | (z + 1) % 2);
        at.place[at.count++] = static_cast<std::uint8_t>(16 * x + 4 * y + z);
      }
  return places;
}

// Which number among the children that are there each of the eight has, -1 if it is not there.
std::array<std::array<std::int8_t, 8>, 256> all_ranks() {
  std::array<std::array<std::int8_t, 8>, 256> ranks;
  for (std::size_t mask = 0; mask < 256; ++mask) {
    std::int8_t next = 0;
    for (std::size_t octant = 0; octant < 8; ++octant)
      ranks[mask][octant] = (mask >> octant & 1) != 0 ? next++ : std::int8_t{-1};
  }
  return ranks;
}

const std::array<Places, kAround> kPlaces = all_places();
const std::array<std::array<std::int8_t, 8>, 256> kRanks = all_ranks();

// The first place in [begin, end) where a node begins: a key with another parent than the last.
std::int64_t next_head(const std::int64_t* keys, std::int64_t begin, std::int64_t end) {
  while (begin > 0 && begin < end && parent_of(keys[begin]) == parent_of(keys[begin - 1])) ++begin;
  return begin;
}

std::int64_t count_heads(const std::int64_t* keys, std::int64_t begin, std::int64_t end) {
  std::int64_t heads = 0;
  for (std::int64_t i = begin; i < end; ++i)
    heads += i == 0 || parent_of(keys[i]) != parent_of(keys[i - 1]);
  return heads;
}

// Where the nodes of each part of the keys are written; the number of nodes comes last.
std::vector<std::int64_t> lay_out(const std::int64_t* keys, std::int64_t count) {
  const std::int64_t parts = parts_of(count, kKeysAPart);
  std::vector<std::int64_t> places(static_cast<std::size_t>(parts) + 1, 0);
#pragma omp parallel for schedule(static) if (parts > 1)
  for (std::int64_t part = 0; part < parts; ++part)
    places[static_cast<std::size_t>(part) + 1] = count_heads(
        keys, part * kKeysAPart, std::min(count, (part + 1) * kKeysAPart));
  for (std::size_t part = 0; part < static_cast<std::size_t>(parts); ++part)
    places[part + 1] += places[part];
  return places;
}

bool valid(const std::int64_t* keys, std::int64_t count, int depth) {
  const std::int64_t above = kCellMask ^ ((std::int64_t{1} << 3 * depth) - 1);
  int wrong = 0;
#pragma omp parallel for schedule(static) reduction(| : wrong) if (count > kKeysAPart)
  for (std::int64_t i = 0; i < count; ++i)
    wrong |= keys[i] < 0 || (keys[i] & above) != 0 || (i > 0 && keys[i] <= keys[i - 1]);
  return wrong == 0;
}

}  // namespace

OctreeLevels::OctreeLevels(const std::int64_t* keys, std::int64_t count, int depth)
    : depth_(depth), cells_(count) {
  if (depth < 0 || depth > kAxisBits) throw std::invalid_argument("a depth of 0 to 16 expected");
  if (count > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("at most 2^31 - 1 cells expected");
  if (!valid(keys, count, depth))
    throw std::invalid_argument("keys must be sorted, distinct, not negative and of the depth");
  for (int level = 0; level < depth; ++level) {
    levels_.push_back(above(keys, count));
    keys = levels_.back().keys.data();
    count = static_cast<std::int64_t>(levels_.back().keys.size());
  }
}

OctreeLevels::Level OctreeLevels::above(const std::int64_t* keys, std::int64_t count) {
  const std::vector<std::int64_t> places = lay_out(keys, count);
  const auto nodes = static_cast<std::size_t>(places.back());
  Level level{std::vector<std::int64_t>(nodes), std::vector<std::int32_t>(nodes),
              std::vector<std::uint8_t>(nodes)};
  const std::int64_t parts = parts_of(count, kKeysAPart);
#pragma omp parallel for schedule(static) if (parts > 1)
  for (std::int64_t part = 0; part < parts; ++part) {
    auto node = static_cast<std::size_t>(places[static_cast<std::size_t>(part)]);
    const std::int64_t end = std::min(count, (part + 1) * kKeysAPart);
    // The last node of a part may have children in the next, which skips them.
    for (std::int64_t i = next_head(keys, part * kKeysAPart, end); i < end; ++node) {
      const std::int64_t parent = parent_of(keys[i]);
      level.keys[node] = parent;
      level.first[node] = static_cast<std::int32_t>(i);
      unsigned mask = 0;
      for (; i < count && parent_of(keys[i]) == parent; ++i) mask |= 1u << (keys[i] & 7);
      level.masks[node] = static_cast<std::uint8_t>(mask);
    }
  }
  return level;
}

std::int64_t OctreeLevels::size(int level) const {
  if (level < 0 || level > depth_) throw std::invalid_argument("no such level");
  return level == 0 ? cells_ : static_cast<std::int64_t>(nodes(level).keys.size());
}

void OctreeLevels::write_keys(int level, std::int64_t* keys) const {
  std::copy(nodes(level).keys.begin(), nodes(level).keys.end(), keys);
}

void OctreeLevels::write_children(int level, std::int64_t* offsets) const {
  offsets = std::copy(nodes(level).first.begin(), nodes(level).first.end(), offsets);
  *offsets = size(level - 1);
}

void OctreeLevels::write_neighbours(int level, const std::int32_t* above,
                                    std::int32_t* out) const {
  if (level == depth_) {  // one root a batch element, and nothing beside it
    std::fill(out, out + kAround * size(level), -1);
    for (std::int64_t row = 0; row < size(level); ++row)
      out[kAround * row + kAround / 2] = static_cast<std::int32_t>(row);
    return;
  }
  const Level& parents = nodes(level + 1);
  const std::int64_t count = size(level + 1), parts = parts_of(count, kNodesAPart);
#pragma omp parallel for schedule(static) if (parts > 1)
  for (std::int64_t part = 0; part < parts; ++part) {
    std::int32_t window[kWindow];
    const std::int64_t end = std::min(count, (part + 1) * kNodesAPart);
    for (std::int64_t node = part * kNodesAPart; node < end; ++node) {
      fill_window(parents, above + kAround * node, window);
      copy_rows(parents, node, window, out);
    }
  }
}

void OctreeLevels::fill_window(const Level& parents, const std::int32_t* around,
                               std::int32_t* window) {
  const auto count = static_cast<std::int64_t>(parents.keys.size());
  std::fill(window, window + kWindow, -1);
  for (std::size_t beside = 0; beside < kAround; ++beside) {
    if (around[beside] < 0 || around[beside] >= count) continue;
    const auto row = static_cast<std::size_t>(around[beside]);
    const auto& ranks = kRanks[parents.masks[row]];
    const Places& places = kPlaces[beside];
    for (int i = 0; i < places.count; ++i) {
      const std::int8_t rank = ranks[places.octant[i]];
      window[places.place[i]] = rank < 0 ? -1 : parents.first[row] + rank;
    }
  }
}

void OctreeLevels::copy_rows(const Level& parents, std::int64_t node, const std::int32_t* window,
                             std::int32_t* out) {
  const auto& ranks = kRanks[parents.masks[static_cast<std::size_t>(node)]];
  const std::int64_t first = parents.first[static_cast<std::size_t>(node)];
  for (int octant = 0; octant < 8; ++octant) {
    const std::int8_t rank = ranks[static_cast<std::size_t>(octant)];
    if (rank < 0) continue;
    std::int32_t* row = out + kAround * (first + rank);
    const std::int32_t* corner =
        window + 16 * (octant >> 2) + 4 * (octant >> 1 & 1) + (octant & 1);
    for (int x = 0; x < 3; ++x)
      for (int y = 0; y < 3; ++y, row += 3)
        std::memcpy(row, corner + 16 * x + 4 * y, 3 * sizeof(std::int32_t));
  }
}

}  // namespace sparse3d
