#!/usr/bin/python3
"""The share of completed functions that parse.

    functions.py --tq build/release/tq [--model FILE] --text pycoder-heldout.txt [--count 50] [--json FILE]

Takes functions spread evenly over a text. The prompt is what stands before a function (at most --before characters, from
a line's start) and its head: decorators, signature, docstring. `tq run` goes on at the given temperature until a line
stands as far left as the function itself. A function counts when it ended within --tokens and ast.parse takes it whole.
"""
import argparse
import ast
import json
import pathlib
import re
import subprocess
import textwrap

HEAD = re.compile(r"^(?P<indent>(?:    )?)def \w+\([^()]*(?:\([^()]*\)[^()]*)*\)(?: *-> *[^:\n]+)?:\n", re.M)
DOCSTRING = re.compile(r'\s*[rRbBuU]?("""|\'\'\')(?:.|\n)*?\1[ ]*\n')


def heads(text):
    """Begin and end of the heads of functions with a body of three lines or more."""
    for match in HEAD.finditer(text):
        end = match.end()
        docstring = DOCSTRING.match(text, end)
        if docstring:
            end = docstring.end()
        if len(body(text[end:end + 4000], len(match["indent"]))[0].strip().split("\n")) >= 3:
            yield match.start(), end, len(match["indent"])


def body(text, indent):
    """The lines before the first that stands at `indent` or left of it, and whether there was one."""
    kept = []
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if bare and len(line) - len(line.lstrip(" ")) <= indent and not bare.startswith(")"):
            # A line without its newline may be cut short, but its indentation is already known.
            return "".join(kept), True
        kept.append(line)
    return "".join(kept), False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tq", type=pathlib.Path, required=True)
    parser.add_argument("--model", help="the built-in one, if absent")
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--before", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--temp", type=float, default=0.2)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()

    text = options.text.read_text(encoding="utf-8")
    found = list(heads(text))
    chosen = [found[i * len(found) // options.count] for i in range(options.count)]
    results = []
    for number, (begin, end, indent) in enumerate(chosen):
        start = text.find("\n", max(0, begin - options.before)) + 1
        command = [options.tq, "run", "-f", "-", "-n", str(options.tokens), "--temp", str(options.temp), "--seed", str(number)]
        command += ["-m", options.model] if options.model else []
        prompt = text[min(start, begin):end]
        said = subprocess.run(command, input=prompt, capture_output=True, text=True, check=True, encoding="utf-8").stdout
        written, ended = body(said.removeprefix(prompt), indent)
        function = textwrap.dedent(text[begin:end] + written)
        try:
            ast.parse(function)
            parses = bool(written.strip())
        except (SyntaxError, ValueError):
            parses = False
        results.append({"function": function, "ended": ended, "parses": parses})
        print(f"{number + 1:3}  {'parses' if parses else 'does not parse'}{'' if ended else ', not ended'}  {text[begin:end].strip().splitlines()[0]}", flush=True)
    both = sum(r["ended"] and r["parses"] for r in results)
    print(f"{both} of {len(results)} ended and parse; {sum(r['parses'] for r in results)} parse, ended or not")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
