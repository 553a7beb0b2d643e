"""What the document cannot say: which keys the run itself hangs on, and that ends of things lie in the future. And a count of the requests
by which the run looks for what one project can see of the other: the tool does not say whether it sent any."""

import atexit
import os

import schemathesis
from schemathesis.specs.openapi import object_authorization

OWN = set(os.environ.get("OWN_KEYS", "").split())
PROBED = []


def counted(probe):
    def counting(read, peer, *rest):
        # The tool asks for each operation and peer once; what it has claimed already is not sent again.
        known = len(read.provider._probed)
        try:
            return probe(read, peer, *rest)
        finally:
            if len(read.provider._probed) > known:
                PROBED.append(f"{read.case.operation.label} as {peer}")

    return counting


object_authorization._probe = counted(object_authorization._probe)


@atexit.register
def told():
    with open(os.environ["PROBED"], "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in sorted(set(PROBED)))


@schemathesis.hook
def filter_case(context, case):
    # An access hook that nobody answers would refuse the run's own messages.
    hook = case.body.get("hook") if isinstance(case.body, dict) else None
    if isinstance(hook, dict) and "publish" in str(hook.get("questions")):
        return False
    # Revoking or rotating the key that the run itself uses would end the run, not test anything.
    return (case.path_parameters or {}).get("key") not in OWN


@schemathesis.hook
def before_call(context, case, kwargs):
    # A document can ask for a time, not for one in the future.
    later(case.body)


def later(value):
    if isinstance(value, dict):
        for name, one in value.items():
            if name in ("expires_at",) and isinstance(one, str) and one[:4].isdigit() and one[4:5] == "-":
                value[name] = "2199" + one[4:]
            elif name in ("not_before",) and isinstance(one, str) and one[:4].isdigit() and one[4:5] == "-":
                value[name] = "2001" + one[4:]
            else:
                later(one)
    elif isinstance(value, list):
        for one in value:
            later(one)
