#include "kernels/rulebook.hpp"

#include "kernels/bits.hpp"
#include "sparse/morton.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr int kSlots = 1 << kBlockShift;
constexpr int kRegionSlots = 8;

inline std::uint64_t bit_of(std::int64_t key) { return std::uint64_t{1} << (key & (kSlots - 1)); }

inline bool holds(const Block& block, std::int64_t key) { return (block.mask & bit_of(key)) != 0; }
inline std::int32_t row_in(const Block& block, std::int64_t key) {
  return block.first + ones(block.mask & (bit_of(key) - 1));
}

// The blocks and regions looked up last; without a bit in their mask those that are not there. Any
// 4 x 4 x 4 blocks, one beside the other, have a slot each, and so have 2 x 2 x 2 regions.
class Cache {
 public:
  explicit Cache(const CellIndex& cells) : cells_(cells) {
    for (Block& slot : blocks_) slot = {0, -1, 0};
    for (Block& slot : regions_) slot = {0, -1, 0};
  }
  const Block& block_of(std::int64_t key) {
    Block& slot = blocks_[key & (kSlots - 1)];
    if (slot.key != key) look_up(key, slot);
    return slot;
  }

 private:
  void look_up(std::int64_t key, Block& slot) {
    const std::int64_t region = key >> kBlockShift;
    Block& around = regions_[region & (kRegionSlots - 1)];
    if (around.key != region) around = find_region(region);
    slot = {0, key, 0};
    if (holds(around, key)) slot = cells_.blocks[row_in(around, key)];
  }
  Block find_region(std::int64_t key) const {
    std::uint64_t place = place_of_region(key, cells_.table_mask);
    for (std::int32_t row; (row = cells_.table[place]) >= 0;
         place = (place + 1) & cells_.table_mask)
      if (cells_.regions[row].key == key) return cells_.regions[row];
    return {0, key, 0};
  }

  const CellIndex cells_;
  Block blocks_[kSlots];
  Block regions_[kRegionSlots];
};

// The inputs that may be read along one axis.
struct Range {
  const AxisRead* begin;
  const AxisRead* end;
};

inline Range range_of(const AxisReads& axis, std::int32_t at) {
  return {axis.reads + axis.starts[at], axis.reads + axis.starts[at + 1]};
}

// Where the pairs of an output go.
struct Pairs {
  std::uint64_t target;
  std::int64_t room;
  std::uint64_t* pairs;
  std::int32_t* counts;

  void add(std::int32_t number, std::int32_t row) {
    pairs[number * room + counts[number]++] = target | static_cast<std::uint32_t>(row);
  }
};

// Adds the pairs of one output with the cells `wanted` of a block.
inline void add_pairs(const Block& block, std::uint64_t wanted, const AxisRead& x,
                      const AxisRead& y, const AxisRead& z, Pairs& pairs) {
  for (std::uint64_t rest = block.mask & wanted; rest != 0; rest &= rest - 1) {
    const int cell = lowest(rest);
    pairs.add(x.numbers[cell >> 2 & 9] + y.numbers[cell >> 1 & 9] + z.numbers[cell & 9],
              row_in(block, cell));
  }
}

}  // namespace

bool find_pairs(const CellIndex& cells, const AxisReads* axes, const std::int64_t* outputs,
                std::int64_t begin, std::int64_t end, std::int64_t room, std::uint64_t* pairs,
                std::int32_t* counts) {
  Cache cache(cells);
  for (std::int64_t row = begin; row < end; ++row) {
    const Cell at = decode(outputs[row]);
    if (at.x >= axes[0].extent || at.y >= axes[1].extent || at.z >= axes[2].extent) return false;
    const std::int64_t batch = at.batch << (3 * kAxisBits - kBlockShift);
    Pairs found{static_cast<std::uint64_t>(row) << 32, room, pairs, counts};
    const Range xs = range_of(axes[0], at.x), ys = range_of(axes[1], at.y);
    const Range zs = range_of(axes[2], at.z);
    for (const AxisRead* x = xs.begin; x != xs.end; ++x)
      for (const AxisRead* y = ys.begin; y != ys.end; ++y) {
        const std::uint64_t below = (x->below & y->any) | (x->center & y->below);
        const std::uint64_t center = x->center & y->center;
        for (const AxisRead* z = zs.begin; z != zs.end; ++z) {
          const std::uint64_t wanted = (below & z->any) | (center & z->below);
          if (wanted == 0) continue;
          add_pairs(cache.block_of(batch | x->block | y->block | z->block), wanted, *x, *y, *z,
                    found);
        }
      }
  }
  return true;
}

}  // namespace sparse3d::SPARSE3D_ISA
