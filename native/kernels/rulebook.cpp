#include "kernels/rulebook.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

inline int ones(std::uint64_t bits) {
#if defined(__GNUC__)
  return __builtin_popcountll(bits);
#else
  int count = 0;
  for (; bits != 0; bits &= bits - 1) ++count;
  return count;
#endif
}

inline std::uint64_t bit(int number) { return std::uint64_t{1} << number; }

// Calls visit(offset, source, target) for all pairs of the cells of the blocks.
template <typename Visit>
inline void for_each_pair(const BlockCells& cells, const OffsetSteps* steps, int offsets,
                          std::int64_t begin, std::int64_t end, Visit visit) {
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int32_t* around = cells.around[block].rows;
    std::int32_t target = cells.first[block];
    for (int cell = 0; cell < kCellsABlock; ++cell) {
      if ((cells.masks[block] & bit(cell)) == 0) continue;
      for (int k = 0; k < offsets; ++k) {
        const std::int32_t other = around[steps[k].block[cell]];
        if (other < 0) continue;
        const std::uint64_t mask = cells.masks[other], wanted = bit(steps[k].cell[cell]);
        if ((mask & wanted) != 0)
          visit(k, cells.first[other] + ones(mask & (wanted - 1)), target);
      }
      ++target;
    }
  }
}

}  // namespace

void count_neighbours(const BlockCells& cells, const OffsetSteps* steps, int offsets,
                      std::int64_t begin, std::int64_t end, std::int64_t* counts) {
  for_each_pair(cells, steps, offsets, begin, end,
                [&](int k, std::int32_t, std::int32_t) { ++counts[k]; });
}

void list_neighbours(const BlockCells& cells, const OffsetSteps* steps, int offsets,
                     std::int64_t begin, std::int64_t end, std::int64_t* places,
                     std::int32_t* sources, std::int32_t* targets) {
  for_each_pair(cells, steps, offsets, begin, end,
                [&](int k, std::int32_t source, std::int32_t target) {
                  sources[places[k]] = source;
                  targets[places[k]++] = target;
                });
}

}  // namespace sparse3d::SPARSE3D_ISA
