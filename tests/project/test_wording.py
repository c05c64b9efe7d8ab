"""Plain English in documents, messages and docstrings: phrases that readers stumbled over."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_PART = (
    r"(sample|shard|epoch|material|network|evaluation|ensemble|comparison|specimen|series|file"
    r"|job|worker|process|core|row|run|plane|stage|section|format|support|side|period|curve|point)"
)
# What is not to be written (line breaks do not matter), what to write instead, and an example.
PHRASES = [
    (
        r"\bh[eo]ld(s|ing)?\b(?! on to\b)[^.;:(]{0,60}? against\b",
        "compare with, or check against",
        "holds the specs in the results against those of the configuration",
    ),
    (
        r"\b(one|two|rows?|files?|entry|digests?|curves?|manifests?|points?|pixels?|images|samples"
        rf"|seconds|core-seconds|writer|task|tasks|process|plane|MB|GB|ms) an? {_PART}\b(?! of\b)",
        "per: one row per sample",
        "one row a sample, with its key",
    ),
    (r"\banew\b", "again, or a new one", "which makes it anew."),
    (r"\bat hand\b", "available, existing", "the stores at hand"),
    (
        r"\b(is|are|was|were|not|be) told\b|\btold (of|from|by)\b|\bcannot be told\b",
        "given, found, known or recorded",
        "the network is told nothing",
    ),
    (r"\btells? of\b|\btells how\b|\bnot tell\b", "says, shows or lists", "what it tells of them"),
]
DOCUMENTS = (
    "*.md docs/*.md config/*.md config/*.yaml profiles/*/*.yaml envs/*.def envs/*.yaml Makefile "
    "Snakefile workflow/rules/*.smk src/exitwave/report/templates/*"
)
CODE = "src/**/*.py benchmarks/*.py"


def words_of_code(source):
    """Comments and texts of Python code, each run of them in one line; f-strings as they are."""
    found, before = [], None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "COMMENT":
            found += ["" if before == kind else "\n", " " + token.string.lstrip("# ")]
        elif kind == "STRING" or kind.startswith("FSTRING"):
            text = re.sub(r"^[rbfRBF]*(\"\"\"|\"|')|(\"\"\"|\"|')$", "", token.string)
            found += ["" if before == "STRING" else "\n", text]
            kind = "STRING"
        elif kind in ("NL", "NEWLINE", "INDENT", "DEDENT"):
            continue
        before = kind
    return " ".join("".join(found).split())


def words_of_document(text):
    """Its text in one line, without the marks of comments."""
    return " ".join(re.sub(r"^\s*#+ ", " ", text, flags=re.MULTILINE).split())


@pytest.fixture(scope="module")
def texts():
    """The words of every document and module, by its path."""
    return {
        path.relative_to(ROOT): read(path.read_text(encoding="utf-8"))
        for patterns, read in ((DOCUMENTS, words_of_document), (CODE, words_of_code))
        for part in patterns.split()
        for path in sorted(ROOT.glob(part))
    }


@pytest.mark.parametrize(("pattern", "instead", "example"), PHRASES)
def test_no_text_uses_phrases_that_readers_stumble_over(pattern, instead, example, texts):
    assert re.search(pattern, example)
    assert not re.search(pattern, instead)
    wrong = [
        f"{path}: “{text[max(0, match.start() - 20) : match.end() + 20]}”"
        for path, text in texts.items()
        for match in re.finditer(pattern, text)
    ]
    assert not wrong, f"instead of these, write {instead}:\n" + "\n".join(wrong)


def test_only_texts_and_comments_of_code_are_read():
    source = 'anew = f"{anew} a " "b"\n# Held\n# against it.\ntold(anew)  # x\n'
    assert words_of_code(source) == "{anew} a b Held against it. x"
