#include "sparse/rules.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "large_pages.hpp"
#include "sparse/axes.hpp"
#include "sparse/morton.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kOutputsAPart = 256;
constexpr std::int64_t kInputsAPart = 8192;
constexpr int kSlots = 1 << kBlockShift;

std::int64_t parts_of(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

// Cells in any order, united while those of a block are near each other.
class Marks {
 public:
  Marks() {
    for (BlockCells& slot : slots_) slot = {-1, 0};
  }
  void add(std::int64_t block, std::uint64_t cells) {
    BlockCells& slot = slots_[block & (kSlots - 1)];
    if (slot.block != block) {
      if (slot.block >= 0) list_.push_back(slot);
      slot = {block, 0};
    }
    slot.mask |= cells;
  }
  std::vector<BlockCells> take() {
    for (const BlockCells& slot : slots_)
      if (slot.block >= 0) list_.push_back(slot);
    return std::move(list_);
  }

 private:
  BlockCells slots_[kSlots];
  std::vector<BlockCells> list_;
};

// Marks the outputs that read one input; false if it is out of the tables.
bool mark(std::int64_t key, const std::array<WriteTable, 3>& axes, Marks& marks) {
  const Cell at = decode(key);
  if (key < 0 || at.x >= axes[0].extent() || at.y >= axes[1].extent() || at.z >= axes[2].extent())
    return false;
  const std::int64_t batch = at.batch << (3 * kAxisBits - kBlockShift);
  for (const AxisWrite* x = axes[0].begin(at.x); x != axes[0].end(at.x); ++x)
    for (const AxisWrite* y = axes[1].begin(at.y); y != axes[1].end(at.y); ++y)
      for (const AxisWrite* z = axes[2].begin(at.z); z != axes[2].end(at.z); ++z)
        marks.add(batch | x->block | y->block | z->block, x->cells & y->cells & z->cells);
  return true;
}

void expect_within(bool good) {
  if (!good) throw std::invalid_argument("keys must be those of cells within the shape");
}

// Pairs that lie `room` apart, one offset after the other without gaps.
std::unique_ptr<std::uint64_t[]> close_up(const std::uint64_t* pairs, std::int64_t room,
                                          const std::vector<std::int32_t>& counts) {
  std::int64_t total = 0;
  for (const std::int32_t count : counts) total += count;
  std::unique_ptr<std::uint64_t[]> closed(new std::uint64_t[static_cast<std::size_t>(total)]);
  std::uint64_t* to = closed.get();
  for (const std::int32_t count : counts) {
    to = std::copy_n(pairs, count, to);
    pairs += room;
  }
  return closed;
}

// The pairs [begin, end) in the order of their sources; false if a source is out of range or there
// twice. `target_of` holds -1 for every source, before and after.
bool reverse_offset(const Rules& rules, std::int64_t begin, std::int64_t end,
                    std::vector<std::int32_t>& target_of, std::int32_t* new_sources,
                    std::int32_t* new_targets) {
  const auto inputs = static_cast<std::int64_t>(target_of.size());
  bool good = true;
  for (std::int64_t p = begin; p < end; ++p) {
    const std::int32_t source = rules.sources[p], target = rules.targets[p];
    const bool fits = source >= 0 && source < inputs && target >= 0 &&
                      target_of[static_cast<std::size_t>(source)] < 0;
    if (fits) target_of[static_cast<std::size_t>(source)] = target;
    good = good && fits;
  }
  // A slot is written even where no pair is; all that is written fits before the end.
  std::int64_t place = 0;
  for (std::int64_t row = 0; place < end - begin && row < inputs; ++row) {
    std::int32_t& target = target_of[static_cast<std::size_t>(row)];
    new_sources[place] = target;
    new_targets[place] = static_cast<std::int32_t>(row);
    place += target >= 0 ? 1 : 0;
    target = -1;
  }
  return good;
}

}  // namespace

std::vector<std::int64_t> outputs_of(const std::int64_t* keys, std::int64_t count,
                                     const AxisRules& axes) {
  check_axes(axes);
  const std::array<WriteTable, 3> tables{WriteTable(axes[0], 0), WriteTable(axes[1], 1),
                                         WriteTable(axes[2], 2)};
  std::vector<std::vector<BlockCells>> parts(
      static_cast<std::size_t>(parts_of(count, kInputsAPart)));
  bool good = true;
#pragma omp parallel for schedule(dynamic) reduction(&& : good)
  for (std::int64_t part = 0; part < static_cast<std::int64_t>(parts.size()); ++part) {
    Marks marks;
    const std::int64_t end = std::min((part + 1) * kInputsAPart, count);
    for (std::int64_t row = part * kInputsAPart; row < end; ++row)
      good = mark(keys[row], tables, marks) && good;
    parts[static_cast<std::size_t>(part)] = marks.take();
  }
  expect_within(good);
  return sorted_keys(std::move(parts));
}

RuleList::RuleList(const std::int64_t* inputs, std::int64_t input_count,
                   const std::int64_t* outputs, std::int64_t output_count, const AxisRules& axes,
                   bool mirrored)
    : mirrored_(mirrored), rows_(input_count) {
  check_axes(axes);
  for (const AxisRule& axis : axes)
    if (mirrored && axis.size % 2 == 0)
      throw std::invalid_argument("odd sizes of mirrored kernels expected");
  if (output_count > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("at most 2^31 - 1 outputs expected");
  const Blocks blocks(inputs, input_count);
  const CellIndex cells = blocks.index();
  const ReadTable tables[] = {{axes[0], 0, axes[1].size * axes[2].size, mirrored},
                              {axes[1], 1, axes[2].size, mirrored},
                              {axes[2], 2, 1, mirrored}};
  const AxisReads reads[] = {tables[0].view(), tables[1].view(), tables[2].view()};
  const std::int32_t volume = axes[0].size * axes[1].size * axes[2].size;
  const std::size_t offsets = static_cast<std::size_t>(mirrored ? volume / 2 : volume);
  parts_.resize(static_cast<std::size_t>(parts_of(output_count, kOutputsAPart)));
  const auto find = SPARSE3D_PICK(find_pairs);
  bool good = true;
#pragma omp parallel reduction(&& : good)
  {
    // Not a power of two, so that the offsets' pairs do not compete for the same lines of a cache.
    constexpr std::int64_t kRoom = kOutputsAPart + 8;
    const std::unique_ptr<std::uint64_t[]> found(new std::uint64_t[offsets * kRoom]);
#pragma omp for schedule(dynamic)
    for (std::int64_t number = 0; number < static_cast<std::int64_t>(parts_.size()); ++number) {
      Part& part = parts_[static_cast<std::size_t>(number)];
      part.counts.assign(offsets, 0);
      const std::int64_t begin = number * kOutputsAPart;
      const bool within = find(cells, reads, outputs, begin,
                               std::min(begin + kOutputsAPart, output_count), kRoom,
                               found.get(), part.counts.data());
      if (within) part.pairs = close_up(found.get(), kRoom, part.counts);
      good = good && within;
    }
  }
  expect_within(good);
  lay_out(offsets);
}

void RuleList::lay_out(std::size_t offsets) {
  totals_.assign(offsets, 0);
  places_.resize(parts_.size() * offsets);
  std::int64_t next = 0;
  for (std::size_t k = 0; k < offsets; ++k) {
    const std::int64_t first = next;
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      places_[part * offsets + k] = next;
      next += parts_[part].counts[k];
    }
    totals_[k] = next - first;
  }
  if (!mirrored_) return;
  totals_.push_back(rows_);  // of no offset at all
  for (std::size_t k = offsets; k-- > 0;) totals_.push_back(totals_[k]);
}

void RuleList::write_found(std::int32_t* sources, std::int32_t* targets) const {
#pragma omp parallel for schedule(static)
  for (std::int64_t number = 0; number < static_cast<std::int64_t>(parts_.size()); ++number) {
    const Part& part = parts_[static_cast<std::size_t>(number)];
    const std::size_t offsets = part.counts.size();
    const std::uint64_t* pair = part.pairs.get();
    for (std::size_t k = 0; k < offsets; ++k) {
      std::int64_t place = places_[static_cast<std::size_t>(number) * offsets + k];
      for (std::int32_t i = 0; i < part.counts[k]; ++i, ++pair, ++place) {
        sources[place] = static_cast<std::int32_t>(*pair & 0xFFFFFFFFu);
        targets[place] = static_cast<std::int32_t>(*pair >> 32);
      }
    }
  }
}

void RuleList::write(std::int32_t* sources, std::int32_t* targets) const {
  const std::int64_t total = std::accumulate(totals_.begin(), totals_.end(), std::int64_t{0});
  prefer_large_pages(sources, total);
  prefer_large_pages(targets, total);
  write_found(sources, targets);
  if (!mirrored_) return;
  const auto half = totals_.begin() + static_cast<std::ptrdiff_t>(totals_.size() / 2);
  const std::vector<std::int64_t> counts(totals_.begin(), half);
  const std::int64_t middle = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  for (std::int64_t row = 0; row < rows_; ++row)
    sources[middle + row] = targets[middle + row] = static_cast<std::int32_t>(row);
  const std::int64_t after = middle + rows_;
  reverse_rules({sources, targets, counts}, rows_, true, sources + after, targets + after);
}

void reverse_rules(const Rules& rules, std::int64_t inputs, bool last_first,
                   std::int32_t* new_sources, std::int32_t* new_targets) {
  std::vector<std::int64_t> starts{0};
  for (const std::int64_t count : rules.counts) starts.push_back(starts.back() + count);
  bool good = true;
#pragma omp parallel reduction(&& : good)
  {
    std::vector<std::int32_t> target_of(static_cast<std::size_t>(inputs), -1);
#pragma omp for schedule(dynamic)
    for (std::int64_t k = 0; k < static_cast<std::int64_t>(rules.counts.size()); ++k) {
      const std::int64_t begin = starts[static_cast<std::size_t>(k)];
      const std::int64_t end = starts[static_cast<std::size_t>(k) + 1];
      const std::int64_t first = last_first ? starts.back() - end : begin;
      good = reverse_offset(rules, begin, end, target_of, new_sources + first,
                            new_targets + first) && good;
    }
  }
  if (!good)
    throw std::invalid_argument("pairs must name rows that exist, a source once an offset");
}

}  // namespace sparse3d
