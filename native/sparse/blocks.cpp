#include "sparse/blocks.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "kernels/bits.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kInBlock = (std::int64_t{1} << kBlockShift) - 1;
constexpr std::int64_t kRowsAPart = 16384;

std::uint64_t bit_of(std::int64_t key) { return std::uint64_t{1} << (key & kInBlock); }

std::size_t index_of(std::int64_t row) { return static_cast<std::size_t>(row); }

template <typename KeyOf>
bool starts_block(const KeyOf& key_of, std::int64_t row) {
  return row == 0 || key_of(row) >> kBlockShift != key_of(row - 1) >> kBlockShift;
}

// Number of blocks that start in [begin, end), -1 if the keys are not in order.
template <typename KeyOf>
std::int64_t count_blocks(const KeyOf& key_of, std::int64_t begin, std::int64_t end) {
  std::int64_t count = 0;
  bool good = true;
  for (std::int64_t row = begin; row < end; ++row) {
    good = good && key_of(row) >= 0 && (row == 0 || key_of(row) > key_of(row - 1));
    count += starts_block(key_of, row) ? 1 : 0;
  }
  return good ? count : -1;
}

// Blocks that start before each part of the rows.
template <typename KeyOf>
std::vector<std::int64_t> block_places(const KeyOf& key_of, std::int64_t count) {
  const std::int64_t parts = (count + kRowsAPart - 1) / kRowsAPart;
  std::vector<std::int64_t> places(index_of(parts) + 1, 0);
  bool good = true;
#pragma omp parallel for schedule(static) reduction(&& : good)
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t begin = part * kRowsAPart, end = std::min(begin + kRowsAPart, count);
    const std::int64_t found = count_blocks(key_of, begin, end);
    good = good && found >= 0;
    places[index_of(part) + 1] = found;
  }
  if (!good) throw std::invalid_argument("keys must be sorted, distinct and not negative");
  for (std::size_t part = 1; part < places.size(); ++part) places[part] += places[part - 1];
  return places;
}

// Blocks of sorted keys; throws unless they are distinct and not negative.
template <typename KeyOf>
std::vector<Block> blocks_of(const KeyOf& key_of, std::int64_t count) {
  const std::vector<std::int64_t> places = block_places(key_of, count);
  std::vector<Block> blocks(index_of(places.back()));
#pragma omp parallel for schedule(static)
  for (std::int64_t part = 0; part < static_cast<std::int64_t>(places.size()) - 1; ++part) {
    std::int64_t row = part * kRowsAPart;
    const std::int64_t end = std::min(row + kRowsAPart, count);
    std::size_t place = index_of(places[index_of(part)]);
    while (!starts_block(key_of, row)) ++row;  // a block is far shorter than a part
    for (; row < end; ++place) {
      Block block{0, key_of(row) >> kBlockShift, static_cast<std::int32_t>(row)};
      do block.mask |= bit_of(key_of(row++));
      while (row < count && !starts_block(key_of, row));
      blocks[place] = block;
    }
  }
  return blocks;
}

std::int64_t checked(std::int64_t count) {
  if (count > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("at most 2^31 - 1 cells expected");
  return count;
}

// Power of two, at most half full with so many entries.
std::size_t table_size(std::size_t entries) {
  std::size_t size = 16;
  while (size < 2 * entries) size *= 2;
  return size;
}

bool before(const BlockCells& a, const BlockCells& b) { return a.block < b.block; }

// Makes one of those of a sorted list that follow each other.
void unite(std::vector<BlockCells>& list) {
  std::size_t last = 0;
  for (std::size_t i = 1; i < list.size(); ++i) {
    if (list[i].block == list[last].block)
      list[last].mask |= list[i].mask;
    else
      list[++last] = list[i];
  }
  if (!list.empty()) list.resize(last + 1);
}

void merge(std::vector<BlockCells>& into, std::vector<BlockCells>& from) {
  const auto middle = static_cast<std::ptrdiff_t>(into.size());
  into.insert(into.end(), from.begin(), from.end());
  std::vector<BlockCells>().swap(from);
  std::inplace_merge(into.begin(), into.begin() + middle, into.end(), before);
  unite(into);
}

std::vector<std::int64_t> keys_of(const std::vector<BlockCells>& blocks) {
  std::vector<std::size_t> places(blocks.size() + 1, 0);
  for (std::size_t i = 0; i < blocks.size(); ++i)
    places[i + 1] = places[i] + static_cast<std::size_t>(ones(blocks[i].mask));
  std::vector<std::int64_t> keys(places.back());
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(blocks.size()); ++i) {
    const BlockCells& each = blocks[static_cast<std::size_t>(i)];
    std::int64_t* to = keys.data() + places[static_cast<std::size_t>(i)];
    for (std::uint64_t rest = each.mask; rest != 0; rest &= rest - 1)
      *to++ = each.block << kBlockShift | lowest(rest);
  }
  return keys;
}

}  // namespace

Blocks::Blocks(const std::int64_t* keys, std::int64_t count)
    : blocks_(blocks_of([keys](std::int64_t row) { return keys[row]; }, checked(count))),
      regions_(blocks_of([this](std::int64_t row) { return blocks_[index_of(row)].key; },
                         static_cast<std::int64_t>(blocks_.size()))),
      table_(table_size(regions_.size()), -1) {
  const std::uint64_t mask = table_.size() - 1;
  for (std::size_t row = 0; row < regions_.size(); ++row) {
    std::uint64_t place = place_of_region(regions_[row].key, mask);
    while (table_[place] >= 0) place = (place + 1) & mask;
    table_[place] = static_cast<std::int32_t>(row);
  }
}

std::vector<std::int64_t> sorted_keys(std::vector<std::vector<BlockCells>> parts) {
  if (parts.empty()) return {};
  const auto count = static_cast<std::int64_t>(parts.size());
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t part = 0; part < count; ++part) {
    std::vector<BlockCells>& list = parts[static_cast<std::size_t>(part)];
    std::sort(list.begin(), list.end(), before);
    unite(list);
  }
  for (std::int64_t step = 1; step < count; step *= 2)
#pragma omp parallel for schedule(dynamic)
    for (std::int64_t part = 0; part < count - step; part += 2 * step)
      merge(parts[static_cast<std::size_t>(part)], parts[static_cast<std::size_t>(part + step)]);
  return keys_of(parts[0]);
}

}  // namespace sparse3d
