// load_tail, store_tail, with_window_table and StreamEnd of kernels.inl for targets without masks.

inline F load_tail(const float* x, std::size_t n) {
  float padded[16] = {};
  __builtin_memcpy(padded, x, n * sizeof(float));
  return load(padded);
}

inline void store_tail(F a, std::size_t n, float* x) {
  float padded[16];
  store(a, padded);
  __builtin_memcpy(x, padded, n * sizeof(float));
}

template <class Take>
inline void with_window_table(const WindowValues& values, unsigned bits, Take take) {
  take(WindowTable(values, bits));
}
struct StreamEnd {
  StreamEnd(const WindowTable&, std::size_t bytes) : n(bytes) {}
  std::size_t n;
};
inline void look_up_copied(const WindowTable& table, const StreamEnd& end, const std::uint8_t* bytes, unsigned behind, F* out) {
  std::uint8_t padded[66];
  const std::size_t kept = end.n < 64 ? end.n : 64;
  std::size_t i = 0;
  for (; i + 16 <= kept; i += 16) __builtin_memcpy(padded + i, bytes + i, 16);  // fixed sizes are instructions
  for (; i < kept; ++i) padded[i] = bytes[i];
  padded[kept] = static_cast<std::uint8_t>(behind);
  padded[kept + 1] = static_cast<std::uint8_t>(behind >> 8);
  look_up(table, padded, out);
}
