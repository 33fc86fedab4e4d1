#include "kernels/segment.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr std::int64_t kAhead = 48;  // rows that are fetched while others are worked on

inline void prefetch(const void* place) {
#if defined(__GNUC__)
  __builtin_prefetch(place);
#else
  static_cast<void>(place);
#endif
}

// Rows of one segment; `width` channels of them are worked on at a time.
template <typename T>
struct Segment {
  const Segments<T>& all;
  std::int64_t begin, end;
  std::int64_t last;  // row that may be fetched

  std::int64_t row(std::int64_t i) const { return all.rows == nullptr ? i : all.rows[i]; }
  std::int64_t place(std::int64_t i) const { return row(i) * all.channels; }
  T size() const { return static_cast<T>(end - begin); }

  // Channels of a row, while some of a later one are fetched.
  const T* read(std::int64_t i, std::int64_t channel) const {
    if (all.rows == nullptr) return all.values + i * all.channels + channel;
    const std::int64_t later = i + kAhead < last ? i + kAhead : last;
    prefetch(all.values + place(later) + channel);
    return all.values + place(i) + channel;
  }
};

// Whether all rows of the segments [begin, end) are there.
template <typename T>
bool inside(const Segments<T>& segments, std::int64_t begin, std::int64_t end) {
  if (segments.rows == nullptr) return segments.offsets[end] <= segments.count;
  return all_within(segments.rows, segments.offsets[begin], segments.offsets[end], segments.count);
}

template <int width, typename T>
void add(const Segment<T>& segment, std::int64_t channel, bool mean, T* out) {
  double sums[width] = {};
  for (std::int64_t i = segment.begin; i < segment.end; ++i) {
    const T* row = segment.read(i, channel);
    for (int k = 0; k < width; ++k) sums[k] += row[k];
  }
  const double divisor = mean ? static_cast<double>(segment.end - segment.begin) : 1.0;
  for (int k = 0; k < width; ++k) out[k] = static_cast<T>(sums[k] / divisor);
}

// Not a number is larger than any number, as it is to torch.
template <int width, typename T>
void take_largest(const Segment<T>& segment, std::int64_t channel, T* out) {
  T largest[width];
  for (int k = 0; k < width; ++k)
    largest[k] = segment.all.values[segment.place(segment.begin) + channel + k];
  for (std::int64_t i = segment.begin + 1; i < segment.end; ++i) {
    const T* row = segment.read(i, channel);
    for (int k = 0; k < width; ++k)
      largest[k] = row[k] > largest[k] || row[k] != row[k] ? row[k] : largest[k];
  }
  for (int k = 0; k < width; ++k) out[k] = largest[k];
}

template <int width, typename T>
void reduce(const Segment<T>& segment, Reduction reduction, std::int64_t channel, T* out) {
  if (reduction == Reduction::max)
    take_largest<width>(segment, channel, out);
  else if (reduction == Reduction::first)
    for (int k = 0; k < width; ++k)
      out[k] = segment.all.values[segment.place(segment.begin) + channel + k];
  else
    add<width>(segment, channel, reduction == Reduction::mean, out);
}

template <typename T>
bool is_largest(T value, T largest) {
  return value == largest || value != value;
}

template <int width, typename T>
void spread_largest(const Segment<T>& segment, std::int64_t channel, const T* reduced,
                    const T* gradient, T* result) {
  T shares[width] = {};
  for (std::int64_t i = segment.begin; i < segment.end; ++i) {
    const T* row = segment.read(i, channel);
    for (int k = 0; k < width; ++k) shares[k] += is_largest(row[k], reduced[k]) ? T{1} : T{0};
  }
  for (int k = 0; k < width; ++k) shares[k] = gradient[k] / shares[k];
  for (std::int64_t i = segment.begin; i < segment.end; ++i) {
    const T* row = segment.read(i, channel);
    T* out = result + segment.place(i) + channel;
    for (int k = 0; k < width; ++k) out[k] = is_largest(row[k], reduced[k]) ? shares[k] : T{0};
  }
}

template <int width, typename T>
void spread(const Segment<T>& segment, Reduction reduction, std::int64_t channel,
            const T* reduced, const T* gradient, T* result) {
  if (reduction == Reduction::max) {
    spread_largest<width>(segment, channel, reduced, gradient, result);
    return;
  }
  const T divisor = reduction == Reduction::mean ? segment.size() : T{1};
  T shares[width];
  for (int k = 0; k < width; ++k) shares[k] = gradient[k] / divisor;
  for (std::int64_t i = segment.begin; i < segment.end; ++i) {
    T* out = result + segment.place(i) + channel;
    const bool counts = reduction != Reduction::first || i == segment.begin;
    for (int k = 0; k < width; ++k) out[k] = counts ? shares[k] : T{0};
  }
}

// Calls visit.template at<width>(channel) for all channels, as many at a time as there are
// registers for.
template <typename Visit>
void for_channels(std::int64_t channels, const Visit& visit) {
  std::int64_t channel = 0;
  for (; channel + 16 <= channels; channel += 16) visit.template at<16>(channel);
  for (; channel + 4 <= channels; channel += 4) visit.template at<4>(channel);
  if (channels - channel == 3) visit.template at<3>(channel);
  if (channels - channel == 2) visit.template at<2>(channel);
  if (channels - channel == 1) visit.template at<1>(channel);
}

template <typename T>
struct Reduce {
  Segment<T> segment;
  Reduction reduction;
  T* out;
  template <int width>
  void at(std::int64_t channel) const {
    reduce<width>(segment, reduction, channel, out + channel);
  }
};

template <typename T>
struct Spread {
  Segment<T> segment;
  Reduction reduction;
  const T* reduced;
  const T* gradient;
  T* result;
  template <int width>
  void at(std::int64_t channel) const {
    spread<width>(segment, reduction, channel, reduced + channel, gradient + channel, result);
  }
};

template <typename T>
bool reduce_all(const Segments<T>& segments, Reduction reduction, std::int64_t begin,
                std::int64_t end, T* reduced) {
  if (!inside(segments, begin, end)) return false;
  const std::int64_t last = segments.offsets[end] - 1;
  for (std::int64_t s = begin; s < end; ++s) {
    const Segment<T> segment{segments, segments.offsets[s], segments.offsets[s + 1], last};
    for_channels(segments.channels,
                 Reduce<T>{segment, reduction, reduced + s * segments.channels});
  }
  return true;
}

template <typename T>
bool spread_all(const Segments<T>& segments, Reduction reduction, const T* reduced,
                const T* gradient, std::int64_t begin, std::int64_t end, T* result) {
  if (!inside(segments, begin, end)) return false;
  const std::int64_t last = segments.offsets[end] - 1;
  for (std::int64_t s = begin; s < end; ++s) {
    const Segment<T> segment{segments, segments.offsets[s], segments.offsets[s + 1], last};
    const std::int64_t at = s * segments.channels;
    for_channels(segments.channels,
                 Spread<T>{segment, reduction, reduced + at, gradient + at, result});
  }
  return true;
}

}  // namespace

bool reduce_segments_float(const Segments<float>& segments, Reduction reduction, std::int64_t begin,
                     std::int64_t end, float* reduced) {
  return reduce_all(segments, reduction, begin, end, reduced);
}

bool reduce_segments_double(const Segments<double>& segments, Reduction reduction, std::int64_t begin,
                     std::int64_t end, double* reduced) {
  return reduce_all(segments, reduction, begin, end, reduced);
}

bool spread_segments_float(const Segments<float>& segments, Reduction reduction, const float* reduced,
                     const float* gradient, std::int64_t begin, std::int64_t end, float* result) {
  return spread_all(segments, reduction, reduced, gradient, begin, end, result);
}

bool spread_segments_double(const Segments<double>& segments, Reduction reduction, const double* reduced,
                     const double* gradient, std::int64_t begin, std::int64_t end,
                     double* result) {
  return spread_all(segments, reduction, reduced, gradient, begin, end, result);
}

}  // namespace sparse3d::SPARSE3D_ISA
