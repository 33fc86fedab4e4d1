// Large pages for large arrays. Memory comes to a process page by page, when it is first touched;
// with pages of 4 KiB that can take longer than what is then done with it.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace sparse3d {

// Asks for large pages where an array that was just allocated spans some; a hint, nothing more.
inline void prefer_large_pages(void* data, std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t kPage = std::uintptr_t{1} << 21;
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t begin = (address + kPage - 1) / kPage * kPage;
  const std::uintptr_t end = (address + bytes) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
#endif
}

template <typename T>
void prefer_large_pages(T* data, std::int64_t count) {
  prefer_large_pages(static_cast<void*>(data), static_cast<std::size_t>(count) * sizeof(T));
}

}  // namespace sparse3d
