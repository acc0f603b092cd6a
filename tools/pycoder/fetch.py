#!/usr/bin/python3
"""Download Debian packages and keep the Python files whose licence is permissive.

    fetch.py --packages packages.tsv --out DIR [--record packages.tsv]

Each package is unpacked to DIR/PACKAGE; nothing of it is installed or run. The licence comes from the package's
machine-readable copyright file (DEP-5): a package is kept when the stanza `Files: *` is permissive, and in it every file
is dropped that a stanza with another licence may mean. Packages without such a file are kept only if BY_HAND names them.
"""
import argparse
import fnmatch
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

PERMISSIVE = re.compile(
    r"(expat|x11|isc|zlib|ntp|hpnd|unlicen[sc]e|0bsd|public-domain|cc0|bsl-1\.0|boost-1\.0|zope-2\.1|zpl-2\.1|upl-1\.0"
    r"|mit|bsd|apache|asl-2|psf|python)(?![a-z0-9]*gpl)([-/~+.0-9a-z]*)$"
)
# Copyright files without the machine-readable form, read by a person.
BY_HAND = {
    "libpython3.11-stdlib": "PSF-2.0", "libpython3.11-testsuite": "PSF-2.0", "python3-lib2to3": "PSF-2.0",
    "python3-html5lib": "Expat", "python3-jinja2": "BSD-3-clause", "python3-lxml": "BSD-3-clause",
    "python3-mdp": "BSD-3-clause", "python3-netaddr": "BSD-3-clause", "python3-numpy": "BSD-3-clause",
    "python3-pil": "HPND", "python3-pkg-resources": "Expat", "python3-serial": "BSD-3-clause",
    "python3-setuptools": "Expat", "python3-webassets": "BSD-2-clause", "python3-xlwt": "BSD-3-clause",
    "python3-yaml": "Expat",
}


def permissive(expression):
    """Whether a DEP-5 licence expression lets every part be used under a permissive licence."""
    text = expression.lower().strip()
    if not text or "gpl" in text and " or " not in text and "-or-" not in text:
        return False
    either = re.split(r"\s+or\s+|-or-(?!later)", text)
    return any(all(PERMISSIVE.match(part.strip()) for part in re.split(r"\s+and\s+|,\s*|-and-", choice)) for choice in either)


def stanzas(copyright_text):
    """Pairs of file patterns and licence, in order; later stanzas overrule earlier ones."""
    for stanza in re.split(r"\n[ \t]*\n", copyright_text):
        files = re.search(r"^Files:(.*?)(?=^\S|\Z)", stanza + "\n", re.M | re.S | re.I)
        licence = re.search(r"^License:[ \t]*(.*)", stanza, re.M | re.I)
        if files and licence:
            yield files.group(1).replace(",", " ").split(), licence.group(1).strip()


def may_mean(pattern, path):
    """Whether a pattern of the source tree can mean an installed path: any tail of the pattern may match any tail of it."""
    parts = [part for part in pattern.removeprefix("./").split("/") if part]
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        if tail == "*":
            continue
        if fnmatch.fnmatch(path, f"*/{tail}") or fnmatch.fnmatch(path, f"*/{tail}/*"):
            return True
    return False


def verdict(package, folder):
    """The licence under which a package is used, and the patterns of files that are not; None refuses the package."""
    if package in BY_HAND:
        return BY_HAND[package], []
    found = [path for path in folder.glob("usr/share/doc/*/copyright") if path.is_file()]
    if not found:
        return None, []
    listed = list(stanzas(found[0].read_text(encoding="utf-8", errors="replace")))
    whole = [licence for patterns, licence in listed if "*" in patterns]
    if not whole or not permissive(whole[0]):
        return None, []
    others = [p for patterns, licence in listed if not permissive(licence) for p in patterns if not p.startswith("debian/")]
    return whole[0], others


def fetch(package, out):
    """Download and unpack one package unless it is there; the version, or None where the mirror has none."""
    folder = out / package
    mark = folder / ".version"
    if mark.exists():
        return mark.read_text().strip()
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=False, stderr=subprocess.DEVNULL)
    archive = next(folder.glob("*.deb"), None)
    if archive is None:
        return None
    version = subprocess.run(["dpkg-deb", "-f", archive, "Version"], capture_output=True, text=True, check=True).stdout.strip()
    tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE)
    # tar ends with 2 where a package has no Python file at all.
    subprocess.run(["tar", "-x", "-C", folder, "--wildcards", "*.py", "*/copyright"], stdin=tar.stdout, stderr=subprocess.DEVNULL, check=False)
    tar.wait()
    archive.unlink()
    mark.write_text(version)
    return version


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=pathlib.Path, required=True, help="table whose first column is the name")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--record", type=pathlib.Path, help="write package, version, licence and what is kept of it")
    options = parser.parse_args()

    lines = options.packages.read_text().splitlines()
    names = sorted({line.split()[0] for line in lines if line.strip()} - {"package"})
    with ThreadPoolExecutor(3) as pool:
        versions = dict(zip(names, pool.map(lambda name: fetch(name, options.out), names)))
    rows = []
    for name in names:
        folder = options.out / name
        licence, others = verdict(name, folder) if versions[name] else (None, [])
        files = []
        if licence:
            for path in sorted(folder.rglob("*.py")):
                relative = path.relative_to(folder).as_posix()
                if not path.is_symlink() and not any(may_mean(pattern, relative) for pattern in others):
                    files.append(relative)
        if not files:
            continue
        (folder / ".files").write_text("\n".join(files) + "\n")
        size = sum((folder / file).stat().st_size for file in files)
        rows.append((name, versions[name], licence, len(files), size))
    print(f"{len(rows)} of {len(names)} packages kept, {sum(row[4] for row in rows) / 1e6:.0f} MB of Python", file=sys.stderr)
    if options.record:
        lines = ["package\tversion\tlicence\tfiles\tbytes"] + ["\t".join(map(str, row)) for row in rows]
        options.record.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
