#include "turboquant/vectors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/random_rows.h"
#include "support/shared_data.h"

namespace tq {
namespace {

VectorSet gaussian_set(std::size_t rows, std::size_t dim, std::uint64_t seed) {
  return {rows, dim, test::gaussian(rows * dim, seed)};
}

// With rows of Gaussians the figures are those of the theory: bits, error (§ "Scale rules" of docs/algorithm.md), no
// bias, and a variance of D/(1 − D) for the unbiased scale. 2000 rows of 128: an error of 0.5 % and, over 40 000 pairs,
// a slope good to 0.003 at 2 bits.
TEST(Vectors, figures_on_random_rows_are_those_of_the_theory) {
  VectorsOptions options{.codecs = {"f32", "tq4", "tq2"}, .max_queries = 200};
  const auto report = evaluate_vectors(gaussian_set(2000, 128, 1), {}, "random", options, {});
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->leave_one_out);
  const VectorsRow &exact = report->codecs[0], &four = report->codecs[1], &two = report->codecs[2];
  EXPECT_EQ(exact.mse, 0);
  EXPECT_EQ(exact.recall, (std::vector<double>{1, 1, 1}));
  EXPECT_DOUBLE_EQ(four.bits, 4.125);
  EXPECT_DOUBLE_EQ(four.bytes_per_vector, 66);
  EXPECT_NEAR(four.mse / 0.00918, 1, 0.02);
  EXPECT_NEAR(two.mse / 0.1151, 1, 0.02);
  EXPECT_NEAR(four.ip_var_d / 0.00927, 1, 0.03);
  EXPECT_NEAR(two.ip_var_d / 0.1304, 1, 0.03);
  EXPECT_NEAR(four.ip_bias, 0, 0.004);
  EXPECT_NEAR(two.ip_bias, 0, 0.015);
  EXPECT_GT(four.recall[0], two.recall[0]);
  EXPECT_GE(four.recall[1], four.recall[0]);
}

TEST(Vectors, queries_of_their_own_are_compared_with_all_rows) {
  const VectorSet data = gaussian_set(300, 64, 2);
  VectorSet queries = data;
  queries.rows = 20;
  queries.values.resize(20 * 64);
  const auto report = evaluate_vectors(data, queries, "x", {.codecs = {"tq8"}, .k = {1}}, {});
  ASSERT_TRUE(report.has_value());
  EXPECT_FALSE(report->leave_one_out);
  EXPECT_EQ(report->queries, 20U);
  EXPECT_EQ(report->codecs[0].recall[0], 1) << "each query is one of the rows";
}

TEST(Vectors, what_does_not_fit_is_a_usage_error_before_anything_runs) {
  const VectorSet data = gaussian_set(10, 48, 3);
  bool ran = false;
  const VectorsProgress progress = [&](std::uint64_t, std::uint64_t) { return ran = true; };
  for (const auto& [codec, queries] :
       {std::pair{"tq10", VectorSet{}}, {"q4_0", VectorSet{}}, {"tq4", gaussian_set(3, 32, 4)}}) {
    const auto report = evaluate_vectors(data, queries, "x", {.codecs = {"f16", codec}}, progress);
    ASSERT_FALSE(report.has_value()) << codec;
    EXPECT_EQ(report.error().code, ErrorCode::kUsage);
  }
  EXPECT_FALSE(evaluate_vectors(gaussian_set(1, 48, 3), {}, "x", {}, progress).has_value());
  EXPECT_FALSE(ran);
  const auto stopped = evaluate_vectors(data, {}, "x", {}, [](std::uint64_t, std::uint64_t) { return false; });
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
}

TEST(Vectors, json_has_every_field_of_the_contract) {
  const auto report = evaluate_vectors(gaussian_set(50, 32, 5), {}, "x", {.codecs = {"tq3"}}, {});
  ASSERT_TRUE(report.has_value());
  const auto json = nlohmann::json::parse(to_json(*report));
  EXPECT_EQ(json.at("schema"), "turboquant.vectors/1");
  for (const char* field : {"rows", "dim", "sha256"}) EXPECT_TRUE(json.at("data").contains(field)) << field;
  for (const char* field :
       {"codec", "bits", "bytes_per_vector", "mse", "ip_bias", "ip_var_d", "encode_vps", "scan_qps", "single_qps", "index_bytes_per_vector", "build_seconds"}) {
    EXPECT_TRUE(json.at("rows")[0].contains(field)) << field;
  }
  EXPECT_TRUE(json.at("rows")[0].at("recall").contains("1@10"));
}

// ---- files

class VectorFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("tq_vectors_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }
  void refuse(const std::string& name, const std::string& bytes) const {
    const auto set = read_vectors(write(name, bytes));
    ASSERT_FALSE(set.has_value()) << name << " of " << bytes.size() << " bytes";
    EXPECT_EQ(set.error().code, ErrorCode::kBadFile);
    EXPECT_EQ(set.error().message.find('\n'), std::string::npos);
  }

  std::filesystem::path folder_;
};

std::string npy(const std::string& dictionary, const std::string& data) {
  std::string header = dictionary;
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string bytes = std::string("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xFFU);
  bytes += static_cast<char>(header.size() >> 8);
  return bytes + header + data;
}

std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

const std::string kSound =
    npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", floats({1, 2, 3, 4, 5, 6}));

TEST_F(VectorFiles, npy_and_vecs_and_idx_read_what_was_written) {
  const auto array = read_vectors(write("a.npy", kSound));
  ASSERT_TRUE(array.has_value()) << array.error().message;
  EXPECT_EQ(array->rows, 2U);
  EXPECT_EQ(array->dim, 3U);
  EXPECT_EQ(array->values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(read_vectors(write("a.npy", kSound), 1)->rows, 1U);
  const std::string three = std::string("\x03\0\0\0", 4);
  EXPECT_EQ(read_vectors(write("a.fvecs", three + floats({1, 2, 3}) + three + floats({4, 5, 6})))->values,
            array->values);
  EXPECT_EQ(read_vectors(write("a.bvecs", three + "\x01\x02\x03" + three + "\x04\x05\x06"))->values, array->values);
  const std::string idx = std::string("\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x03", 16) + "\x01\x02\x03\x04\x05\x06";
  EXPECT_EQ(read_vectors(write("a.idx", idx))->values, array->values);
}

TEST_F(VectorFiles, a_file_cut_anywhere_is_refused) {
  for (std::size_t n = 0; n < kSound.size(); ++n) refuse("a.npy", kSound.substr(0, n));
  const std::string vecs =
      std::string("\x03\0\0\0", 4) + floats({1, 2, 3}) + std::string("\x03\0\0\0", 4) + floats({4, 5, 6});
  for (std::size_t n = 0; n < vecs.size(); ++n) {
    if (n != vecs.size() / 2) refuse("a.fvecs", vecs.substr(0, n));
  }
  const std::string idx = std::string("\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x03", 16) + "\x01\x02\x03\x04\x05\x06";
  for (std::size_t n = 0; n < idx.size(); ++n) refuse("a.idx", idx.substr(0, n));
}

TEST_F(VectorFiles, impossible_headers_are_refused) {
  const std::string data = floats({1, 2, 3, 4, 5, 6});
  for (const char* dictionary : {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }",
                                 "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 3), }",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0), }",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3), }", "{}", ""}) {
    refuse("a.npy", npy(dictionary, data));
  }
  refuse("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }", floats({NAN})));
  refuse("a.fvecs", std::string("\xff\xff\xff\xff", 4) + data);
  refuse("a.fvecs",
         std::string("\x03\0\0\0", 4) + floats({1, 2, 3}) + std::string("\x02\0\0\0", 4) + floats({4, 5, 6}));
  refuse("a.txt", "hello, this is no file of vectors");
  refuse("a.gz", "\x1f\x8b but no more of gzip");
}

TEST_F(VectorFiles, mnist_reads_from_its_gzip) {
  TQ_NEEDS_SHARED_DATA("vectors/mnist-t10k-images-idx3-ubyte.gz");
  const auto set = read_vectors(test::shared_data("vectors/mnist-t10k-images-idx3-ubyte.gz"), 100);
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->rows, 100U);
  EXPECT_EQ(set->dim, 784U);
}

}  // namespace
}  // namespace tq
