#include "sparse/voxels.hpp"

#include <limits>
#include <stdexcept>
#include <utility>

#include "large_pages.hpp"
#include "sparse/morton.hpp"

namespace sparse3d {
namespace {

// Bits of numbers below a limit.
int bits_below(std::int64_t limit) {
  int bits = 0;
  while ((std::int64_t{1} << bits) < limit) ++bits;
  return bits;
}

}  // namespace

CellCoder::CellCoder(const VoxelBox& box) {
  for (int bit = 0; bit < kAxisBits; ++bit)
    for (int axis = 2; axis >= 0; --axis) {
      if (bit >= bits_below(static_cast<std::int64_t>(box.shape[axis]))) continue;
      std::uint64_t* codes = bit < 8 ? code_.low[axis] : code_.high[axis];
      for (int value = 0; value < 256; ++value)
        codes[value] |= static_cast<std::uint64_t>(value >> bit % 8 & 1) << bits_;
      place_bit(3 * bit + 2 - axis);
    }
  code_.batch_shift = bits_;
  for (int bit = 0; bit < bits_below(box.batch_size); ++bit) place_bit(3 * kAxisBits + bit);
}

void CellCoder::place_bit(int place) {
  std::int64_t* keys = keys_[bits_ / 8];
  for (int value = 0; value < 256; ++value)
    keys[value] |= static_cast<std::int64_t>(value >> bits_ % 8 & 1) << place;
  ++bits_;
}

std::int64_t CellCoder::key(std::uint64_t code) const {
  std::int64_t key = 0;
  for (int byte = 0; 8 * byte < bits_; ++byte) key |= keys_[byte][code >> 8 * byte & 255];
  return key;
}

VoxelPlan::VoxelPlan(const float* positions, const std::int64_t* batch, std::int64_t count,
                     const VoxelBox& box)
    : coder_(box), row_bits_(bits_below(count)) {
  if (count > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("at most 2^31 - 1 points expected");
  if (coder_.bits() + row_bits_ <= 64)
    packed_ = sorted<std::uint64_t>(
        count,
        [&](const Range& part, std::uint64_t* items) {
          return SPARSE3D_PICK(locate_points_packed)(positions, batch, part.begin, part.end, box,
                                                     coder_.code(), row_bits_, items);
        },
        [bits = row_bits_](std::uint64_t item) { return item >> bits; });
  else
    apart_ = sorted<CodedRow>(
        count,
        [&](const Range& part, CodedRow* items) {
          return SPARSE3D_PICK(locate_points)(positions, batch, part.begin, part.end, box,
                                              coder_.code(), items);
        },
        [](const CodedRow& item) { return item.code; });
}

template <typename Item, typename Locate, typename Code>
Sorted<Item> VoxelPlan::sorted(std::int64_t count, Locate locate, Code code) {
  Buffer<Item> items(count);
  prefer_large_pages(items.data(), count);
  std::vector<Range> parts = parts_of({0, count});
  bool valid = true;
#pragma omp parallel for schedule(dynamic) reduction(&& : valid)
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(parts.size()); ++i) {
    Range& part = parts[static_cast<std::size_t>(i)];
    const std::int64_t found = locate(part, items.data() + part.begin);
    valid = valid && found != kWrongPoint;
    part.end = part.begin + std::max<std::int64_t>(found, 0);
  }
  valid_ = valid;
  if (!valid) return {};
  points_ = total_of(parts);
  Sorted<Item> result =
      RadixSort<Item, Code>(std::move(items), parts, coder_.bits(), code).result();
  count_cells(result, code);
  return result;
}

template <typename Item, typename Code>
void VoxelPlan::count_cells(const Sorted<Item>& sorted, Code code) {
  cells_.assign(sorted.runs.size() + 1, 0);
#pragma omp parallel for schedule(dynamic, 8)
  for (std::int64_t run = 0; run < static_cast<std::int64_t>(sorted.runs.size()); ++run) {
    const Range range = sorted.runs[static_cast<std::size_t>(run)];
    std::int64_t found = 1;
    for (std::int64_t i = range.begin + 1; i < range.end; ++i)
      found += code(sorted.items[i]) != code(sorted.items[i - 1]);
    cells_[static_cast<std::size_t>(run) + 1] = found;
  }
  for (std::size_t run = 1; run < cells_.size(); ++run) cells_[run] += cells_[run - 1];
}

void VoxelPlan::write(std::int64_t* keys, std::int64_t* points, std::int64_t* offsets) const {
  prefer_large_pages(keys, cells());
  prefer_large_pages(points, points_);
  prefer_large_pages(offsets, cells() + 1);
  const int bits = row_bits_;
  const std::uint64_t rows = (std::uint64_t{1} << bits) - 1;
  write_runs(
      packed_, [bits](std::uint64_t item) { return item >> bits; },
      [rows](std::uint64_t item) { return item & rows; }, keys, points, offsets);
  write_runs(
      apart_, [](const CodedRow& item) { return item.code; },
      [](const CodedRow& item) { return item.row; }, keys, points, offsets);
  offsets[cells()] = points_;
}

template <typename Item, typename Code, typename Row>
void VoxelPlan::write_runs(const Sorted<Item>& sorted, Code code, Row row, std::int64_t* keys,
                           std::int64_t* points, std::int64_t* offsets) const {
#pragma omp parallel for schedule(dynamic, 8)
  for (std::int64_t run = 0; run < static_cast<std::int64_t>(sorted.runs.size()); ++run) {
    const Range range = sorted.runs[static_cast<std::size_t>(run)];
    const std::int64_t first = cells_[static_cast<std::size_t>(run)];
    const std::int64_t last = cells_[static_cast<std::size_t>(run) + 1] - 1;
    // From the last point on: each says that its cell begins with it, and the first one is right.
    // Where a cell ends is hard to foretell: branches would cost more than these writes.
    std::int64_t cell = last;
    std::uint64_t after = code(sorted.items[range.end - 1]);
    for (std::int64_t i = range.end; i-- > range.begin;) {
      const std::uint64_t here = code(sorted.items[i]);
      cell -= here != after;
      after = here;
      offsets[cell] = i;
      points[i] = static_cast<std::int64_t>(row(sorted.items[i]));
    }
    for (cell = first; cell <= last; ++cell)
      keys[cell] = coder_.key(code(sorted.items[offsets[cell]]));
  }
}

}  // namespace sparse3d
