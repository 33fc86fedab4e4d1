#include "sparse/pool.hpp"

#include <omp.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "kernels/pool.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kBlock = 64;          // output rows that are worked on at once
constexpr std::int64_t kSharesAThread = 4;   // of the inputs, where winners are scattered to
constexpr std::int64_t kRowsAShare = 256;    // at least

template <typename T>
std::unique_ptr<T[]> new_values(std::int64_t count) {
  return std::unique_ptr<T[]>(new T[static_cast<std::size_t>(std::max<std::int64_t>(count, 1))]);
}

// Sums of the blocks of outputs: add(pairs, first, sums) adds pairs of one offset, and
// write(block, sums) takes what they came to.
template <typename Add, typename Write>
void sum_blocks(const PairList& rules, const PairBlocks& blocks, std::int64_t channels, Add add,
                Write write) {
#pragma omp parallel
  {
    const auto sums = new_values<float>(blocks.most_rows() * channels);
#pragma omp for schedule(dynamic)
    for (std::int64_t block = 0; block < blocks.count(); ++block) {
      std::fill_n(sums.get(), blocks.rows(block) * channels, 0.0f);
      for (std::int64_t k = 0; k < rules.offsets(); ++k)
        add(blocks.pairs(k, block), blocks.first(block), sums.get());
      write(block, sums.get());
    }
  }
}

// What rows of winners name, some rows at a time.
class WinnerBlocks {
 public:
  // Throws if a winner is neither -1 nor one of the inputs.
  WinnerBlocks(const std::int64_t* winners, std::int64_t rows, std::int64_t channels,
               std::int64_t inputs)
      : rows_(rows), ranges_(static_cast<std::size_t>((rows + kBlock - 1) / kBlock)) {
    bool good = true;
#pragma omp parallel for schedule(static) reduction(&& : good)
    for (std::int64_t block = 0; block < count(); ++block)
      good = SPARSE3D_PICK(find_range)(winners + first(block) * channels, rows_of(block) * channels,
                                       inputs, ranges_[static_cast<std::size_t>(block)]) && good;
    if (!good) throw std::invalid_argument("winners must be -1 or rows of the inputs");
  }
  std::int64_t count() const { return static_cast<std::int64_t>(ranges_.size()); }
  std::int64_t first(std::int64_t block) const { return block * kBlock; }
  std::int64_t rows_of(std::int64_t block) const { return std::min(kBlock, rows_ - first(block)); }
  bool reaches(std::int64_t block, std::int64_t begin, std::int64_t end) const {
    const WinnerRange& range = ranges_[static_cast<std::size_t>(block)];
    return range.low < end && range.high >= begin;
  }

 private:
  std::int64_t rows_;
  std::vector<WinnerRange> ranges_;
};

// Where sums are taken: in the output itself, unless they have to be rounded.
float* sums_in(float* out, std::unique_ptr<float[]>&, std::int64_t) { return out; }
float* sums_in(bfloat16*, std::unique_ptr<float[]>& space, std::int64_t count) {
  if (space == nullptr) space = new_values<float>(count);
  return space.get();
}

}  // namespace

template <typename T>
void pool_largest(const PairList& rules, const T* features, const PoolRows<T>& out,
                  std::int64_t* winners) {
  const PairBlocks blocks(rules, out.rows, kBlock);
#pragma omp parallel
  {
    const std::int64_t room = blocks.most_rows() * out.channels;
    const auto values = new_values<float>(room);
    const auto own_winners = new_values<std::int32_t>(room);
    const Largest largest{values.get(), own_winners.get()};
#pragma omp for schedule(dynamic)
    for (std::int64_t block = 0; block < blocks.count(); ++block) {
      const std::int64_t first = blocks.first(block), count = blocks.rows(block) * out.channels;
      std::fill_n(largest.values, count, 0.0f);
      std::fill_n(largest.winners, count, -1);
      for (std::int64_t k = 0; k < rules.offsets(); ++k)
        SPARSE3D_PICK(take_larger<T>)(blocks.pairs(k, block), features, out.channels, first,
                                      largest);
      SPARSE3D_PICK(write_largest<T>)(largest, count, out.values + first * out.channels,
                                      winners + first * out.channels);
    }
  }
}

template <typename T>
void pool_means(const PairList& rules, const T* features, const PoolRows<T>& out, float* reads) {
  const PairBlocks blocks(rules, out.rows, kBlock);
  std::fill_n(reads, out.rows, 0.0f);
  sum_blocks(
      rules, blocks, out.channels,
      [&](const RulePairs& pairs, std::int64_t first, float* sums) {
        SPARSE3D_PICK(add_rows<T>)(pairs, features, nullptr, out.channels, first, sums);
        SPARSE3D_PICK(count_reads)(pairs, first, reads + first);
      },
      [&](std::int64_t block, const float* sums) {
        const std::int64_t first = blocks.first(block), rows = blocks.rows(block);
        float* own = reads + first;
        std::replace(own, own + rows, 0.0f, 1.0f);
        SPARSE3D_PICK(write_rows<T>)(sums, own, rows, out.channels,
                                     out.values + first * out.channels);
      });
}

template <typename T>
void pool_shares(const PairList& rules, const T* features, const float* divisors,
                 const PoolRows<T>& out) {
  const PairBlocks blocks(rules, out.rows, kBlock);
  sum_blocks(
      rules, blocks, out.channels,
      [&](const RulePairs& pairs, std::int64_t first, float* sums) {
        SPARSE3D_PICK(add_rows<T>)(pairs, features, divisors, out.channels, first, sums);
      },
      [&](std::int64_t block, const float* sums) {
        SPARSE3D_PICK(write_rows<T>)(sums, nullptr, blocks.rows(block), out.channels,
                                     out.values + blocks.first(block) * out.channels);
      });
}

// Each thread has shares of the inputs and looks for their winners in all blocks that reach them.
// Neighbours have rows near each other, so few blocks reach several shares; and however the inputs
// are shared out, each gets its sum in the order of the rows.
template <typename T>
void scatter_to_winners(const PoolRows<const T>& values, const std::int64_t* winners,
                        const PoolRows<T>& out) {
  const WinnerBlocks blocks(winners, values.rows, values.channels, out.rows);
  const std::int64_t wanted = kSharesAThread * omp_get_max_threads();
  const std::int64_t size = std::max(kRowsAShare, (out.rows + wanted - 1) / wanted);
#pragma omp parallel
  {
    std::unique_ptr<float[]> space;
#pragma omp for schedule(dynamic)
    for (std::int64_t begin = 0; begin < out.rows; begin += size) {
      const std::int64_t end = std::min(out.rows, begin + size);
      T* own = out.values + begin * out.channels;
      float* sums = sums_in(own, space, std::min(size, out.rows) * out.channels);
      std::fill_n(sums, (end - begin) * out.channels, 0.0f);
      for (std::int64_t block = 0; block < blocks.count(); ++block)
        if (blocks.reaches(block, begin, end)) {
          const std::int64_t place = blocks.first(block) * out.channels;
          SPARSE3D_PICK(add_to_winners<T>)(values.values + place, winners + place,
                                           blocks.rows_of(block), out.channels, begin, end, sums);
        }
      if constexpr (!std::is_same_v<T, float>)
        SPARSE3D_PICK(write_rows<T>)(sums, nullptr, end - begin, out.channels, own);
    }
  }
}

template <typename T>
void gather_from_winners(const PoolRows<const T>& values, const std::int64_t* winners,
                         const PoolRows<T>& out) {
  bool good = true;
#pragma omp parallel for schedule(static) reduction(&& : good)
  for (std::int64_t row = 0; row < out.rows; row += kBlock) {
    const std::int64_t place = row * out.channels;
    good = SPARSE3D_PICK(take_from_winners<T>)(values.values, values.rows, winners + place,
                                               std::min(kBlock, out.rows - row), out.channels,
                                               out.values + place) && good;
  }
  if (!good) throw std::invalid_argument("winners must be -1 or rows of the inputs");
}

#define SPARSE3D_POOL_OF(T)                                                                      \
  template void pool_largest<T>(const PairList&, const T*, const PoolRows<T>&, std::int64_t*);   \
  template void pool_means<T>(const PairList&, const T*, const PoolRows<T>&, float*);            \
  template void pool_shares<T>(const PairList&, const T*, const float*, const PoolRows<T>&);     \
  template void scatter_to_winners<T>(const PoolRows<const T>&, const std::int64_t*,             \
                                      const PoolRows<T>&);                                       \
  template void gather_from_winners<T>(const PoolRows<const T>&, const std::int64_t*,            \
                                       const PoolRows<T>&);

SPARSE3D_POOL_OF(float)
SPARSE3D_POOL_OF(bfloat16)

}  // namespace sparse3d
