"""Code and pages use the field's terms: no word of the left column of the glossary, in names and in prose.

A name is read as words: `SavedAnswers` and `saved_answers` both hold the word "answers".
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
THING = (
    "attack|case|class|column|defence|entry|file|group|layer|line|mark|metric|model|network|number|page|record"
    "|row|slice|study|table|target|victim"
)
GLOSSARY = {  # what not to write, as an expression over words in lower case: what to write
    r"answer\w*": "outputs, predictions, logits, probabilities",
    r"cards?|processors?": "GPU, CPU",
    r"at stake": "candidate records",
    r"ask(s|ed|ing)?": "query, queried; a user requests",
    r"reads? (about )?(0?\.\d+|(as|at) chance)": "has AUC 0.6; is at chance level",
    r"foretells?|foretold|foretelling": "predicts, predicted",
    r"output maps?|(may|can) be mapped": "output transform",
    r"who (knows?|ignores?)|(knows|knowing|ignores|ignoring) (the|a|his|this|no) defence": "(non-)adaptive attacker",
    r"committees?": "ensemble",
    r"helpers?": "worker",
    r"owners?": "defender",
    r"tail absence": "true-negative rate at 1 % FNR",
    r"stop at": "fewer epochs",
    r"giv(e|es|en|ing) away|gave away": "leaks",
    r"t(old|ell|ells|elling) apart": "is not significantly different from",
    rf"(an?|one) ({THING}) an? ({THING})": "a study per row",
    r"to the last bit": "bit for bit",
    r"by hand": "manually",
    r"as many as pay|(that|which|it) pays?": "the fastest measured number of",
    r"dear(er|est)?": "expensive, the most expensive",
    r"found about": "measured for",
}
PATTERN = re.compile(
    "|".join(rf"\b(?:{pattern})\b" for pattern in GLOSSARY).replace(" ", r"(?: +|[ \t]*\n[ \t#/*]*(?=\S))")
)
ALLOWED = {  # file, word: why it is right there
    ("src/leakbench/core/provenance.py", "processor"): "the name of Python's function",
    ("src/leakbench/pipeline/query.py", "owner"): "part of a seed: another word changes the random outputs",
}
HELD = ("src", "docs", "studies", "examples", "benchmarks", "README.md", "CONTRIBUTING.md")
SUFFIXES = {".py", ".md", ".toml", ".html", ".js", ".css"}


def words(text: str) -> str:
    """The text in lower case, its names split into words; line breaks stay where they are."""
    return re.sub(r"_|(?<=[a-z\d])(?=[A-Z])", " ", text).lower()


def banned(text: str) -> Iterator[tuple[int, str]]:
    """The line and the word of everything that the glossary replaces."""
    plain = words(text)
    for match in PATTERN.finditer(plain):
        yield plain.count("\n", 0, match.start()) + 1, " ".join(re.split(r"[\s#/*]+", match[0]))


def files() -> list[Path]:
    paths = [path for place in HELD for path in ([ROOT / place, *(ROOT / place).rglob("*")])]
    return sorted(path for path in paths if path.suffix in SUFFIXES and path.is_file())


def test_the_fields_terms_are_used() -> None:
    found = [
        (str(path.relative_to(ROOT)), *hit) for path in files() for hit in banned(path.read_text("utf-8"))
    ]
    wrong = [f"{file}:{line}: {word}" for file, line, word in found if (file, word) not in ALLOWED]
    assert not wrong, "\n".join(wrong)
    unused = ALLOWED.keys() - {(file, word) for file, _, word in found}
    assert not unused, f"exceptions that nothing needs: {unused}"


@pytest.mark.parametrize(
    "text",
    [
        "class SavedAnswers:",
        "stop_at=3",
        "x = ask()",
        "# up to the\n# last bit, to the\n# last bit",
        "it reads .6",
        "A row a defence",
        "who knows it",
    ],
)
def test_a_planted_word_is_found(text: str) -> None:
    assert list(banned(text))
