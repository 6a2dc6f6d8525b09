#!/usr/bin/env python3
"""Builds the documentation site from the repository's Markdown pages, and checks every link and anchor in it.

    tools/site/build.py               target/site/html
    tools/site/build.py --self-test   check the checks: each must report a planted error

The pages keep their paths, so links between them stay. Links to other files of the repository lead to GITHUB_REPOSITORY at
GITHUB_REF_NAME, which GitHub's workflows set.
"""

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
SUMMARY = "docs/SUMMARY.md"
# GitHub shows these where they are needed.
ELSEWHERE = (".github/", SUMMARY)
IMAGES = {".svg", ".png"}
# A fenced block, a code span, or the target of a link or an image.
PARTS = re.compile(
    r"(?P<fence>^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$)"
    r"|(?P<code>(?P<ticks>`+)[^`](?:(?!\n\n).)*?(?P=ticks))"
    r"|(?P<before>\]\(|\b(?:href|src)=\")(?P<target>[^)\s\"]+)(?=[)\"])",
    re.MULTILINE | re.DOTALL,
)
# The definition of a link from the README to another page of the repository on GitHub, such as its releases.
OUTSIDE = re.compile(r"^(\[[^\]\n]+\]: )\.\./\.\./", re.MULTILINE)


class Site:
    """One build: the repository's files, the staged copies of its pages, and the problems that were found."""

    def __init__(self, root, files, target):
        self.root, self.files, self.target = root, set(files), target
        self.staged, self.built = target / "staged", target / "html"
        self.problems = []
        repository = os.environ.get("GITHUB_REPOSITORY", "OWNER/codepipeline-gateway")
        self.repository = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
        self.ref = os.environ.get("GITHUB_REF_NAME", "main")
        self.pages = [resolve(SUMMARY, link) for link in re.findall(r"\]\(([^)]+)\)", self.read(SUMMARY))]

    def read(self, file):
        return (self.root / file).read_text(encoding="utf-8")

    # ---- staging ------------------------------------------------------------------------------------------------

    def stage(self):
        shutil.rmtree(self.target, ignore_errors=True)
        missing = {file for file in self.files if file.endswith(".md") and not file.startswith(ELSEWHERE)} - set(self.pages)
        self.problems += [f"{file}:1: {SUMMARY} doesn't contain this page" for file in sorted(missing)]
        for page in self.pages:
            if page in self.files:
                text = PARTS.sub(lambda part: self.part(page, part), self.read(page))
                self.put(page, OUTSIDE.sub(rf"\g<1>{self.repository}/", text))
            else:
                self.problems.append(f"{SUMMARY}:1: no file {page}")
        self.put("SUMMARY.md", re.sub(r"(?<=\]\()[^)]+", lambda link: resolve(SUMMARY, link[0]), self.read(SUMMARY)))
        self.put("../book.toml", self.read("docs/book.toml"))
        self.put("../theme/favicon.svg", self.read("docs/icon.svg"))
        for name in ("site.css", "diagrams.js"):
            shutil.copy(ROOT / "tools/site" / name, self.staged)
        shutil.copy(ROOT / ".tools/mermaid/node_modules/mermaid/dist/mermaid.min.js", self.staged / "pages")

    def put(self, file, text):
        path = self.staged / "pages" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def part(self, page, part):
        """A part of a page as the site needs it."""
        if part["fence"] and part["info"].strip() == "mermaid":
            return f'{part["indent"]}<pre class="mermaid">{html.escape(part["text"])}</pre>'
        if not part["target"] or re.match(r"[a-z]+:|#", part["target"]):
            return part[0]
        path, mark, anchor = part["target"].partition("#")
        file = resolve(page, path)
        if f"{file}/README.md" in self.pages:
            file += "/README.md"
        if file in self.pages:
            # So mdBook names the page of a directory, but not a link to it.
            file = re.sub(r"README\.md$", "index.md", file)
            return part["before"] + os.path.relpath(file, PurePosixPath(page).parent) + mark + anchor
        if file in self.files and PurePosixPath(file).suffix in IMAGES:
            self.put(file, "")
            shutil.copy(self.root / file, self.staged / "pages" / file)
            return part[0]
        if file in self.files or any(other.startswith(f"{file}/") for other in self.files):
            kind = "blob" if file in self.files else "tree"
            return f"{part['before']}{self.repository}/{kind}/{self.ref}/{file}{mark}{anchor}"
        line = self.read(page).count("\n", 0, part.start()) + 1
        self.problems.append(f"{page}:{line}: no file {file}")
        return part[0]

    # ---- the built site -----------------------------------------------------------------------------------------

    def build(self):
        settings = {
            "MDBOOK_OUTPUT__HTML__GIT_REPOSITORY_URL": self.repository,
            "MDBOOK_OUTPUT__HTML__EDIT_URL_TEMPLATE": f"{self.repository}/edit/main/{{path}}",
            "MDBOOK_OUTPUT__HTML__SITE_URL": f"/{self.repository.rpartition('/')[2]}/",
        }
        done = subprocess.run(
            [ROOT / ".tools/bin/mdbook", "build", self.staged], env=os.environ | settings, stderr=subprocess.PIPE, text=True
        )
        if done.returncode or re.search(r"^ *(WARN|ERROR)", done.stderr, re.MULTILINE):
            self.problems.append(done.stderr.strip())

    def check_links(self):
        # 404.html is shown at any address, and toc.html is part of other pages.
        documents = {path: Document(path) for path in self.built.rglob("*.html") if path.name not in ("404.html", "toc.html")}
        for path, document in documents.items():
            for line, link in document.links:
                target, _, anchor = unquote(link).partition("#")
                other = Path(os.path.normpath(path.parent / target)) if target else path
                where = f"{path.relative_to(self.built)}:{line}"
                if not other.is_file():
                    self.problems.append(f"{where}: no file {link}")
                elif anchor and other in documents and anchor not in documents[other].anchors:
                    self.problems.append(f"{where}: no anchor {link}")
        return documents


class Document(HTMLParser):
    """The anchors of an HTML file, and its links to other files of the site."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.anchors.add(value)
            elif name in ("href", "src") and not re.match(r"[a-z]+:|//", value):
                self.links.append((self.getpos()[0], value))


def resolve(page, link):
    return os.path.normpath(PurePosixPath(page).parent / link)


def make(root, files, target):
    """Builds the site and returns its HTML files and the problems."""
    site = Site(root, files, target)
    site.stage()
    if not site.problems:
        site.build()
    documents = {} if site.problems else site.check_links()
    return documents, site.problems


# ---- self-test --------------------------------------------------------------------------------------------------------

GOOD = {
    SUMMARY: "# Summary\n\n[Home](../README.md)\n\n- [A](a.md)\n- [B](../b/README.md)\n",
    "README.md": "# Home\n\n[a](docs/a.md#a-heading), [b](b), [code](src/main.rs), [a folder](src), ![icon](docs/icon.svg)\n",
    "docs/a.md": "# A\n\n## A `heading`\n\n[home](../README.md#home) [b](../b/README.md) `[no link](none)`\n\n```\n[no link](none)\n```\n",
    "b/README.md": "# B\n\n[itself](#b)\n\n```mermaid\nflowchart LR\n    a --> b\n```\n",
    "src/main.rs": "",
    "docs/icon.svg": "<svg/>",
    "docs/book.toml": (ROOT / "docs/book.toml").read_text(encoding="utf-8"),
}
PLANTED = {
    "a link to no file": ("docs/a.md", "[none](none.md)", "docs/a.md:11: no file docs/none.md"),
    "a link to no image": ("docs/a.md", "![none](none.svg)", "docs/a.md:11: no file docs/none.svg"),
    "HTML with an image of no file": ("docs/a.md", '<img src="none.svg">', "docs/a.md:11: no file docs/none.svg"),
    "a link to no anchor": ("docs/a.md", "[none](../b/README.md#none)", "no anchor ../b/index.html#none"),
    "a link to no anchor of its page": ("b/README.md", "[none](#none)", "no anchor #none"),
    "a link by reference": ("docs/a.md", "[none]\n\n[none]: none.md", "no file none.html"),
    "a page that the summary omits": ("docs/new.md", "# New", "docs/new.md:1: docs/SUMMARY.md doesn't contain this page"),
    "a page that isn't there": (SUMMARY, "- [None](none.md)", "docs/SUMMARY.md:1: no file docs/none.md"),
}


def self_test():
    wrong = []
    for what, (file, text, expected) in {"nothing": ("src/main.rs", "", None), **PLANTED}.items():
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            tree = {**GOOD, file: f"{GOOD.get(file, '')}\n{text}\n"}
            for name, content in tree.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content, encoding="utf-8")
            documents, problems = make(root, tree, root / "target")
            fine = expected in problems[0] if problems and expected else not problems and not expected
            if not fine or len(problems) > 1 or (not expected and len(documents) < 3):
                wrong.append(f"not ok: {what} was reported as {problems}")
    print("\n".join([*wrong, f"{len(PLANTED) + 1 - len(wrong)} passed, {len(wrong)} failed"]))
    return 1 if wrong else 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    files = [file for file in listed.stdout.splitlines() if (ROOT / file).is_file()]
    documents, problems = make(ROOT, files, ROOT / "target/site")
    print("\n".join(problems or [f"{len(documents)} pages with {sum(len(d.links) for d in documents.values())} links are in target/site/html"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
