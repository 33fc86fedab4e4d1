#include "sparse/blocks.hpp"

#include <algorithm>
#include <bitset>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace sparse3d {
namespace {

constexpr std::int64_t kInBlock = (std::int64_t{1} << kBlockShift) - 1;

std::uint64_t bit_of(std::int64_t key) { return std::uint64_t{1} << (key & kInBlock); }

// Power of two, at most half full with so many entries.
std::size_t table_size(std::int64_t entries) {
  std::size_t size = 16;
  while (size < 2 * static_cast<std::size_t>(entries)) size *= 2;
  return size;
}

// Multiplicative hashing (Knuth, section 6.4) by the golden ratio; the upper bits are mixed best.
std::size_t place_of(std::int64_t block, std::size_t size) {
  const std::uint64_t mixed = static_cast<std::uint64_t>(block) * 0x9E3779B97F4A7C15u;
  return static_cast<std::size_t>(mixed >> 32) & (size - 1);
}

// Place of a block in the table, or the empty place where it would stand.
std::size_t search(const std::vector<std::int32_t>& table, const std::vector<std::int64_t>& blocks,
                   std::int64_t block) {
  std::size_t place = place_of(block, table.size());
  while (table[place] >= 0 && blocks[static_cast<std::size_t>(table[place])] != block)
    place = (place + 1) & (table.size() - 1);
  return place;
}

std::vector<std::int32_t> tabulate(const std::vector<std::int64_t>& blocks, std::size_t size) {
  std::vector<std::int32_t> table(size, -1);
  for (std::size_t row = 0; row < blocks.size(); ++row)
    table[search(table, blocks, blocks[row])] = static_cast<std::int32_t>(row);
  return table;
}

int ones(std::uint64_t bits) { return static_cast<int>(std::bitset<64>(bits).count()); }

}  // namespace

Blocks::Blocks(const std::int64_t* keys, std::int64_t count) {
  if (count > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("at most 2^31 - 1 cells expected");
  for (std::int64_t row = 0; row < count; ++row) {
    if (keys[row] < 0 || (row > 0 && keys[row] <= keys[row - 1]))
      throw std::invalid_argument("keys must be sorted, distinct and not negative");
    const std::int64_t block = keys[row] >> kBlockShift;
    if (blocks_.empty() || blocks_.back() != block) {
      blocks_.push_back(block);
      masks_.push_back(0);
      first_.push_back(static_cast<std::int32_t>(row));
    }
    masks_.back() |= bit_of(keys[row]);
  }
  table_ = tabulate(blocks_, table_size(size()));
}

std::int32_t Blocks::find(std::int64_t block) const {
  return table_[search(table_, blocks_, block)];
}

std::int32_t Blocks::find_cell(std::int64_t key) const {
  const std::int32_t row = find(key >> kBlockShift);
  if (row < 0) return -1;
  const std::uint64_t mask = masks_[static_cast<std::size_t>(row)], bit = bit_of(key);
  return (mask & bit) == 0 ? -1 : first_[static_cast<std::size_t>(row)] + ones(mask & (bit - 1));
}

CellSet::CellSet(std::int64_t expected) : table_(table_size(expected), -1) {}

void CellSet::add(std::int64_t key) {
  const std::int64_t block = key >> kBlockShift;
  if (block != last_) {
    std::size_t place = search(table_, blocks_, block);
    if (table_[place] < 0) {
      if (2 * (blocks_.size() + 1) > table_.size()) {
        grow();
        place = search(table_, blocks_, block);
      }
      table_[place] = static_cast<std::int32_t>(blocks_.size());
      blocks_.push_back(block);
      masks_.push_back(0);
    }
    last_ = block;
    last_row_ = table_[place];
  }
  masks_[static_cast<std::size_t>(last_row_)] |= bit_of(key);
}

void CellSet::grow() { table_ = tabulate(blocks_, 2 * table_.size()); }

std::vector<std::int64_t> CellSet::sorted_keys() const {
  std::vector<std::size_t> order(blocks_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [this](std::size_t a, std::size_t b) { return blocks_[a] < blocks_[b]; });
  std::vector<std::int64_t> keys;
  for (std::size_t row : order)
    for (std::int64_t cell = 0; cell <= kInBlock; ++cell)
      if ((masks_[row] >> cell & 1) != 0) keys.push_back(blocks_[row] << kBlockShift | cell);
  return keys;
}

}  // namespace sparse3d
