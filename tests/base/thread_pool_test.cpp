#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace tq::test {
namespace {

struct Range {
  std::size_t begin, end;
  unsigned thread;
  bool operator==(const Range& other) const { return begin == other.begin && end == other.end; }
  bool operator<(const Range& other) const { return begin < other.begin; }
};

std::vector<Range> ranges_of(ThreadPool& pool, std::size_t count, std::size_t grain) {
  std::vector<Range> ranges;
  std::mutex mutex;
  pool.for_ranges(count, grain, [&](std::size_t begin, std::size_t end, unsigned thread) {
    const std::lock_guard lock(mutex);
    ranges.push_back({begin, end, thread});
  });
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

TEST(ThreadPool, every_index_once_and_borders_at_the_grain) {
  for (const unsigned threads : {1U, 2U, 3U, 4U}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    for (const std::size_t grain : {1U, 2U, 3U, 16U}) {
      for (std::size_t count = 0; count <= 70; ++count) {
        const std::vector<Range> ranges = ranges_of(pool, count, grain);
        ASSERT_LE(ranges.size(), threads == 1 ? 1 : ThreadPool::kPieces * threads);
        std::size_t next = 0;
        for (const Range& range : ranges) {
          ASSERT_EQ(range.begin, next);
          ASSERT_LT(range.begin, range.end);
          ASSERT_TRUE(range.end % grain == 0 || range.end == count) << count << " by " << grain;
          ASSERT_LT(range.thread, threads);
          next = range.end;
        }
        ASSERT_EQ(next, count);
      }
    }
  }
}

TEST(ThreadPool, a_limit_leaves_threads_out_and_takes_them_in_again) {
  ThreadPool pool(4);
  for (const unsigned limit : {1U, 2U, 3U, 9U, 0U}) {
    pool.limit(limit);
    const unsigned threads = limit == 0 || limit > 4 ? 4 : limit;
    std::vector<Range> expected = ranges_of(pool, 100, 1);
    ASSERT_EQ(expected.size(), threads == 1 ? 1 : ThreadPool::kPieces * threads);
    for (int i = 0; i < 200; ++i) {
      std::atomic<std::size_t> sum = 0;
      pool.for_ranges(100, 1, [&](std::size_t begin, std::size_t end, unsigned) { sum += end - begin; });
      ASSERT_EQ(sum, 100U);
    }
  }
}

#if defined(__linux__)
TEST(ThreadPool, bound_threads_stay_on_one_core_each_and_the_caller_is_free_again) {
  cpu_set_t before, during, after;
  sched_getaffinity(0, sizeof before, &before);
  const auto cores = static_cast<unsigned>(CPU_COUNT(&before));
  {
    ThreadPool pool(std::min(cores, 2U), true);
    sched_getaffinity(0, sizeof during, &during);
    EXPECT_EQ(CPU_COUNT(&during), 1);
    std::vector<int> counts(pool.size(), 0);
    for (int i = 0; i < 100; ++i) {
      pool.for_ranges(64, 1, [&](std::size_t, std::size_t, unsigned thread) {
        cpu_set_t here;
        sched_getaffinity(0, sizeof here, &here);
        counts[thread] = std::max(counts[thread], CPU_COUNT(&here));
      });
    }
    EXPECT_EQ(counts[0], 1);
    for (const int count : counts) EXPECT_LE(count, 1);  // 0: the others did it all
  }
  sched_getaffinity(0, sizeof after, &after);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}
#endif

TEST(ThreadPool, the_split_is_the_same_every_time) {
  ThreadPool pool(4);
  const std::vector<Range> first = ranges_of(pool, 67, 4);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(ranges_of(pool, 67, 4), first);
}

/// The pieces differ by one grain at most, so that no thread waits for long.
TEST(ThreadPool, pieces_are_even) {
  ThreadPool pool(4);
  for (std::size_t count = 8; count <= 70; ++count) {
    std::size_t least = count, most = 0;
    for (const Range& range : ranges_of(pool, count, 2)) {
      least = std::min(least, range.end - range.begin);
      most = std::max(most, range.end - range.begin);
    }
    // The last grain may be cut short, by less than a grain.
    ASSERT_LT(most - least, 4U) << count;
  }
}

/// A thread that loses its core in the middle of a range holds up that range alone: others do the rest of its share. With
/// fixed shares the range that waits would give up, for the one behind it waits for the same thread.
TEST(ThreadPool, a_thread_that_stands_still_holds_up_one_range) {
  constexpr std::size_t kRanges = 2 * ThreadPool::kPieces;
  ThreadPool pool(2);
  for (const unsigned stands_still : {0U, 1U}) {
    std::atomic<std::size_t> done = 0;
    std::atomic<bool> gave_up = false;
    pool.for_ranges(kRanges, 1, [&](std::size_t, std::size_t, unsigned thread) {
      if (thread == stands_still) {
        for (int i = 0; i < 10000 && done < kRanges - 1; ++i) ::usleep(1000);
        if (done < kRanges - 1) gave_up = true;
      }
      ++done;
    });
    EXPECT_FALSE(gave_up) << stands_still;
    EXPECT_EQ(done, kRanges);
  }
}

/// Each region reads what the one before it wrote in other threads. A lost index, or a region that returns early,
/// breaks the sum.
TEST(ThreadPool, nothing_is_lost_over_thousands_of_regions) {
  constexpr std::size_t kCount = 64, kRegions = 5000;
  for (const unsigned threads : {1U, 2U, 4U}) {
    ThreadPool pool(threads);
    std::vector<std::uint64_t> now(kCount, 1), next(kCount);
    for (std::size_t region = 0; region < kRegions; ++region) {
      pool.for_ranges(kCount, 1, [&](std::size_t begin, std::size_t end, unsigned) {
        for (std::size_t i = begin; i < end; ++i) next[i] = now[(i + 17) % kCount] + 1;
      });
      std::swap(now, next);
    }
    for (const std::uint64_t value : now) ASSERT_EQ(value, kRegions + 1) << threads;
  }
}

/// Between the regions the caller is slower than the workers spin, so that they sleep and must be woken.
// Bytes that are expected are never read: neither those that are gone, nor addresses that were never there, may end a thread; nor may a wait
// that asks for many of them miss its end.
TEST(ThreadPool, what_is_expected_changes_nothing_and_may_be_gone) {
  ThreadPool pool(3);
  constexpr std::size_t kSize = 1 << 20;
  void* gone = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(gone, MAP_FAILED);
  ASSERT_EQ(munmap(gone, kSize), 0);
  const ThreadPool::Stretches stretches = {std::span(static_cast<const std::byte*>(gone), kSize),
                                           std::span(reinterpret_cast<const std::byte*>(64), std::size_t{1} << 40),
                                           std::span<const std::byte>()};
  for (int i = 0; i < 300; ++i) {
    if (i % 3 != 0) pool.expect(i % 3 == 1 ? stretches : ThreadPool::Stretches{});
    std::atomic<std::size_t> sum = 0;
    pool.for_ranges(1000, 1, [&](std::size_t begin, std::size_t end, unsigned) { sum += end - begin; });
    ASSERT_EQ(sum, 1000U);
  }
}

TEST(ThreadPool, sleeping_workers_wake_up) {
  ThreadPool pool(4);
  std::atomic<int> calls = 0;
  for (int region = 0; region < 20; ++region) {
    ::usleep(2000);
    pool.for_ranges(4, 1, [&](std::size_t, std::size_t, unsigned) { ++calls; });
  }
  EXPECT_EQ(calls, 80);
}

/// The last worker to finish is one that sleeps, so that the caller waits for it asleep.
TEST(ThreadPool, the_caller_waits_for_a_slow_worker) {
  ThreadPool pool(3);
  for (int region = 0; region < 5; ++region) {
    bool done = false;
    pool.for_ranges(3, 1, [&](std::size_t begin, std::size_t, unsigned) {
      if (begin != 2) return;
      ::usleep(5000);
      done = true;
    });
    ASSERT_TRUE(done);
  }
}

TEST(ThreadPool, made_and_ended_without_work) {
  for (int i = 0; i < 200; ++i) ThreadPool pool(static_cast<unsigned>(i % 5) + 1);
  const ThreadPool as_many_as_cores(0);
  EXPECT_GE(as_many_as_cores.size(), 1U);
}

TEST(ThreadPool, two_pools_do_not_disturb_each_other) {
  std::vector<std::thread> callers;
  std::atomic<std::size_t> total = 0;
  for (int caller = 0; caller < 2; ++caller) {
    callers.emplace_back([&total] {
      ThreadPool pool(2);
      for (int region = 0; region < 500; ++region) {
        pool.for_ranges(10, 1, [&](std::size_t begin, std::size_t end, unsigned) { total += end - begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total, 10000U);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
/// In a child whose address space leaves room for a few stacks only.
TEST(ThreadPool, a_system_that_gives_no_more_threads_gives_a_smaller_pool) {
  const pid_t child = ::fork();
  if (child == 0) {
    rlimit limit = {};
    limit.rlim_cur = limit.rlim_max = std::size_t{200} << 20;
    if (::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(2);
    if (::mmap(nullptr, 2 * limit.rlim_cur, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) ::_exit(3);
    ThreadPool pool(256);
    std::atomic<std::size_t> total = 0;
    pool.for_ranges(1000, 1, [&](std::size_t begin, std::size_t end, unsigned) { total += end - begin; });
    ::_exit(total == 1000 && pool.size() < 256 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == 3) GTEST_SKIP() << "QEMU's user mode does not obey RLIMIT_AS";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}
#endif

}  // namespace
}  // namespace tq::test
