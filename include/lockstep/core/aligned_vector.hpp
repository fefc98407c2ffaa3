#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace lockstep {

/// Gives memory that starts with a cache line, so that no vector of numbers lies across two of them.
template <class T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t alignment{64};

  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), alignment)); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, alignment); }
  friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
};

/// For what the loops of a training step read and write.
template <class T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace lockstep
