#include "sparse/pairs.hpp"

#include <stdexcept>

namespace sparse3d {
namespace {

// Where offsets begin, and the number of pairs.
std::vector<std::int64_t> starts_of(const std::int64_t* counts, std::int64_t offsets,
                                    std::int64_t total) {
  std::vector<std::int64_t> starts{0};
  for (std::int64_t k = 0; k < offsets; ++k) {
    if (counts[k] < 0 || counts[k] > total - starts.back())
      throw std::invalid_argument("counts must be those of the pairs");
    starts.push_back(starts.back() + counts[k]);
  }
  if (starts.back() != total) throw std::invalid_argument("counts must be those of the pairs");
  return starts;
}

}  // namespace

PairList::PairList(const std::int32_t* from, const std::int32_t* to, std::int64_t total,
                   const std::int64_t* counts, std::int64_t offsets, std::int64_t inputs,
                   std::int64_t outputs)
    : from_(from), to_(to), starts_(starts_of(counts, offsets, total)) {
  bool good = true;
  const auto fit = SPARSE3D_PICK(pairs_fit);
#pragma omp parallel for schedule(dynamic) reduction(&& : good)
  for (std::int64_t k = 0; k < offsets; ++k)
    good = fit(pairs(begin(k), begin(k + 1)), inputs, outputs) && good;
  if (!good)
    throw std::invalid_argument("pairs must name rows that exist, in the order of their outputs");
}

PairBlocks::PairBlocks(const PairList& list, std::int64_t outputs, std::int64_t rows_a_block)
    : list_(list),
      outputs_(outputs),
      size_(rows_a_block),
      blocks_((outputs + rows_a_block - 1) / rows_a_block),
      starts_(static_cast<std::size_t>(list.offsets() * (blocks_ + 1))) {
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t k = 0; k < list.offsets(); ++k) {
    std::int64_t* own = starts_.data() + k * (blocks_ + 1);
    const std::int64_t end = list.begin(k + 1);
    own[0] = list.begin(k);
    for (std::int64_t block = 1; block <= blocks_; ++block) {
      const std::int32_t* from = list.to() + own[block - 1];
      const std::int32_t* last = list.to() + std::min(own[block - 1] + size_, end);
      own[block] = std::lower_bound(from, last, block * size_) - list.to();
    }
  }
}

}  // namespace sparse3d
