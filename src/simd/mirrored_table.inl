// MirroredTable of kernels.inl for targets that have no product of bits with a matrix.

struct MirroredTable {
  MirroredTable(const std::int8_t* values, std::uint8_t mirrored_by) : half(values), mirror(mirrored_by) {}
  ByteTable<7> half;
  std::uint8_t mirror;
};
template <unsigned shift>
inline B look_up(const MirroredTable& table, B turned) {
  if constexpr (shift == 0) {
    return look_up(table.half, flip_if_negative(turned, table.mirror));
  } else {
    return look_up(table.half, flip_if_negative(pick<(0xFFU >> shift)>(down<shift>(turned), up<8 - shift>(turned)), table.mirror));
  }
}
