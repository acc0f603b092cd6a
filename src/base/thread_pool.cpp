#include "base/thread_pool.h"

#include <algorithm>
#include <cassert>
#include <system_error>

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

/// Returns once `value` differs from `old`.
void wait_for_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(unsigned threads) {
  if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
  workers_.reserve(threads - 1);
  try {
    for (unsigned i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error&) {
    // The system gives no more threads: those that run are the pool.
  }
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::do_share(unsigned thread) const {
  const std::size_t grains = (count_ + grain_ - 1) / grain_;
  const std::size_t begin = std::min(count_, grains * thread / size() * grain_);
  const std::size_t end = std::min(count_, grains * (thread + 1) / size() * grain_);
  if (begin < end) call_(object_, begin, end, thread);
}

void ThreadPool::run(std::size_t count, std::size_t grain, Call call, void* object) {
  assert(grain > 0);
  count_ = count;
  grain_ = grain;
  call_ = call;
  object_ = object;
  if (!workers_.empty() && count > grain) {
    unfinished_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    do_share(0);
    for (std::uint32_t left = unfinished_.load(std::memory_order_acquire); left != 0;
         left = unfinished_.load(std::memory_order_acquire)) {
      wait_for_change(unfinished_, left);
    }
  } else if (count > 0) {
    call(object, 0, count, 0);
  }
}

void ThreadPool::work(unsigned thread) {
  std::uint32_t seen = 0;
  while (true) {
    wait_for_change(generation_, seen);
    ++seen;
    if (stopping_) return;
    do_share(thread);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
  }
}

}  // namespace tq
