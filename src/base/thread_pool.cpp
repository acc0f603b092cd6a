#include "base/thread_pool.h"

#include <algorithm>
#include <cassert>
#include <system_error>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace tq {
namespace {

// About 10 µs: longer than the gap between two parallel regions of a layer, shorter than what a shared machine takes
// offence at.
constexpr int kSpins = 2000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

#if defined(__linux__)
/// The cores that the process may use, as it was when a thread was bound for the first time.
const cpu_set_t& allowed_cores() {
  static const cpu_set_t allowed = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  return allowed;
}
#endif

/// Leaves the calling thread one core, the n-th of those that the process may use; nothing where there are not so many.
void bind_to_core([[maybe_unused]] unsigned n) {
#if defined(__linux__)
  const cpu_set_t& allowed = allowed_cores();
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || n-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);  // may be refused: then it stays free
    return;
  }
#endif
}

/// Threads inherit where they may run from the one that makes them.
void unbind() {
#if defined(__linux__)
  pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), &allowed_cores());
#endif
}

}  // namespace

ThreadPool::ThreadPool(unsigned threads, bool bound) : bound_(bound) {
  if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
  shares_ = std::vector<Share>(threads);
  asking_ = std::vector<Asking>(threads);
  workers_.reserve(threads - 1);
  try {
    for (unsigned i = 1; i < threads; ++i) {
      workers_.emplace_back([this, i, bound] {
        if (bound) bind_to_core(i);
        work(i);
      });
    }
  } catch (const std::system_error&) {
    // The system gives no more threads: those that run are the pool.
  }
  if (bound_) bind_to_core(0);
  limit(0);
}

void ThreadPool::limit(unsigned threads) {
  taking_part_.store(threads == 0 ? size() : std::min(threads, size()), std::memory_order_relaxed);
}

void ThreadPool::expect(const Stretches& stretches) {
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    expected_[i].begin.store(reinterpret_cast<std::uintptr_t>(stretches[i].data()), std::memory_order_relaxed);
    expected_[i].size.store(stretches[i].size(), std::memory_order_relaxed);
  }
  expectation_.fetch_add(1, std::memory_order_release);
}

/// Asks for one line. False when nothing is left to ask for.
bool ThreadPool::ask_ahead(unsigned thread) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kMost = 256 << 10;  // longer than a wait; level 2 has room for it and for what is in use
  Asking& asking = asking_[thread];
  const std::uint32_t expectation = expectation_.load(std::memory_order_acquire);
  if (asking.expectation != expectation) {
    std::size_t all = 0;
    for (const Stretch& stretch : expected_) all += stretch.size.load(std::memory_order_relaxed);
    const std::size_t share = all / taking_part_.load(std::memory_order_relaxed);
    asking = {.expectation = expectation, .next = share * thread, .left = std::min(share, kMost)};
  }
  if (asking.left < kLine) return false;
  std::size_t at = asking.next;
  for (const Stretch& stretch : expected_) {
    const std::size_t size = stretch.size.load(std::memory_order_relaxed);
    if (at < size) {
      __builtin_prefetch(reinterpret_cast<const void*>(stretch.begin.load(std::memory_order_relaxed) + at), 0, 2);
      break;
    }
    at -= size;
  }
  asking.next += kLine;
  asking.left -= kLine;
  return true;
}

/// Returns once `value` differs from `old`.
void ThreadPool::wait_for_change(const std::atomic<std::uint32_t>& value, std::uint32_t old, unsigned thread) {
  for (int i = 0; i < kSpins;) {
    if (value.load(std::memory_order_acquire) != old) return;
    if (ask_ahead(thread)) continue;
    pause();
    ++i;
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  if (bound_) unbind();
}

void ThreadPool::call_piece(std::size_t piece, unsigned thread) const {
  const std::size_t grains = (count_ + grain_ - 1) / grain_;
  const std::size_t begin = grains * piece / n_pieces_ * grain_;
  const std::size_t end = std::min(count_, grains * (piece + 1) / n_pieces_ * grain_);
  call_(object_, begin, end, thread);
}

/// The thread's own share first, then those behind it.
void ThreadPool::take_pieces(unsigned thread) {
  std::uint32_t done = 0;
  for (unsigned i = 0; i < size(); ++i) {
    std::atomic<std::uint64_t>& left = shares_[(thread + i) % size()].left;
    // A value that is read late may be of another job; what counts is what the exchange finds.
    for (std::uint64_t seen = left.load(std::memory_order_relaxed); (seen & 0xFFFFFFFFU) < seen >> 32;) {
      if (!left.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire, std::memory_order_relaxed)) continue;
      call_piece(seen & 0xFFFFFFFFU, thread);
      ++done;
      seen = left.load(std::memory_order_relaxed);
    }
  }
  if (done > 0 && unfinished_.fetch_sub(done, std::memory_order_acq_rel) == done) unfinished_.notify_one();
}

void ThreadPool::run(std::size_t count, std::size_t grain, Call call, void* object) {
  assert(grain > 0);
  if (count == 0) return;
  const unsigned threads = taking_part_.load(std::memory_order_relaxed);
  if (threads == 1 || count <= grain) return call(object, 0, count, 0);
  count_ = count;
  grain_ = grain;
  call_ = call;
  object_ = object;
  n_pieces_ = std::min((count + grain - 1) / grain, kPieces * threads);
  unfinished_.store(static_cast<std::uint32_t>(n_pieces_), std::memory_order_relaxed);
  for (std::size_t t = 0; t < threads; ++t) {
    const std::uint64_t begin = n_pieces_ * t / threads, end = n_pieces_ * (t + 1) / threads;
    shares_[t].left.store(end << 32 | begin, std::memory_order_release);
  }
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  take_pieces(0);
  for (std::uint32_t left = unfinished_.load(std::memory_order_acquire); left != 0;
       left = unfinished_.load(std::memory_order_acquire)) {
    wait_for_change(unfinished_, left, 0);
  }
}

void ThreadPool::work(unsigned thread) {
  for (std::uint32_t seen = 0;;) {
    wait_for_change(generation_, seen, thread);
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (thread < taking_part_.load(std::memory_order_relaxed)) take_pieces(thread);
  }
}

}  // namespace tq
