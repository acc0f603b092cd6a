// What kernels.inl asks for beyond ByteTable, for targets that have neither a permutation of 64 bytes nor a product of bits with a matrix.

template <unsigned at, unsigned bits>
inline B look_up_at(const ByteTable<bits>& table, B word) {
  return look_up(table, down<at>(word));
}

inline B load_once(const std::uint8_t* bytes) { return load_bytes(bytes); }

struct MirroredTable {
  MirroredTable(const std::int8_t* values, std::uint8_t mirrored_by) : half(values), mirror(mirrored_by) {}
  ByteTable<7> half;
  std::uint8_t mirror;
};
template <unsigned shift>
inline B look_up_turned(const MirroredTable& table, B turned) {
  if constexpr (shift == 0) {
    return look_up(table.half, flip_if_negative(turned, table.mirror));
  } else {
    return look_up(table.half, flip_if_negative(pick<(0xFFU >> shift)>(down<shift>(turned), up<8 - shift>(turned)), table.mirror));
  }
}
