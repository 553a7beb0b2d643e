"""What the Autobahn suite is asked to run, and the judgement of its report. Not the suite: that is installed by run.sh."""

import json
import sys

# 12.* and 13.* test compression, which is not offered.
CASES_EXPECTED = 301


def spec(address, reports):
    return {
        "outdir": reports,
        "servers": [{"agent": "tollgate", "url": "ws://%s/echo" % address}],
        "cases": ["*"],
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    }


def judge(index):
    """Prints what failed and the totals; true when everything is strictly in order."""
    cases = index["tollgate"]
    failed = [
        (name, case["behavior"], case["behaviorClose"])
        for name, case in cases.items()
        if case["behavior"] not in ("OK", "INFORMATIONAL") or case["behaviorClose"] not in ("OK", "INFORMATIONAL")
    ]
    for name, behavior, close in sorted(failed, key=lambda one: [int(part) for part in one[0].split(".")]):
        print("case %s: %s, close %s" % (name, behavior, close))
    informational = sum(case["behavior"] == "INFORMATIONAL" for case in cases.values())
    print("of these informational: %d; slowest case: %d ms" % (informational, max(case["duration"] for case in cases.values())))
    if len(cases) != CASES_EXPECTED:
        print("%d cases ran instead of %d" % (len(cases), CASES_EXPECTED))
    print("autobahn: %d passed, %d failed" % (len(cases) - len(failed), len(failed)))
    return not failed and len(cases) == CASES_EXPECTED


if __name__ == "__main__":
    if sys.argv[1] == "spec":
        json.dump(spec(sys.argv[2], sys.argv[3]), sys.stdout)
    else:
        with open(sys.argv[2]) as report:
            sys.exit(0 if judge(json.load(report)) else 1)
