// load_tail and store_tail of kernels.inl for targets without masks.

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
