"""A decision as JUnit XML, which CI systems show as tests."""

import re
import xml.etree.ElementTree as ET

from .gate import FAIL, PASS, Decision, needed

SUITE_MARK = '<testsuite name="leakbench gate: '
CONTROL = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # characters that XML does not allow


def junit(decision: Decision) -> bytes:
    """One test case for each check; one that is undecided is an error, one that fails a failure."""
    failed = [check for check in decision.checks if check.status == FAIL]
    undecided = [check for check in decision.checks if check.status not in (PASS, FAIL)]
    counts = {
        "tests": str(len(decision.checks)),
        "failures": str(len(failed)),
        "errors": str(len(undecided)),
    }
    suite = ET.Element("testsuite", {"name": _text(f"leakbench gate: {decision.title}"), **counts})
    for check in decision.checks:
        case = ET.SubElement(suite, "testcase", classname="leakbench.gate", name=_text(check.subject))
        if check.status != PASS:
            kind = "failure" if check.status == FAIL else "error"
            message = f"must be {check.required}, got {check.found}{needed(check)}"
            ET.SubElement(case, kind, type=check.status, message=_text(message))
    content: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return content


def _text(text: str) -> str:
    return CONTROL.sub("?", text)
