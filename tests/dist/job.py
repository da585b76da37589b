"""Runs a program that prints a SPIFFE ID and an access token (or a token alone), beside the
emulator, and asks the API with that token: only what works ends with status 0.

usage: svidex-emulator run -- python3 job.py COMMAND ARGUMENTS…
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import urllib.request

output = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE, text=True).stdout
identity, _, token = output.strip().rpartition(" ")
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/responses",
    json.dumps({"model": "gpt-5-mini", "input": "Who am I?"}).encode(),
    {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
)
context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
direct = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
)
with direct.open(request, timeout=60) as answer:
    said = answer.read().decode()
if identity not in said:
    raise SystemExit(f"the API does not know {identity}: {said}")
print(f"{identity or 'a token'}: answered")
