// Files of every family, compressed: the same bits as compressing on load.
#include "support/tiny_models.h"
#include "turboquant/quantize.h"

namespace tq::test {
namespace {

class EveryFamily : public testing::TestWithParam<std::string> {};

std::string test_name(const testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Tiny, EveryFamily, testing::ValuesIn(tiny_models()), test_name);

std::vector<float> logits(const std::shared_ptr<const TensorFile>& file, const std::string& weights) {
  const auto model = must(Model::load(file, {.weights = weights, .threads = 1}));
  const auto session = open_session(model, {.context = 128});
  return logits_of(*session, some_tokens(70, model->config().vocab_size));
}

TEST_P(EveryFamily, a_compressed_file_gives_the_logits_of_compressing_on_load) {
  const TinyFiles files(GetParam());
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  for (const auto& file : {files.gguf, files.hugging_face}) {
    for (const char* type : {"tq4", "tt3", ""}) {
      SCOPED_TRACE(file->format() + " " + type);
      const auto written = quantize(*file, path, {.type = type, .replace = true, .threads = 1});
      if (files.tiny.recipe.at("config").contains("num_experts_per_tok") && file == files.hugging_face) {
        ASSERT_FALSE(written.has_value());
        EXPECT_EQ(written.error().code, ErrorCode::kUsage);
        EXPECT_NE(written.error().message.find("experts of a Hugging Face folder"), std::string::npos);
        continue;
      }
      ASSERT_TRUE(written.has_value()) << written.error().message;
      EXPECT_EQ(logits(must(TensorFile::open(path)), ""), logits(file, type));
    }
  }
}

TEST(Families, routers_norms_biases_and_positions_stay_exact) {
  for (const char* name : {"mixtral", "qwen2", "gpt2", "gemma3"}) {
    const TinyFiles files(name);
    for (const QuantizedTensor& tensor : must(plan_quantize(*files.gguf, {.type = "tq4"})).tensors) {
      const bool matrix = tensor.shape.size() > 1 && tensor.name.starts_with("blk.") &&
                          tensor.name.find("ffn_gate_inp") == tensor.name.npos;
      EXPECT_EQ(tensor.type == "tq4", matrix) << name << " " << tensor.name;
      if (!matrix) EXPECT_EQ(tensor.type, tensor.source_type) << name << " " << tensor.name;
    }
  }
}

}  // namespace
}  // namespace tq::test
