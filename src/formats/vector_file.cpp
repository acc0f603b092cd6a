// Plain vectors: NumPy arrays, the .fvecs and .bvecs of the TEXMEX sets, MNIST's idx. THE list of these formats is
// kReaders.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/float16.h"
#include "formats/message.h"
#include "turboquant/vectors.h"

namespace tq {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint64_t kMostUnpacked = std::uint64_t{16} << 30;
constexpr std::uint64_t kLongestVector = std::uint64_t{1} << 20;

enum class Element { kF32, kF64, kF16, kI8, kU8 };

std::size_t size_of(Element element) {
  switch (element) {
    case Element::kF32:
      return 4;
    case Element::kF64:
      return 8;
    case Element::kF16:
      return 2;
    default:
      return 1;
  }
}

template <class T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

float value_at(Element element, const std::byte* bytes) {
  switch (element) {
    case Element::kF32:
      return load<float>(bytes);
    case Element::kF64:
      return static_cast<float>(load<double>(bytes));
    case Element::kF16:
      return half_to_float(load<std::uint16_t>(bytes));
    case Element::kI8:
      return static_cast<float>(load<std::int8_t>(bytes));
    default:
      return static_cast<float>(load<std::uint8_t>(bytes));
  }
}

/// Where the vectors of a file lie: row r begins at first + r · stride.
struct Table {
  Element element = Element::kF32;
  std::uint64_t rows = 0, dim = 0, first = 0, stride = 0;
};

Result<VectorSet> copy_rows(Bytes bytes, const Table& table, std::string_view name, std::size_t max_rows) {
  if (table.dim < 1 || table.dim > kLongestVector) {
    return bad_file(name, "vectors of length {} are out of range; 1 to {} are possible", table.dim, kLongestVector);
  }
  VectorSet set;
  set.dim = static_cast<std::size_t>(table.dim);
  set.rows = static_cast<std::size_t>(max_rows == 0 ? table.rows : std::min<std::uint64_t>(table.rows, max_rows));
  set.values.resize(set.rows * set.dim);
  const std::size_t size = size_of(table.element);
  for (std::size_t r = 0; r < set.rows; ++r) {
    const std::byte* row = bytes.data() + table.first + r * table.stride;
    for (std::size_t i = 0; i < set.dim; ++i) {
      const float value = value_at(table.element, row + i * size);
      if (!std::isfinite(value)) return bad_file(name, "the value {} of vector {} is not a finite number", i, r);
      set.values[r * set.dim + i] = value;
    }
  }
  return set;
}

// ---- .npy (NumPy Enhancement Proposal 1: magic, version, length of the header, a Python dictionary, the array)

/// What stands behind `'key':` in the dictionary, up to the next comma outside parentheses.
std::string_view dictionary_value(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const std::size_t end = rest.starts_with('(') ? rest.find(')') : rest.find_first_of(",}");
  return rest.substr(0, end);
}

/// The numbers of "(1931, 384"; empty when it is anything else.
std::vector<std::uint64_t> read_shape(std::string_view text) {
  std::vector<std::uint64_t> shape;
  if (!text.starts_with('(')) return shape;
  text.remove_prefix(1);
  while (!text.empty() && shape.size() < 8) {
    std::uint64_t number = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
      const auto scaled = checked_multiply<std::uint64_t>(number, 10);
      const auto sum =
          scaled ? checked_add<std::uint64_t>(*scaled, static_cast<std::uint64_t>(text[digits] - '0')) : std::nullopt;
      if (!sum) return {};
      number = *sum;
    }
    if (digits == 0) return {};
    shape.push_back(number);
    text.remove_prefix(digits);
    text.remove_prefix(std::min(text.find_first_not_of(", "), text.size()));
  }
  return shape;
}

Result<Table> read_npy(Bytes bytes, std::string_view name) {
  ByteReader reader(bytes.subspan(6));
  std::uint8_t major = 0, minor = 0;
  if (!reader.read(major) || !reader.read(minor)) return bad_file(name, "the file ends in the header; fetch it again");
  if (major < 1 || major > 3)
    return bad_file(name, "this .npy has version {}.{}; versions 1 to 3 are known", major, minor);
  std::uint32_t length = 0;
  std::uint16_t short_length = 0;
  const bool has_length = major == 1 ? reader.read(short_length) : reader.read(length);
  if (major == 1) length = short_length;
  std::string_view header;
  if (!has_length || !reader.take(length, header)) return bad_file(name, "the file ends in the header; fetch it again");

  struct Type {
    std::string_view name;
    Element element;
  };
  static constexpr std::array kTypes = {Type{"'<f4'", Element::kF32}, Type{"'<f8'", Element::kF64},
                                        Type{"'<f2'", Element::kF16}, Type{"'|i1'", Element::kI8},
                                        Type{"'|u1'", Element::kU8}};
  const std::string_view descr = dictionary_value(header, "descr");
  const auto type =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& candidate) { return candidate.name == descr; });
  if (type == kTypes.end())
    return bad_file(name, "an array of type {} cannot be read; save it as float32", in_quotes(descr));
  if (dictionary_value(header, "fortran_order") != "False")
    return bad_file(name, "the array must be in C order, row by row");
  const std::vector<std::uint64_t> shape = read_shape(dictionary_value(header, "shape"));
  if (shape.size() != 2)
    return bad_file(name, "the array must have 2 dimensions, vectors and values, not {}", shape.size());

  Table table{type->element, shape[0], shape[1], 6 + reader.position(), 0};
  const auto stride = checked_multiply<std::uint64_t>(table.dim, size_of(table.element));
  const auto total = stride ? checked_multiply<std::uint64_t>(*stride, table.rows) : std::nullopt;
  if (!total || *total != reader.remaining()) {
    return bad_file(name, "the array of {} x {} does not fill the {} bytes that follow its header; the file is damaged",
                    shape[0], shape[1], reader.remaining());
  }
  table.stride = *stride;
  return table;
}

// ---- .fvecs, .bvecs: each vector begins with its length in 4 bytes

Result<Table> read_vecs(Bytes bytes, std::string_view name, Element element) {
  ByteReader reader(bytes);
  std::int32_t dim = 0;
  if (!reader.read(dim) || dim < 1) return bad_file(name, "the first vector has the length {}", dim);
  Table table{element, 0, static_cast<std::uint64_t>(dim), 4, 4 + static_cast<std::uint64_t>(dim) * size_of(element)};
  if (bytes.size() % table.stride != 0) {
    return bad_file(name, "{} bytes are no whole number of vectors of length {}; the file is cut off, fetch it again",
                    bytes.size(), dim);
  }
  table.rows = bytes.size() / table.stride;
  for (std::uint64_t r = 0; r < table.rows; ++r) {
    if (load<std::int32_t>(bytes.data() + r * table.stride) != dim) {
      return bad_file(name, "vector {} has another length than the first one, {}", r, dim);
    }
  }
  return table;
}

// ---- idx (MNIST): two zeros, the type, the number of dimensions, each dimension in 4 big-endian bytes

Result<Table> read_idx(Bytes bytes, std::string_view name) {
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint64_t>(bytes[i]); };
  const std::size_t n_dims = static_cast<std::size_t>(byte(3));
  if (n_dims < 2 || n_dims > 4) return bad_file(name, "this idx file has {} dimensions; images have 2 to 4", n_dims);
  if (bytes.size() < 4 + 4 * n_dims) return bad_file(name, "the file ends in the header; fetch it again");
  Table table{Element::kU8, 0, 1, 4 + 4 * n_dims, 0};
  for (std::size_t i = 0; i < n_dims; ++i) {
    const std::uint64_t size = byte(4 + 4 * i) << 24 | byte(5 + 4 * i) << 16 | byte(6 + 4 * i) << 8 | byte(7 + 4 * i);
    if (i == 0) {
      table.rows = size;
    } else {
      const auto product = checked_multiply(table.dim, size);
      if (!product) return bad_file(name, "the dimensions are impossible");
      table.dim = *product;
    }
  }
  table.stride = table.dim;
  const auto total = checked_multiply(table.rows, table.dim);
  if (!total || *total != bytes.size() - table.first) {
    return bad_file(name, "{} x {} bytes do not fill the {} that follow the header; the file is damaged", table.rows,
                    table.dim, bytes.size() - table.first);
  }
  return table;
}

struct Reader {
  std::string_view extension;  ///< decides where `start` is empty
  std::string_view start;
  Result<Table> (*read)(Bytes bytes, std::string_view name);
};

using std::string_view_literals::operator""sv;

constexpr std::array kReaders = {
    Reader{".npy", "\x93NUMPY"sv, read_npy},
    Reader{".idx", "\0\0\x08"sv, read_idx},
    Reader{".fvecs", "", [](Bytes bytes, std::string_view name) { return read_vecs(bytes, name, Element::kF32); }},
    Reader{".bvecs", "", [](Bytes bytes, std::string_view name) { return read_vecs(bytes, name, Element::kU8); }},
};

Result<Table> read_table(Bytes bytes, const std::filesystem::path& path) {
  for (const Reader& reader : kReaders) {
    const bool fits =
        reader.start.empty() ? path.extension() == reader.extension : as_text(bytes).starts_with(reader.start);
    if (fits && bytes.size() > 6) return reader.read(bytes, path.string());
  }
  return bad_file(path.string(), "this is no file of vectors; .npy, .fvecs, .bvecs and idx (also .gz) can be read");
}

/// The contents of a gzip file. Its claims about sizes are not believed.
Result<std::vector<std::byte>> inflate_gzip(Bytes packed, std::string_view name) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK)
    return fail(ErrorCode::kOutOfMemory, fmt::format("{}: no memory to unpack it", name));
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ended(&stream, inflateEnd);
  std::vector<std::byte> unpacked;
  std::vector<std::byte> piece(std::size_t{1} << 20);
  for (int status = Z_OK; status != Z_STREAM_END;) {
    if (stream.avail_in == 0 && !packed.empty()) {
      const std::size_t n = std::min<std::size_t>(packed.size(), std::numeric_limits<uInt>::max());
      stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));
      stream.avail_in = static_cast<uInt>(n);
      packed = packed.subspan(n);
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END)
      return bad_file(name, "the compressed data are damaged or cut off; fetch it again");
    const std::size_t n = piece.size() - stream.avail_out;
    if (unpacked.size() + n > kMostUnpacked) return bad_file(name, "it unpacks to more than {} bytes", kMostUnpacked);
    unpacked.insert(unpacked.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return unpacked;
}

}  // namespace

Result<VectorSet> read_vectors(const std::filesystem::path& path, std::size_t max_rows) {
  const Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::unexpected(file.error());
  return parse_vectors(file->bytes(), path, max_rows);
}

Result<VectorSet> parse_vectors(Bytes bytes, const std::filesystem::path& path, std::size_t max_rows) {
  std::vector<std::byte> unpacked;
  std::filesystem::path inner = path;
  if (as_text(bytes).starts_with("\x1f\x8b"sv)) {
    Result<std::vector<std::byte>> whole = inflate_gzip(bytes, path.string());
    if (!whole) return std::unexpected(whole.error());
    unpacked = std::move(*whole);
    bytes = unpacked;
    if (inner.extension() == ".gz") inner.replace_extension();
  }
  const Result<Table> table = read_table(bytes, inner);
  if (!table) return std::unexpected(table.error());
  if (table->rows == 0) return bad_file(path.string(), "the file holds no vectors");
  return copy_rows(bytes, *table, path.string(), max_rows);
}

}  // namespace tq
