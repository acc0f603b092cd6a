// A few threads that share loops over index ranges, hundreds of times a token.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace tq {

/// The calling thread works too: a pool of size 1 has no threads of its own. One for_ranges() at a time.
class ThreadPool {
 public:
  /// `threads` 0: as many as the machine has cores. The pool is smaller where the system refuses so many.
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned size() const { return static_cast<unsigned>(workers_.size()) + 1; }

  /// Splits [0, count) into size() contiguous ranges whose borders are multiples of `grain`, and calls body(begin, end,
  /// thread) for each that is not empty, with thread in [0, size()). The split depends on nothing but the three
  /// numbers. Returns when all are done. `body` must not throw.
  template <class Body>
  void for_ranges(std::size_t count, std::size_t grain, Body&& body) {
    using Pointer = std::add_pointer_t<std::remove_reference_t<Body>>;
    const auto call = [](void* object, std::size_t begin, std::size_t end, unsigned thread) {
      (*static_cast<Pointer>(object))(begin, end, thread);
    };
    run(count, grain, call, const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Call = void (*)(void* object, std::size_t begin, std::size_t end, unsigned thread);

  void run(std::size_t count, std::size_t grain, Call call, void* object);
  void do_share(unsigned thread) const;
  void work(unsigned thread);

  // The job in progress: written before `generation_` is raised, read after it was seen.
  std::size_t count_ = 0, grain_ = 1;
  Call call_ = nullptr;
  void* object_ = nullptr;
  bool stopping_ = false;

  alignas(64) std::atomic<std::uint32_t> generation_ = 0;
  alignas(64) std::atomic<std::uint32_t> unfinished_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace tq
