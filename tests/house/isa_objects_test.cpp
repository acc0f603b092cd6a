#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace tq::house {
namespace {

struct Outcome {
  int status;
  std::string output;
};

Outcome isa_objects(const std::string& arguments) {
  FILE* pipe = popen((std::string("'" TQ_SOURCE_DIR "/tests/house/isa_objects' ") + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, "popen failed"};
  std::string output;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

TEST(IsaObjects, inline_function_that_leaks_out_of_a_target_is_reported) {
  const Outcome outcome = isa_objects("'" TQ_PLANTED_LEAK "'");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.output.find("defines the global symbol tq::leaked_inline_function(float)"), std::string::npos)
      << outcome.output;
}

TEST(IsaObjects, missing_object_is_an_error_and_not_a_pass) {
  EXPECT_EQ(isa_objects("/nonexistent.o").status, 2);
  EXPECT_EQ(isa_objects("").status, 2);
}

}  // namespace
}  // namespace tq::house
