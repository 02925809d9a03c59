"""Counts an audit log's requests by verb and resource: requests.py N ACCOUNT... <audit.log"""

import collections
import json
import sys

n = int(sys.argv[1])
accounts = tuple(sys.argv[2:])
counts = collections.Counter()
for line in sys.stdin:
    event = json.loads(line)
    reference = event.get("objectRef", {})
    if reference.get("resource") == "leases" or not event["user"]["username"].startswith(accounts):
        continue
    if event["verb"] == "watch" and event["stage"] != "ResponseComplete":
        continue
    what = reference.get("resource", event["requestURI"].split("?")[0])
    if reference.get("subresource"):
        what += "/" + reference["subresource"]
    counts[event["verb"], what] += 1
for (verb, what), count in sorted(counts.items(), key=lambda item: -item[1]):
    print(f"{verb:8} {what:28} {count:6} {count / n:6.2f}")
print(f"{'all':8} {'':28} {sum(counts.values()):6} {sum(counts.values()) / n:6.2f}")
