// Codes that more than one tile of queries meets: looked up once, into a panel of bytes. A part of kernels.inl.

/// What a walk over codes finds goes into it as into sums: one field's values, of one vector or more, behind the other's.
class Panel {
 public:
  /// Room for 64 bytes of each vector from the next multiple of 64 on.
  explicit Panel(std::uint8_t* room) : begin_(room + (64 - reinterpret_cast<std::uintptr_t>(room) % 64) % 64), end_(begin_) {}

  template <class... Values>
  __attribute__((always_inline)) void add_field(int, Values... values) {
    (put(values), ...);
  }
  void next_chunk() {}

  /// All fields, kVectors each, into sums of products, chunk by chunk: where the last one has fewer than 8, queries have zeros.
  template <int kVectors, class Sums>
  __attribute__((always_inline)) void walk(Sums& sums) const {
    for (const std::uint8_t* at = begin_; at < end_; at += 8 * 64 * kVectors) {
      take_chunk<kVectors, 0>(at, sums);
      sums.next_chunk();
    }
  }
  /// Before the first walk.
  template <int kVectors>
  void complete_chunk() {
    while ((end_ - begin_) % (8 * 64 * kVectors) != 0) {
      __builtin_memset(end_, 0, 64);
      end_ += 64;
    }
  }

 private:
  __attribute__((always_inline)) void put(B values) {
    __builtin_memcpy(end_, &values, 64);
    end_ += 64;
  }
  template <int kVectors, int field, class Sums>
  __attribute__((always_inline)) static void take_chunk(const std::uint8_t* at, Sums& sums) {
    if constexpr (field < 8) {
      if constexpr (kVectors == 1) {
        sums.add_field(field, load_once(at));
      } else {
        sums.add_field(field, load_once(at), load_once(at + 64));
      }
      take_chunk<kVectors, field + 1>(at + 64 * kVectors, sums);
    }
  }

  std::uint8_t *begin_, *end_;
};
static_assert(sizeof(B) == 64);

inline bool wants_panel(const InterleavedDot& job) { return job.panel != nullptr && job.n_queries > kQueryTile; }

template <int kQueries, int kBlocks>
void dot_queries_with(const InterleavedDot& job, const DotBlock* blocks, const Panel& panel, std::size_t first) {
  dot_queries<kQueries, kBlocks>(job, blocks, first, [&](auto& sums) __attribute__((always_inline)) { panel.walk<kBlocks>(sums); });
}
/// All queries, as dot_all_queries.
template <int kBlocks>
inline void dot_panel(const InterleavedDot& job, const DotBlock* blocks, const Panel& panel) {
  for_query_tiles<kQueryTile>(job.n_queries, [&](auto tile, std::size_t first) {
    dot_queries_with<decltype(tile)::kQueries, kBlocks>(job, blocks, panel, first);
  });
}
