// Statements, white space and scopes. The expected texts are those of Jinja 3.1 with the settings that chat templates
// are written for (trim_blocks, lstrip_blocks, loop controls, json.dumps behind tojson).
#include <gtest/gtest.h>

#include <vector>

#include "text/templates.h"

namespace tq::test {
namespace {

struct Row {
  const char *source, *expected;
};

/// What the templates below find.
const std::string kVariables =
    R"json({"x": 5, "y": 2.5, "s": "Hello World", "lst": [3, 1, 2], "d": {"b": 1, "a": {"z": [1, null, true, 1.5]}, "C": "q"}, "none_value": null, "t": true, "words": ["b", "A", "c", "a"], "u": "ﬀ straße ÀÉ ñ", "ws": " \t\n x y   ", "messages": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi 'there' \"x\"\nüé"}, {"role": "assistant", "content": "Hello!", "n": 3}]})json";

void expect_texts(const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(rendered(row.source, kVariables), row.expected) << row.source;
}

TEST(JinjaStatements, white_space_around_tags) {
  expect_texts({
      {"{% for m in messages %}\n  {{ m.role }}: {{ m.content }}\n{% endfor %}\nend\n",
       "  system:  Be brief. \n  user: Hi 'there' \"x\"\nüé\n  assistant: Hello!\nend"},
      {"{%- for m in messages -%}\n  {{- m.role -}} \n {%- endfor -%}\n  x", "systemuserassistantx"},
      {"  {% if x %}\n a\n  {% elif y %}\n b\n {% else %}\n c\n {% endif %}\n", " a\n"},
      {"{# comment #}\nA\n  {# c2 #}\nB {# c3 #} C\n{#- c4 -#}\n D", "A\nB  CD"},
      {"a {%+ if true %}b{% endif +%}\n c\n    {%+ if true %}\nx{% endif %}\n", "a b\n c\n    x"},
      {"{% macro tree(x) %}{% if x is mapping %}{ {%- for k, v in x.items() %}{{ k }}:{{ tree(v) }}{% if not loop.last "
       "%},{% endif %}{% endfor -%} }{% elif x is string %}'{{ x }}'{% elif x is iterable %}[{% for i in x %}{{ "
       "tree(i) }};{% endfor %}]{% else %}{{ x }}{% endif %}{% endmacro %}{{ tree(toolsx) }}",
       "[]"},
      {"{% raw %}{{ not }} {% this %}{% endraw %} {%- raw -%}  x {{ }}  {%- endraw -%}  y",
       "{{ not }} {% this %}x {{ }}y"},
      {"line1\r\nline2\r{% if true %}\r\nx\r\n{% endif %}\r\ny", "line1\nline2\nx\ny"},
      {"x\n\n", "x\n"},
      {"x\n", "x"},
      {"\n\nx", "\n\nx"},
      {"{{ s }}\n\n{{ s }}\n", "Hello World\n\nHello World"},
      {"{% if true %}\n\n  x\n{% endif %}\n\n", "\n  x\n"},
      {"{{- s -}}   x   {{- s }}", "Hello WorldxHello World"},
      {"a{{ 1 }}b{%- if 1 %} c {% endif -%} d", "a1b c d"},
      {"{% for tool in toolsx %}{{ tool | tojson(indent=4) }}{{ '\\n' }}{% for p, q in "
       "tool.function.parameters.properties|items %}{{ p }}: {{ q.type }}{{ ' = ' ~ q.enum|map('string')|join('|') if "
       "q.enum }}{% endfor %}{% endfor %}",
       ""},
  });
}

TEST(JinjaStatements, loops_scopes_macros_and_namespaces) {
  expect_texts({
      {"{% for i in range(5) %}{{ loop.index }},{{ loop.index0 }},{{ loop.revindex }},{{ loop.revindex0 }},{{ "
       "loop.first }},{{ loop.last }},{{ loop.length }},{{ loop.previtem }},{{ loop.nextitem }},{{ loop.depth }};{% "
       "endfor %}",
       "1,0,5,4,True,False,5,,1,1;2,1,4,3,False,False,5,0,2,1;3,2,3,2,False,False,5,1,3,1;4,3,2,1,False,False,5,2,4,1;"
       "5,4,1,0,False,True,5,3,,1;"},
      {"{% for i in range(5) if i is odd %}{{ i }}{{ loop.length }}{{ loop.last }}{% else %}none{% endfor %}",
       "12False32True"},
      {"{% for i in [] %}x{% else %}empty{% endfor %}", "empty"},
      {"{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in 'aé' "
       "%}[{{ c }}]{% endfor %}",
       "b=1;a={'z': [1, None, True, 1.5]};C=q;baC[a][é]"},
      {"{% set a = 1 %}{% for i in range(3) %}{% set a = a + i %}{{ a }}{% endfor %}{{ a }}", "1231"},
      {"{% set ns = namespace(n=0, s='') %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% set ns.s = ns.s ~ i %}{% "
       "endfor %}{{ ns.n }}{{ ns.s }}",
       "3012"},
      {"{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set t = 1, 2 %}{{ t }}", "12(1, 2)"},
      {"{% set x %}hello {{ s }}{% endset %}[{{ x }}]{% set q | upper %}abc{% endset %}{{ q }}",
       "[hello Hello World]ABC"},
      {"{% macro f(a, b=2, c='z') %}<{{ a }},{{ b }},{{ c }}>{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(1, c='q') }}{{ "
       "f() }}{{ f(b=7, a=8) }}",
       "<1,2,z><1,3,z><1,2,q><,2,z><8,7,z>"},
      {"{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "543210"},
      {"{% macro m(x) %}[{{ caller() }}{{ x }}]{% endmacro %}{% call m(3) %}body{{ s }}{% endcall %}",
       "[bodyHello World3]"},
      {"{% macro m() %}{{ caller('p') }}{% endmacro %}{% call(a) m() %}<{{ a }}>{% endcall %}", "<p>"},
      {"{% filter upper %}abc {{ s }}{% endfilter %}", "ABC HELLO WORLD"},
      {"{% filter replace('a','b')|upper %}aaa{% endfilter %}", "BBB"},
      {"{% with a = 1, b = x %}{{ a }}{{ b }}{% endwith %}{{ a }}", "15"},
      {"{% for i in range(10) %}{% if i == 3 %}{% continue %}{% endif %}{% if i == 6 %}{% break %}{% endif %}{{ i }}{% "
       "endfor %}",
       "01245"},
      {"{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor "
       "%}{{ loop.index }}{% endfor %}",
       "00 110 220 3"},
      {"{% generation %}abc{% endgeneration %}|", "abc|"},
      {"{% if false %}{{ raise_exception('x') }}{% endif %}ok", "ok"},
      {"{% for i in range(4) %}{{ loop.cycle('a','b') }}{{ loop.changed(i // 2) }}{% endfor %}",
       "aTruebFalseaTruebFalse"},
      {"{{ none.foo }}", ""},
      {"{{ none['foo'] }}", ""},
      {"{% for i in undefinedx %}x{% endfor %}ok", "ok"},
      {"{% set d2 = {'a': 1} %}{{ d2.a }}{% set _ = d2.update({'b': 2}) %}{{ d2 }}{{ d2.pop('a') }}{{ d2 }}",
       "1{'a': 1, 'b': 2}1{'b': 2}"},
      {"{% set l2 = [] %}{% for i in range(3) %}{% set _ = l2.append(i) %}{% endfor %}{{ l2 }}{{ l2.pop() }}{{ "
       "l2.pop(0) }}{{ l2 }}",
       "[0, 1, 2]20[1]"},
      {"{% set x = x %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}", "59"},
      {"{% for i in range(2) %}{% if true %}{% set z = i %}{% endif %}{{ z }}{% endfor %}{{ z is defined }}",
       "01False"},
      {"{{ '{{ }}' }}{{ '{% %}' }}", "{{ }}{% %}"},
      {"{{ {'a': {'b': 1}}.a.b }}", "1"},
      {"{{ {'a': {}}}}", "{'a': {}}"},
      {"{% for m in messages[::-1] %}{{ m.role[0] }}{% endfor %}", "aus"},
      {"{{ messages[0].content.split('.')[0].strip() }}", "Be brief"},
      {"{{ (messages|selectattr('role','in',['user','system'])|list)[0].role }}", "system"},
      {"{% for m in messages %}{% if m['role'] == 'user' and not loop.last %}U{% elif loop.last %}L{% endif %}{% "
       "endfor %}",
       "UL"},
      {"{{ x if undefinedx else 'f' }}", "f"},
      {"{{ undefinedx == undefinedy }}", "True"},
      {"{{ undefinedx is none }}", "False"},
      {"{{ none ~ undefinedx ~ 'a' }}", "Nonea"},
      {"{{ s.split()[1:]|join('-') }}", "World"},
      {"{{ items }}", ""},
      {"{{ loop is defined }}", "False"},
  });
}

TEST(JinjaStatements, what_jinja_refuses_is_refused_with_the_line) {
  for (const char* source : {
           "{{ raise_exception('no way') }}",
           "{{ undefinedx.foo }}",
           "{{ undefinedx + 1 }}",
           "{{ undefinedx['a'] }}",
           "{{ 1 + 'a' }}",
           "{{ 'a' + 1 }}",
           "{{ [1] + 'a' }}",
           "{{ 1 / 0 }}",
           "{{ foo() }}",
           "{{ s() }}",
           "{{ 1 in 5 }}",
           "{{ 1 < 'a' }}",
           "{% for i in 5 %}{% endfor %}",
           "{% for i in none %}{% endfor %}",
           "{{ s.nomethod() }}",
           "{{ s|nofilter }}",
           "{{ s is notest }}",
           "{% if x %}",
           "{% endif %}",
           "{{ x",
           "{{ }}",
           "{% foo %}",
           "{{ 'abc }}",
           "{% for x %}{% endfor %}",
           "{{ (1 }}",
           "{{ 1) }}",
           "{% set %}",
           "{{ a b }}",
           "{# x",
           "{% raw %}x",
       }) {
    const std::string message = failure_of(std::string("\n") + source, kVariables);
    EXPECT_TRUE(message.starts_with("t: line 2: ")) << source << " gives " << message;
    EXPECT_GT(message.size(), std::string("t: line 2: ").size() + 5);
    EXPECT_FALSE(message.ends_with('.')) << message;
  }
}

TEST(JinjaStatements, a_failure_says_what_and_where) {
  EXPECT_EQ(failure_of("a\nb\n{{ messages[0].content.foo.bar }}", kVariables),
            "t: line 3: 'foo' is undefined, so it has no 'bar'");
  EXPECT_EQ(failure_of("{{ x\n+ 'a' }}", kVariables), "t: line 1: '+' does not work on an integer and a string");
  EXPECT_EQ(failure_of("{% if x %}\n\n{% include 'x' %}"),
            "t: line 3: there is no statement 'include' here; if, for, set, macro, call, filter, with, break and "
            "continue are built");
  EXPECT_EQ(failure_of("{{ raise_exception('After the user\ncomes the assistant') }}"),
            "t: line 1: it refuses the conversation: After the user comes the assistant");
  EXPECT_EQ(failure_of("{% macro f() %}\n{{ 1 / 0 }}{% endmacro %}\n\n{{ f() }}"), "t: line 2: a division by zero");
}

}  // namespace
}  // namespace tq::test
