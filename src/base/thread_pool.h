// A few threads that share loops over index ranges, hundreds of times a token.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

namespace tq {

/// The calling thread works too: a pool of size 1 has no threads of its own. One for_ranges() at a time.
class ThreadPool {
 public:
  /// `threads` 0: as many as the machine has cores. The pool is smaller where the system refuses so many. `bound`: each
  /// thread stays on one of the cores that the process may use, as far as they go (Linux); the calling one too, which
  /// destroys the pool and is free then.
  explicit ThreadPool(unsigned threads, bool bound = false);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned size() const { return static_cast<unsigned>(workers_.size()) + 1; }
  /// From now on `threads` of them take part, at most all; 0: all.
  void limit(unsigned threads);

  /// Cuts [0, count) into at most kPieces · size() contiguous ranges whose borders are multiples of `grain`, and calls
  /// body(begin, end, thread) once for each, thread in [0, size()). The cuts depend on nothing but the three numbers;
  /// which thread takes a range also depends on which is free: a thread that has done its share goes on with the
  /// others', so that one that waits for a core holds nobody up. Returns when all are done. `body` must not throw.
  template <class Body>
  void for_ranges(std::size_t count, std::size_t grain, Body&& body) {
    using Pointer = std::add_pointer_t<std::remove_reference_t<Body>>;
    const auto call = [](void* object, std::size_t begin, std::size_t end, unsigned thread) {
      (*static_cast<Pointer>(object))(begin, end, thread);
    };
    run(count, grain, call, const_cast<void*>(static_cast<const void*>(&body)));
  }

  using Stretches = std::array<std::span<const std::byte>, 3>;
  /// Says what a later for_ranges() reads, in the order of its ranges: from now on, each thread that waits asks memory
  /// for the share that is likely to be its own. The bytes are never read here, and may be gone by then. Only for the
  /// thread that calls for_ranges().
  void expect(const Stretches& stretches);

  /// Ranges for each thread: what a thread that lost its core can hold up is a fourth of its share.
  static constexpr std::size_t kPieces = 4;

 private:
  using Call = void (*)(void* object, std::size_t begin, std::size_t end, unsigned thread);

  /// Pieces that nobody has taken yet, of one thread's share: the number of the next one in the low half, the end in
  /// the high one.
  struct alignas(64) Share {
    std::atomic<std::uint64_t> left = 0;
  };

  /// What a thread still has to ask for of a number of bytes that are expected.
  struct alignas(64) Asking {
    std::uint32_t expectation = 0;  ///< the one it is about
    std::size_t next = 0, left = 0;
  };

  void run(std::size_t count, std::size_t grain, Call call, void* object);
  bool ask_ahead(unsigned thread);
  void wait_for_change(const std::atomic<std::uint32_t>& value, std::uint32_t old, unsigned thread);
  void take_pieces(unsigned thread);
  void call_piece(std::size_t piece, unsigned thread) const;
  void work(unsigned thread);

  // The job in progress: written before the shares are, read by those who hold one of its pieces, so that it stays.
  std::size_t count_ = 0, grain_ = 1, n_pieces_ = 0;
  Call call_ = nullptr;
  void* object_ = nullptr;

  // Threads may read one of these while another is written: then they ask for the wrong bytes, which costs time alone.
  struct Stretch {
    std::atomic<std::uintptr_t> begin = 0;
    std::atomic<std::size_t> size = 0;
  };
  std::array<Stretch, std::tuple_size_v<Stretches>> expected_;
  std::atomic<std::uint32_t> expectation_ = 0;
  std::vector<Asking> asking_;

  std::vector<Share> shares_;
  std::atomic<unsigned> taking_part_ = 1;
  bool bound_;
  alignas(64) std::atomic<std::uint32_t> generation_ = 0;
  std::atomic<bool> stopping_ = false;
  alignas(64) std::atomic<std::uint32_t> unfinished_ = 0;  // pieces
  std::vector<std::thread> workers_;
};

}  // namespace tq
