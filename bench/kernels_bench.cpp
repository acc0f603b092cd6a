// Every kernel of the table in use (TQ_SIMD forces another), in bytes per second of what it reads, beside a plain read of as many bytes.
// items_per_second counts values: coordinates of rows for products, elements elsewhere.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "quant/interleave.h"
#include "simd/kernels.h"
#include "support/random_rows.h"
#include "turboquant/codec.h"
#include "turboquant/rotation.h"
#include "turboquant/vector_index.h"

namespace tq {
namespace {

constexpr std::size_t kDim = 128;
constexpr std::size_t kInCache = 1 << 11, kFromMemory = 1 << 20;  // rows: 128 KiB of 4-bit codes, or 64 MiB

void count(benchmark::State& state, std::size_t bytes, std::size_t values) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
  state.SetItemsProcessed(static_cast<std::int64_t>(values) * state.iterations());
}

std::vector<std::byte> random_bytes(std::size_t n) {
  std::vector<std::byte> bytes(n);
  std::uint64_t state = 7;
  for (std::size_t i = 0; i + 8 <= n; i += 8) {
    const std::uint64_t word = next_random(state);
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  return bytes;
}

/// What memory gives: sums of 64-bit words in four chains, which compilers turn into the widest loads they may use.
void plain_read(benchmark::State& state) {
  const std::vector<std::byte> bytes = random_bytes(static_cast<std::size_t>(state.range(0)));
  const auto* words = reinterpret_cast<const std::uint64_t*>(bytes.data());
  const std::size_t n = bytes.size() / 8;
  for (auto _ : state) {
    std::uint64_t sums[32] = {};
    for (std::size_t i = 0; i + 32 <= n; i += 32) {
      for (std::size_t j = 0; j < 32; ++j) sums[j] += words[i + j];
    }
    benchmark::DoNotOptimize(sums);
  }
  count(state, bytes.size(), 0);
}
BENCHMARK(plain_read)->Arg(128 << 10)->Arg(64 << 20);

/// For rows of kDim values, or of twice as many where the codec has blocks of 256.
std::shared_ptr<const Codec> codec_of(const char* name, Layout layout) {
  const CodecSpec spec = CodecSpec::parse(name).value().with_layout(layout);
  const auto codec = make_codec(spec, kDim);
  return codec ? *codec : make_codec(spec, 2 * kDim).value();
}

/// Codec::scores of whole codecs: bits, rows, queries.
void scores(benchmark::State& state, const char* name, Layout layout) {
  const auto codec = codec_of(name, layout);
  const std::size_t dim = codec->dim();
  const auto rows = static_cast<std::size_t>(state.range(0)), queries = static_cast<std::size_t>(state.range(1));
  std::vector<std::byte> storage = random_bytes(codec->storage_bytes(rows));
  // Random bytes are as good as any codes; the scales must be finite.
  Workspace scratch;
  const std::vector<float> row = test::gaussian(dim, 1);
  for (std::size_t r = 0; r < rows; r += 37) codec->encode(row.data(), storage.data(), r, scratch);
  const std::vector<float> x = test::gaussian(queries * dim, 2);
  Query query;
  codec->prepare(x.data(), queries, dim, query);
  std::vector<float> out(queries * rows);
  for (auto _ : state) {
    codec->scores(query, storage.data(), 0, rows, out.data(), rows, scratch);
    benchmark::DoNotOptimize(out.data());
  }
  count(state, storage.size(), rows * dim * queries);
}

/// Codec::accumulate of whole codecs: rows, sums.
void accumulate(benchmark::State& state, const char* name, Layout layout) {
  const auto codec = codec_of(name, layout);
  const std::size_t dim = codec->dim();
  const auto rows = static_cast<std::size_t>(state.range(0)), sums = static_cast<std::size_t>(state.range(1));
  std::vector<std::byte> storage = random_bytes(codec->storage_bytes(rows));
  Workspace scratch;
  const std::vector<float> row = test::gaussian(dim, 1);
  for (std::size_t r = 0; r < rows; ++r) codec->encode(row.data(), storage.data(), r, scratch);
  std::vector<float> weights = test::gaussian(sums * rows, 2), out(sums * dim);
  for (float& weight : weights) weight = weight * weight / static_cast<float>(rows);
  for (auto _ : state) {
    codec->accumulate(weights.data(), sums, rows, storage.data(), 0, rows, out.data(), scratch);
    benchmark::DoNotOptimize(out.data());
  }
  count(state, storage.size(), rows * dim * sums);
}

void encode(benchmark::State& state, const char* name) {
  const auto dim = static_cast<std::size_t>(state.range(0));
  const auto made = make_codec(CodecSpec::parse(name).value(), dim);
  if (!made) return state.SkipWithError(made.error().message.c_str());
  const Codec* codec = made->get();
  constexpr std::size_t kRows = 1024;
  const std::vector<float> x = test::gaussian(kRows * dim, 3);
  std::vector<std::byte> storage(codec->storage_bytes(kRows));
  Workspace scratch;
  for (auto _ : state) {
    codec->encode_rows(x.data(), kRows, storage.data(), 0, scratch);
    benchmark::DoNotOptimize(storage.data());
  }
  count(state, x.size() * sizeof(float), x.size());
  state.counters["rows_per_second"] = benchmark::Counter(static_cast<double>(kRows) * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void decode(benchmark::State& state, const char* name, Layout layout) {
  const auto codec = codec_of(name, layout);
  const std::size_t dim = codec->dim();
  std::vector<std::byte> storage = random_bytes(codec->storage_bytes(kInCache));
  std::vector<float> out(kInCache * dim);
  for (auto _ : state) {
    codec->decode_coded(storage.data(), 0, kInCache, out.data());
    benchmark::DoNotOptimize(out.data());
  }
  count(state, storage.size(), out.size());
}

void register_codecs() {
  for (const std::string& name : codec_names()) {
    const char* kept = (new std::string(name))->c_str();  // benchmark keeps the pointer until the program ends
    benchmark::RegisterBenchmark(("encode/" + name).c_str(), encode, kept)->Arg(200)->Arg(256)->Arg(1536);
    benchmark::RegisterBenchmark(("decode/" + name).c_str(), decode, kept, Layout::kInterleaved);
    if (name.size() == 3 && (name.starts_with("tq") || name.starts_with("tt"))) {
      benchmark::RegisterBenchmark(("decode_rows/" + name).c_str(), decode, kept, Layout::kRows);
    }
    for (const std::int64_t sums : {1, 8}) {
      benchmark::RegisterBenchmark(("accumulate/" + name).c_str(), accumulate, kept, Layout::kTransposed)->Args({kInCache, sums});
      if (name.size() == 3 && name <= "tq4" && name >= "tq1") {
        benchmark::RegisterBenchmark(("accumulate_rows/" + name).c_str(), accumulate, kept, Layout::kRows)->Args({kInCache, sums});
      }
    }
    for (const std::int64_t queries : {1, 8}) {
      benchmark::RegisterBenchmark(("scores/" + name).c_str(), scores, kept, Layout::kInterleaved)->Args({kInCache, queries});
    }
    benchmark::RegisterBenchmark(("scores_from_memory/" + name).c_str(), scores, kept, Layout::kInterleaved)->Args({kFromMemory, 1});
    const CodecSpec spec = CodecSpec::parse(name).value();
    if (spec.with_layout(Layout::kInterleavedRuns) == spec) continue;
    for (const std::int64_t queries : {1, 8}) {
      benchmark::RegisterBenchmark(("scores_of_runs/" + name).c_str(), scores, kept, Layout::kInterleavedRuns)->Args({kInCache, queries});
    }
    benchmark::RegisterBenchmark(("scores_of_runs_from_memory/" + name).c_str(), scores, kept, Layout::kInterleavedRuns)->Args({kFromMemory, 1});
  }
}
[[maybe_unused]] const bool registered = (register_codecs(), true);

void hadamard(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  std::vector<float> x = test::gaussian(n, 4);
  for (auto _ : state) {
    kernels().hadamard_runs(x.data(), n, 1, nullptr, 1.0F / 16, x.data());
    benchmark::DoNotOptimize(x.data());
  }
  count(state, n * sizeof(float), n);
}
BENCHMARK(hadamard)->Arg(64)->Arg(128)->Arg(1024)->Arg(4096);

void rotation(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const Rotation rotation(RotationKind::kRandomHadamard, n, 3, 1);
  std::vector<float> x = test::gaussian(n, 4);
  for (auto _ : state) {
    rotation.apply(x.data());
    benchmark::DoNotOptimize(x.data());
  }
  count(state, n * sizeof(float), n);
}
BENCHMARK(rotation)->Arg(64)->Arg(200)->Arg(576)->Arg(1536)->Arg(2048)->Arg(8192);

void hadamard_lanes(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  std::vector<float> x = test::gaussian(16 * n, 4);
  for (auto _ : state) {
    kernels().hadamard_lanes(x.data(), n, 1, nullptr, 1.0F / 16);
    benchmark::DoNotOptimize(x.data());
  }
  count(state, x.size() * sizeof(float), x.size());
}
BENCHMARK(hadamard_lanes)->Arg(8)->Arg(128)->Arg(512);

void to_lanes(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::vector<float> x = test::gaussian(16 * n, 4);
  std::vector<float> lanes(16 * n);
  for (auto _ : state) {
    kernels().to_lanes(x.data(), n, 16, n, lanes.data());
    benchmark::DoNotOptimize(lanes.data());
  }
  count(state, x.size() * sizeof(float), x.size());
}
BENCHMARK(to_lanes)->Arg(200)->Arg(512);

void mix_runs(benchmark::State& state) {
  const auto runs = static_cast<std::size_t>(state.range(0)), n = static_cast<std::size_t>(state.range(1));
  const std::vector<float> x = test::gaussian(runs * n, 4), entries = test::gaussian(runs * runs, 5);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    kernels().mix_runs({entries.data(), entries.data() + runs / 2 * (runs / 2), 0.5F, runs, n, x.data(), y.data(), n});
    benchmark::DoNotOptimize(y.data());
  }
  count(state, x.size() * sizeof(float), x.size());
}
BENCHMARK(mix_runs)->Args({13, 16 * 8})->Args({5, 16 * 40})->Args({3, 16 * 512});

void mix_pairs(benchmark::State& state) {
  const auto runs = static_cast<std::size_t>(state.range(0)), n = static_cast<std::size_t>(state.range(1));
  const std::vector<float> x = test::gaussian(2 * runs * n, 4), entries = test::gaussian(2 * runs * runs, 5);
  std::vector<float> y(x.size());
  const HartleyRuns half{entries.data(), entries.data() + runs / 2 * (runs / 2), 0.5F, runs, n, x.data(), y.data(), n};
  for (auto _ : state) {
    kernels().mix_pairs({half, entries.data(), x.data() + runs * n, y.data() + runs * n});
    benchmark::DoNotOptimize(y.data());
  }
  count(state, x.size() * sizeof(float), x.size());
}
BENCHMARK(mix_pairs)->Args({5, 16 * 8})->Args({9, 16 * 64});

void search(benchmark::State& state) {
  const auto queries = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t kRows = 1 << 16;
  const std::vector<float> rows = test::gaussian(kRows * kDim, 10), x = test::gaussian(queries * kDim, 11);
  const CodecSpec spec = CodecSpec::parse("tq4").value().with_scale(ScaleRule::kUnbiased);
  const VectorIndex index = VectorIndex::build(rows.data(), kRows, kDim, spec).value();
  VectorIndex::Scratch scratch;
  for (auto _ : state) benchmark::DoNotOptimize(index.search(x.data(), queries, 10, scratch));
  count(state, kRows * kDim / 8, kRows * kDim * queries);
}
BENCHMARK(search)->Name("search/tq4")->Arg(1)->Arg(8);

void find_above(benchmark::State& state) {
  const std::vector<float> x = test::gaussian(4096, 12);
  std::vector<std::uint32_t> found(x.size());
  for (auto _ : state) benchmark::DoNotOptimize(kernels().find_above(x.data(), x.size(), 3.0F, found.data()));
  count(state, x.size() * sizeof(float), x.size());
}
BENCHMARK(find_above);

void dot_tile(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0)), queries = static_cast<std::size_t>(state.range(1));
  constexpr std::size_t kRows = 64;
  const std::vector<float> rows = test::gaussian(kRows * n, 5), x = test::gaussian(queries * n, 6);
  std::vector<float> out(kRows * queries);
  for (auto _ : state) {
    kernels().dot_tile(rows.data(), n, kRows, x.data(), n, queries, n, out.data(), kRows);
    benchmark::DoNotOptimize(out.data());
  }
  count(state, rows.size() * sizeof(float), kRows * n * queries);
}
BENCHMARK(dot_tile)->Args({128, 1})->Args({128, 8})->Args({1024, 8});

void weighted_sum(benchmark::State& state) {
  constexpr std::size_t kRows = 64;
  const std::vector<float> rows = test::gaussian(kRows * kDim, 7), weights = test::gaussian(kRows, 8);
  std::vector<float> acc(kDim);
  for (auto _ : state) {
    kernels().weighted_sum(weights.data(), rows.data(), kDim, kRows, kDim, acc.data());
    benchmark::DoNotOptimize(acc.data());
  }
  count(state, rows.size() * sizeof(float), rows.size());
}
BENCHMARK(weighted_sum);

/// A kernel that reads n floats once: step(x, y), each of n floats.
template <class Step>
void elementwise(const char* name, Step step) {
  benchmark::RegisterBenchmark(name, [step](benchmark::State& state) {
    const auto n = static_cast<std::size_t>(state.range(0));
    std::vector<float> x = test::gaussian(n, 9), y = test::gaussian(n, 10);
    for (auto _ : state) {
      step(x.data(), y.data(), n);
      benchmark::DoNotOptimize(x.data());
      benchmark::DoNotOptimize(y.data());
    }
    count(state, n * sizeof(float), n);
  })->Arg(512)->Arg(8192);
}

void register_elementwise() {
  using Floats = float*;
  elementwise("softmax", [](Floats x, Floats, std::size_t n) { kernels().softmax(x, n); });
  elementwise("ordered_dot", [](Floats x, Floats y, std::size_t n) { benchmark::DoNotOptimize(kernels().ordered_dot(x, y, n)); });
  elementwise("multiply", [](Floats x, Floats y, std::size_t n) {
    x[0] = y[0] = 1;
    kernels().multiply(x, y, n);
    std::memcpy(x, y, n * sizeof(float));  // or the products would leave the range of floats
  });
  elementwise("rms_norm", [](Floats x, Floats y, std::size_t n) { kernels().rms_norm(x, x, n, 1e-5F, y); });
  elementwise("silu_multiply", [](Floats x, Floats y, std::size_t n) {
    std::memcpy(x, y, n * sizeof(float));
    kernels().silu_multiply(x, y, n);
  });
  elementwise("to_bytes", [](Floats x, Floats y, std::size_t n) { 
    std::int32_t sum = 0;
    kernels().to_bytes(x, n, reinterpret_cast<std::int8_t*>(y), y + n - 1, &sum);
    benchmark::DoNotOptimize(sum);
  });
  elementwise("f32_to_f16", [](Floats x, Floats y, std::size_t n) { kernels().f32_to_f16(x, n, y); });
  elementwise("f32_to_bf16", [](Floats x, Floats y, std::size_t n) { kernels().f32_to_bf16(x, n, y); });
  elementwise("bf16_to_f32", [](Floats x, Floats y, std::size_t n) { kernels().bf16_to_f32(x, n / 2, y); });
  elementwise("measure_lanes", [](Floats x, Floats y, std::size_t n) { kernels().measure_lanes(x, n / 16, y); });
  elementwise("scale_lanes", [](Floats x, Floats y, std::size_t n) {
    const std::vector<float> ones(16, 1.0F);
    kernels().scale_lanes(x, n / 16, ones.data(), y);
  });
  for (const unsigned bits : {2U, 4U, 8U}) {
    elementwise(("quantize/" + std::to_string(bits)).c_str(), [bits](Floats x, Floats y, std::size_t n) {
      static const std::vector<float> boundaries = [] {
        std::vector<float> steps(511);
        for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<float>(i) / 128 - 2;
        return steps;
      }();
      kernels().quantize(x, n, boundaries.data(), (std::size_t{1} << bits) - 1, reinterpret_cast<std::uint16_t*>(y));
    });
  }
  elementwise("weights_to_bytes", [](Floats x, Floats y, std::size_t n) {
    static std::vector<std::int8_t> bytes(8192);
    static std::vector<float> units(256);
    static std::vector<std::int32_t> sums(256);
    kernels().weights_to_bytes({.weights = x, .weight_stride = n, .scales = y, .n_groups = n / 32, .n_queries = 1, .bytes = bytes.data(), .units = units.data(), .sums = sums.data()});
  });
  elementwise("softmax_weights", [](Floats x, Floats y, std::size_t n) {
    static std::vector<std::int8_t> bytes(512);
    static float units[16], top, total;
    static std::int32_t sums[16];
    constexpr std::size_t kAll = 0;
    for (std::size_t at = 0; at < n; at += 512) {
      const std::size_t end = n - at < 512 ? n - at : 512;
      kernels().softmax_weights({.scores = x + at, .score_stride = n, .begins = &kAll, .ends = &end, .scales = y + at, .n_groups = end / 32,
                                 .n_queries = 1, .bytes = bytes.data(), .units = units, .sums = sums, .tops = &top, .totals = &total});
    }
  });
}
[[maybe_unused]] const bool elementwise_registered = (register_elementwise(), true);

}  // namespace
}  // namespace tq
