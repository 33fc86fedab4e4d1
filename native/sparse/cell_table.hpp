// Rows of cells by their keys.
#pragma once

#include <cstdint>
#include <vector>

namespace sparse3d {

// Open addressing with linear probing; at most half full.
class CellTable {
 public:
  CellTable(const std::int64_t* keys, std::int64_t count) : keys_(keys) {
    std::size_t size = 16;
    while (size < 2 * static_cast<std::size_t>(count)) size *= 2;
    rows_.assign(size, -1);
    for (std::int64_t row = 0; row < count; ++row) rows_[place_of(keys[row])] = row;
  }

  // -1 if there is no such cell.
  std::int64_t find(std::int64_t key) const { return rows_[place_of(key)]; }

 private:
  // Of the key, or where it would stand. Multiplicative hashing (Knuth, section 6.4) by the golden
  // ratio; the upper bits are mixed best.
  std::size_t place_of(std::int64_t key) const {
    const std::uint64_t mixed = static_cast<std::uint64_t>(key) * 0x9E3779B97F4A7C15u;
    std::size_t place = static_cast<std::size_t>(mixed >> 32) & (rows_.size() - 1);
    while (rows_[place] >= 0 && keys_[rows_[place]] != key) place = (place + 1) & (rows_.size() - 1);
    return place;
  }

  const std::int64_t* keys_;
  std::vector<std::int64_t> rows_;
};

}  // namespace sparse3d
