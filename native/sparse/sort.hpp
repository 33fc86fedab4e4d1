// Stable radix sort of many items by an unsigned number in each, on all threads.
//
// Items are split by the highest digit that differs until few enough are left to be sorted in the
// cache, by the lowest digits first. What is split, and where, does not depend on the number of
// threads, and there is but one stable order: so results do not either. Fewer than 2^32 items.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "large_pages.hpp"
#include "rasterize/buffer.hpp"

namespace sparse3d {

struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

constexpr std::int64_t kItemsAPart = 1 << 16;

inline std::vector<Range> parts_of(const Range& all) {
  std::vector<Range> parts;
  for (std::int64_t begin = all.begin; begin < all.end; begin += kItemsAPart)
    parts.push_back({begin, std::min(all.end, begin + kItemsAPart)});
  return parts;
}

inline std::int64_t total_of(const std::vector<Range>& parts) {
  std::int64_t total = 0;
  for (const Range& part : parts) total += part.size();
  return total;
}

// Items in order, by runs: numbers of different runs differ.
template <typename Item>
struct Sorted {
  Buffer<Item> items;
  std::vector<Range> runs;
};

template <typename Item, typename Number>
class RadixSort {
 public:
  // Of the items in `parts` of `items`, by the lowest `bits` of number(item); higher ones are 0.
  RadixSort(Buffer<Item> items, const std::vector<Range>& parts, int bits, Number number)
      : number_(number), first_(std::move(items)), second_(total_of(parts)) {
    prefer_large_pages(second_.data(), total_of(parts));
    if (total_of(parts) > 0) split(parts, {0, total_of(parts)}, false, bits);
    const auto count = static_cast<std::int64_t>(leaves_.size());
#pragma omp parallel
    {
      Buffer<Item> spare(kItemsALeaf);  // stays in the cache, as the buffers do not
#pragma omp for schedule(dynamic, 8)
      for (std::int64_t leaf = 0; leaf < count; ++leaf)
        sort(leaves_[static_cast<std::size_t>(leaf)], spare.data());
    }
  }

  Sorted<Item> result() && {
    Sorted<Item> sorted{std::move(second_), {}};
    for (const Leaf& leaf : leaves_) sorted.runs.push_back(leaf.range);
    return sorted;
  }

 private:
  using Place = std::uint32_t;

  static constexpr int kMostSplitBits = 11;  // of items that do not fit into the cache
  static constexpr int kMostDigitBits = 9;   // of those that do
  static constexpr std::int64_t kItemsALeaf = 1 << 16;
  static constexpr std::int64_t kItemsToInsert = 24;

  struct Leaf {
    Range range;
    bool second;  // which of the buffers holds the items
    int bits;     // in which they may differ; 0 of more than kItemsALeaf
  };

  // Enough digits that a typical bucket is sorted in the nearest cache.
  static int split_bits(std::int64_t count, int bits) {
    int wanted = 1;
    while (wanted < kMostSplitBits && count >> wanted > 512) ++wanted;
    return std::min(wanted, bits);
  }

  // Splits the items in `parts` of one buffer into the range of the other.
  void split(const std::vector<Range>& parts, const Range& range, bool second, int bits) {
    const int digit_bits = split_bits(range.size(), bits), shift = bits - digit_bits;
    const std::size_t digits = std::size_t{1} << digit_bits;
    std::vector<Place> places = count_digits(parts, second, shift, digits);
    std::vector<Range> buckets = lay_out(places, range, digits);
    move_items(parts, second, shift, digits, places);
    for (const Range& bucket : buckets)
      if (bucket.size() > kItemsALeaf && shift > 0)
        split(parts_of(bucket), bucket, !second, shift);
      else if (bucket.size() > 0)
        leaves_.push_back({bucket, !second, shift});
  }

  std::uint64_t digit_of(const Item& item, int shift, std::size_t digits) const {
    return number_(item) >> shift & (digits - 1);
  }

  const Item* items(bool second) const { return second ? second_.data() : first_.data(); }
  Item* items(bool second) { return second ? second_.data() : first_.data(); }

  // [parts, digits]
  std::vector<Place> count_digits(const std::vector<Range>& parts, bool second, int shift,
                                         std::size_t digits) const {
    std::vector<Place> counts(parts.size() * digits, 0);
    const Item* from = items(second);
#pragma omp parallel for schedule(dynamic)
    for (std::int64_t part = 0; part < static_cast<std::int64_t>(parts.size()); ++part) {
      Place* own = counts.data() + static_cast<std::size_t>(part) * digits;
      const Range range = parts[static_cast<std::size_t>(part)];
      for (std::int64_t i = range.begin; i < range.end; ++i) ++own[digit_of(from[i], shift, digits)];
    }
    return counts;
  }

  // Turns counts into the places of the first items; returns the range of each digit.
  static std::vector<Range> lay_out(std::vector<Place>& counts, const Range& range,
                                    std::size_t digits) {
    std::vector<Range> buckets;
    std::int64_t next = range.begin;
    for (std::size_t digit = 0; digit < digits; ++digit) {
      const std::int64_t begin = next;
      for (std::size_t at = digit; at < counts.size(); at += digits)
        next += std::exchange(counts[at], static_cast<Place>(next));
      buckets.push_back({begin, next});
    }
    return buckets;
  }

  void move_items(const std::vector<Range>& parts, bool second, int shift, std::size_t digits,
                  std::vector<Place>& places) {
    const Item* from = items(second);
    Item* to = items(!second);
#pragma omp parallel for schedule(dynamic)
    for (std::int64_t part = 0; part < static_cast<std::int64_t>(parts.size()); ++part) {
      Place* own = places.data() + static_cast<std::size_t>(part) * digits;
      const Range range = parts[static_cast<std::size_t>(part)];
      for (std::int64_t i = range.begin; i < range.end; ++i)
        to[own[digit_of(from[i], shift, digits)]++] = from[i];
    }
  }

  // Sorts a leaf into the second buffer; `spare` has room for a leaf with bits.
  void sort(const Leaf& leaf, Item* spare) {
    Item* from = items(leaf.second) + leaf.range.begin;
    Item* to = spare;
    const std::int64_t count = leaf.range.size();
    if (count <= kItemsToInsert)
      insert(from, count);
    else
      sort_digits(from, to, count, leaf.bits);
    Item* wanted = second_.data() + leaf.range.begin;
    if (from != wanted) std::copy(from, from + count, wanted);
  }

  // Leaves the items in `from`, which may become the other one.
  void sort_digits(Item*& from, Item*& to, std::int64_t count, int bits) const {
    for (int shift = 0; shift < bits; shift += 2 * kMostDigitBits) {
      const int here = std::min(bits - shift, 2 * kMostDigitBits), low = (here + 1) / 2;
      sort_two_digits(from, to, count, shift, low, here - low);
    }
  }

  // Two digits at a time: they are counted together.
  void sort_two_digits(Item*& from, Item*& to, std::int64_t count, int shift, int low_bits,
                       int high_bits) const {
    const std::size_t lows = std::size_t{1} << low_bits, highs = std::size_t{1} << high_bits;
    std::int32_t low[1 << kMostDigitBits], high[1 << kMostDigitBits];
    std::fill_n(low, lows, 0);
    std::fill_n(high, highs, 0);
    for (std::int64_t i = 0; i < count; ++i) {
      ++low[digit_of(from[i], shift, lows)];
      ++high[digit_of(from[i], shift + low_bits, highs)];
    }
    move_by(low, from, to, count, shift, lows);
    if (highs > 1) move_by(high, from, to, count, shift + low_bits, highs);
  }

  void move_by(std::int32_t* counts, Item*& from, Item*& to, std::int64_t count, int shift,
               std::size_t digits) const {
    std::int32_t next = 0;
    for (std::size_t digit = 0; digit < digits; ++digit) next += std::exchange(counts[digit], next);
    for (std::int64_t i = 0; i < count; ++i)
      to[counts[digit_of(from[i], shift, digits)]++] = from[i];
    std::swap(from, to);
  }

  void insert(Item* items, std::int64_t count) const {
    for (std::int64_t i = 1; i < count; ++i) {
      const Item item = items[i];
      std::int64_t place = i;
      for (; place > 0 && number_(items[place - 1]) > number_(item); --place)
        items[place] = items[place - 1];
      items[place] = item;
    }
  }

  Number number_;
  Buffer<Item> first_, second_;
  std::vector<Leaf> leaves_;
};

}  // namespace sparse3d
