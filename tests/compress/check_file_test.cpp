// Damage behind the header: what tq verify says, and that no model is made of it.
#include <cstring>

#include "formats/checksum.h"
#include "support/coded_gguf.h"
#include "support/models.h"
#include "support/short_pycoder.h"
#include "support/temporary_folder.h"
#include "turboquant/quantize.h"

namespace tq::test {
namespace {

std::string coded_pycoder() {
  const TemporaryFolder folder;
  must(quantize(*must(TensorFile::open(short_pycoder_gguf())), folder.path() / "out.gguf", {.type = "tq3"}));
  std::ifstream file(folder.path() / "out.gguf", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(CheckFile, a_sound_file_has_no_problem) {
  const std::string bytes = coded_pycoder();
  const auto file = must(TensorFile::from_gguf(bytes_of(bytes), "sound.gguf"));
  const FileCheck check = must(check_file(*file));
  EXPECT_TRUE(check.problems.empty());
  EXPECT_EQ(check.checksums, file->tensors().size());
  EXPECT_EQ(check.tensors, file->tensors().size());
}

TEST(CheckFile, one_flipped_bit_of_any_tensor_is_found_and_makes_no_model) {
  std::string bytes = coded_pycoder();
  const auto file = must(TensorFile::from_gguf(bytes_of(bytes), "flipped.gguf"));
  for (const TensorView& tensor : file->tensors()) {
    const auto begin = static_cast<std::size_t>(reinterpret_cast<const char*>(tensor.bytes.data()) - bytes.data());
    for (const std::size_t at : {begin, begin + tensor.bytes.size() / 2, begin + tensor.bytes.size() - 1}) {
      bytes[at] = static_cast<char>(bytes[at] ^ 4);
      const FileCheck check = must(check_file(*file));
      ASSERT_EQ(check.problems.size(), 1U) << tensor.name;
      EXPECT_NE(check.problems[0].find(tensor.name), std::string::npos) << check.problems[0];
      if (at == begin) {
        const auto model = Model::load(file);
        ASSERT_FALSE(model.has_value()) << tensor.name;
        EXPECT_EQ(model.error().code, ErrorCode::kBadFile);
        EXPECT_NE(model.error().message.find(tensor.name), std::string::npos) << model.error().message;
      }
      bytes[at] = static_cast<char>(bytes[at] ^ 4);
    }
  }
  EXPECT_TRUE(must(check_file(*file)).problems.empty());
}

TEST(CheckFile, every_problem_is_said) {
  CodedGguf damaged;
  damaged.payload[5] = 'x';
  damaged.payload[330] = 'x';
  const std::string bytes = damaged.bytes();
  EXPECT_EQ(must(check_file(*must(TensorFile::from_gguf(bytes_of(bytes), "two.gguf")))).problems.size(), 2U);
}

TEST(CheckFile, a_shape_that_is_not_the_payloads) {
  CodedGguf file;
  file.rows[0] = 33;  // another group of rows
  const std::string bytes = file.bytes();
  const FileCheck check = must(check_file(*must(TensorFile::from_gguf(bytes_of(bytes), "shape.gguf"))));
  ASSERT_EQ(check.problems.size(), 1U);
  EXPECT_NE(check.problems[0].find("640"), std::string::npos) << check.problems[0];
}

TEST(CheckFile, a_plain_file_has_extents_alone) {
  const FileCheck check = must(check_file(*must(TensorFile::open(short_pycoder_gguf()))));
  EXPECT_TRUE(check.problems.empty());
  EXPECT_EQ(check.checksums, 0U);
}

TEST(CheckFile, a_stop_is_no_verdict) {
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const auto stopped = check_file(*file, [](const QuantizedTensor&, std::uint64_t, std::uint64_t) { return false; });
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace tq::test
