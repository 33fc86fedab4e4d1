// The octree over sorted keys: its levels, the children of its nodes, and who lies beside whom.
#pragma once

#include <cstdint>
#include <vector>

namespace sparse3d {

constexpr int kAround = 27;  // a node and its 26 neighbours; x changes slowest, z fastest

// Level 0 are the cells; a node of level l + 1 holds up to eight of level l.
class OctreeLevels {
 public:
  // Of sorted, distinct keys whose coordinates are below 2^depth; throws if they are not. The keys
  // are read now and not kept.
  OctreeLevels(const std::int64_t* keys, std::int64_t count, int depth);

  int depth() const { return depth_; }
  std::int64_t size(int level) const;

  // Of levels from 1 on.
  void write_keys(int level, std::int64_t* keys) const;
  // Rows of the first children in the level below, and the number of rows there at the end.
  void write_children(int level, std::int64_t* offsets) const;

  // Rows of the nodes around each node of a level, -1 where there is none: [size(level), 27].
  // `above` is the same of the next coarser level, null at level `depth`; whatever it holds,
  // nothing is read or written out of bounds.
  void write_neighbours(int level, const std::int32_t* above, std::int32_t* out) const;

 private:
  struct Level {
    std::vector<std::int64_t> keys;
    std::vector<std::int32_t> first;   // child of each node
    std::vector<std::uint8_t> masks;   // which of its eight children are there
  };

  // The level above sorted keys.
  static Level above(const std::int64_t* keys, std::int64_t count);
  // Rows of the cells in and beside a node, 4 x 4 x 4, from the rows of the nodes around it.
  static void fill_window(const Level& parents, const std::int32_t* around, std::int32_t* window);
  // The 27 rows around each child of a node, out of its window.
  static void copy_rows(const Level& parents, std::int64_t node, const std::int32_t* window,
                        std::int32_t* out);

  const Level& nodes(int level) const { return levels_[static_cast<std::size_t>(level - 1)]; }

  int depth_;
  std::int64_t cells_;
  std::vector<Level> levels_;  // from level 1 on
};

}  // namespace sparse3d
