# Flags of our own code. -ffp-contract=off: a fused multiply-add that the compiler invents would change stored bytes between CPUs.
add_library(tq_flags INTERFACE)
target_compile_options(tq_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -ffp-contract=off)
# g++ 12 sees overlaps in std::string that are not there (GCC bug 105651).
target_compile_options(tq_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_compile_definitions(tq_flags INTERFACE $<$<NOT:$<CONFIG:Release>>:_GLIBCXX_ASSERTIONS>)
target_include_directories(tq_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)

# The libraries' headers take half the time of a file's compilation: what most files of the folders above quant include is read once.
# Sources still name what they use; nlohmann/json.hpp is too rare to be worth its weight here.
add_library(tq_headers STATIC EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/no_source.cpp)
file(WRITE ${PROJECT_BINARY_DIR}/no_source.cpp "")
target_link_libraries(tq_headers PRIVATE tq_flags fmt::fmt)
target_precompile_headers(tq_headers PRIVATE <fmt/format.h> <algorithm> <charconv> <cmath> <expected> <filesystem> <functional> <map> <memory>
  <optional> <span> <string> <vector>)

# tq_folder(quant SOURCES a.cpp b.cpp USES base simd LINKS fmt::fmt)
# A folder of src/ as a static library. USES is the folder's line in the table of docs/architecture.md; LINKS are libraries from outside.
function(tq_folder name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;LINKS" ${ARGN})
  add_library(tq_${name} STATIC ${arg_SOURCES})
  target_link_libraries(tq_${name} PRIVATE tq_flags ${arg_LINKS})
  if(NOT name MATCHES "^(base|simd|quant)$")
    target_precompile_headers(tq_${name} REUSE_FROM tq_headers)
  endif()
  foreach(used ${arg_USES})
    target_link_libraries(tq_${name} PUBLIC tq_${used})
  endforeach()
endfunction()

# GoogleTest takes half the time of a small test's compilation: it is read once. Only what every test has in common may reach this target.
function(tq_test_options name)
  target_link_libraries(${name} PRIVATE tq_flags GTest::gtest_main)
  # EXPECT_… in an if without braces is fine. Optimizing tests takes longer than running them.
  target_compile_options(${name} PRIVATE -Wno-dangling-else -O1 ${TQ_TEST_OPTIONS}
    $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds;-Wno-stringop-overflow>)  # the same bug sees them in a precompiled header's strings
endfunction()
if(TQ_TESTS)
  add_executable(tq_test_headers EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/no_source.cpp)  # a library would be compiled as one
  tq_test_options(tq_test_headers)
  target_precompile_headers(tq_test_headers PRIVATE <gtest/gtest.h>)
endif()

# tq_test(quant SOURCES codec_test.cpp USES quant)
# One test program per folder; each of its cases is a ctest case with the label of the folder. WHOLE makes one ctest case of a program
# with thousands of short ones, whose processes would cost more than the tests.
function(tq_test name)
  cmake_parse_arguments(arg "WHOLE" "" "SOURCES;USES;LINKS" ${ARGN})
  add_executable(${name}_test ${arg_SOURCES})
  tq_test_options(${name}_test)
  target_precompile_headers(${name}_test REUSE_FROM tq_test_headers)
  target_link_libraries(${name}_test PRIVATE ${arg_LINKS})
  foreach(used ${arg_USES})
    target_link_libraries(${name}_test PRIVATE tq_${used})
  endforeach()
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name}_test PRIVATE
    TQ_SHARED_DATA="${PROJECT_SOURCE_DIR}/../shared/data" TQ_SHARED_REFERENCE="${PROJECT_SOURCE_DIR}/../shared/reference"
    TQ_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(arg_WHOLE)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES LABELS ${name})
  else()
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${name})
  endif()
endfunction()
