// Templates come with model files, which may be hostile: none may hang, crash, exhaust memory or reach outside.
#include <gtest/gtest.h>

#include <string>

#include "text/templates.h"

namespace tq::test {
namespace {

std::string repeated(const std::string& text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

bool says(const std::string& message, const std::string& words) { return message.find(words) != message.npos; }

TEST(JinjaLimits, endless_work_ends) {
  const std::string loop = "{% for i in range(100000) %}";
  EXPECT_NE(failure_of(loop + loop + "{% endfor %}{% endfor %}"), "");
  EXPECT_TRUE(says(failure_of("{% set l = range(100000)|list %}{% for i in [1] * 100 %}{{ 'x' in l }}{% endfor %}"),
                   "too long"));
  EXPECT_TRUE(says(failure_of("{{ range(10 ** 15) }}"), "more than 100000 items"));
  EXPECT_TRUE(says(failure_of("{{ range(0, 10 ** 15, 1)|length }}"), "more than"));
  // A list that grows while it is read is read as it was.
  EXPECT_EQ(rendered("{% set l = [1] %}{% for i in l %}{{ l.append(i) }}{% endfor %}{{ l|length }}"), "None2");
}

TEST(JinjaLimits, texts_that_double_end) {
  const std::string doubling =
      "{% set n = namespace(s='ab') %}{% for i in range(100) %}{% set n.s = n.s GROW n.s %}{% endfor %}";
  for (const std::string grow : {"+", "~"}) {
    std::string source = doubling;
    source.replace(source.find("GROW"), 4, grow);
    EXPECT_TRUE(says(failure_of(source), "too much memory")) << grow;
  }
  EXPECT_TRUE(says(failure_of("{{ 'a' * 10 ** 15 }}"), "too much memory"));
  EXPECT_TRUE(says(failure_of("{{ [1, 2] * 10 ** 15 }}"), "too much memory"));
  EXPECT_TRUE(says(failure_of("{{ (('a' * 10 ** 6).replace('a', 'b' * 10 ** 6)) }}"), "too much memory"));
  EXPECT_TRUE(says(failure_of("{{ ('a' * 10 ** 5)|replace('', 'b' * 10 ** 5) }}"), "too much memory"));
  EXPECT_TRUE(says(failure_of("{{ range(99999)|join('b' * 10 ** 5) }}"), "too much memory"));
  EXPECT_TRUE(says(failure_of("{{ ('a\n' * 10 ** 6)|indent('b' * 10 ** 5) }}"), "too much memory"));
  EXPECT_TRUE(says(failure_of("{% for i in range(1000) %}{{ 'a' * 10 ** 5 }}{% endfor %}"), "writes more than"));
}

TEST(JinjaLimits, recursion_ends) {
  EXPECT_TRUE(says(failure_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "nested too deep"));
  EXPECT_TRUE(says(failure_of("{% macro f(x) %}{% for i in [1] %}{% if x %}{{ f(x)|upper }}{% endif %}{% endfor %}{% "
                              "endmacro %}{{ f(1) }}"),
                   "nested too deep"));
  EXPECT_TRUE(says(failure_of("{% macro f(a=g()) %}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}"),
                   "nested too deep"));
  // Each level calls twice: the depth is small, the work is not.
  EXPECT_TRUE(
      says(failure_of("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}"),
           "too long"));
}

TEST(JinjaLimits, a_list_within_itself_does_no_harm) {
  const std::string cycle = "{% set l = [] %}{% set _ = l.append(l) %}";
  EXPECT_TRUE(says(failure_of(cycle + "{{ l }}"), "levels deep"));
  EXPECT_TRUE(says(failure_of(cycle + "{{ l|tojson }}"), "levels deep"));
  EXPECT_TRUE(says(failure_of(cycle + "{{ l == [l] }}"), "levels deep"));
  EXPECT_EQ(rendered("{% set d = {} %}{% set _ = d.update({'d': d}) %}{{ d.d.d.d|length }}"), "1");
}

TEST(JinjaLimits, deep_nesting_is_refused_before_it_costs_the_stack) {
  constexpr std::size_t kDeep = 5'000;
  for (const std::string& source :
       {"{{ " + repeated("(", kDeep) + "1" + repeated(")", kDeep) + " }}",
        "{{ " + repeated("[", kDeep) + repeated("]", kDeep) + " }}",
        "{{ " + repeated("{'a':", kDeep) + "1" + repeated("}", kDeep) + " }}", "{{ " + repeated("not ", kDeep) + "x }}",
        "{{ " + repeated("- ", kDeep) + "1 }}", "{{ 1" + repeated(" + 1", kDeep) + " }}",
        "{{ 1" + repeated(" ** 1", kDeep) + " }}", "{{ x" + repeated(".a", kDeep) + " }}",
        "{{ x" + repeated("[0]", kDeep) + " }}", "{{ x" + repeated("|upper", kDeep) + " }}",
        "{{ x" + repeated("()", kDeep) + " }}", "{{ 1" + repeated(" if 1 else 1", kDeep) + " }}",
        "{{ x" + repeated(" is odd", kDeep) + " }}", "{{ x" + repeated(" and x", kDeep) + " }}",
        repeated("{% if x %}", kDeep), repeated("{% for x in y %}", kDeep), repeated("{% macro f() %}", kDeep)}) {
    const std::string message = failure_of(source);
    EXPECT_TRUE(says(message, "levels deep") || says(message, "in a row"))
        << source.substr(0, 60) << " gives " << message;
  }
  // Long but not deep is fine.
  EXPECT_EQ(rendered("{{ ''" + repeated(" ~ 1", 1000) + " }}").size(), 1000U);
  EXPECT_EQ(rendered("{% if 0 %}" + repeated("{% elif 0 %}a", 5000) + "{% else %}b{% endif %}"), "b");
}

TEST(JinjaLimits, variables_from_outside_are_bounded_too) {
  const std::string deep = R"({"x": )" + repeated("[", 500) + repeated("]", 500) + "}";
  EXPECT_TRUE(says(failure_of("{{ x }}", deep), "nested too deep"));
  EXPECT_TRUE(says(failure_of("{{ x }}", R"({"x": )"), "JSON is broken"));
  EXPECT_TRUE(says(failure_of("{{ x }}", "[]"), "must be an object"));
}

TEST(JinjaLimits, integers_do_not_overflow) {
  for (const char* source :
       {"9223372036854775807 + 1", "-9223372036854775807 - 2", "3037000500 * 3037000500", "2 ** 64",
        "(-9223372036854775807 - 1) // -1", "(-9223372036854775807 - 1)|abs", "99999999999999999999"}) {
    EXPECT_NE(failure_of(std::string("{{ ") + source + " }}"), "") << source;
  }
  EXPECT_EQ(
      rendered("{{ 9223372036854775807 }} {{ 1e300 * 1e300 }} {{ (1e300 * 1e300)|int }} {{ 's'[9223372036854775807:] }}"
               "{{ 'abc'[::-9223372036854775807] }}{{ 'abc'[-9223372036854775807:] }}"),
      "9223372036854775807 inf 0 cabc");
}

TEST(JinjaLimits, nothing_outside_can_be_reached) {
  for (const char* source : {"{{ ''.__class__ }}", "{{ x.__init__ }}", "{{ range.__self__ }}", "{{ self }}"}) {
    EXPECT_EQ(rendered(source, R"({"x": {}})"), "") << source << " is an undefined value like any other";
  }
  for (const char* source :
       {"{{ ''.__class__.__mro__ }}", "{{ x.__init__.__globals__ }}", "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}", "{% extends 'x' %}", "{{ open('/etc/passwd') }}", "{{ cycler.__init__.x }}"}) {
    EXPECT_NE(failure_of(source), "") << source;
  }
}

TEST(JinjaLimits, messages_are_one_short_line) {
  const std::string message = failure_of("{{ raise_exception('\x1b[2J\n' + 'long ' * 1000) }}");
  EXPECT_LT(message.size(), 400U);
  for (const char c : message) EXPECT_FALSE(c >= 0 && c < 0x20);
}

}  // namespace
}  // namespace tq::test
