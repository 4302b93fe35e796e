"""Signs recorded requests again with botocore and says which signatures differ.

Reads one JSON object a line from standard input: service, region, method, url, headers (those that are signed), body
(base64) and authorization. Prints one line for each signature that is another one, then how many were the same.
"""

import base64
import json
import sys

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signature(call, credentials):
    kind = S3SigV4Auth if call["service"] == "s3" else SigV4Auth
    auth = kind(credentials, call["service"], call["region"])
    request = AWSRequest(
        method=call["method"], url=call["url"], data=base64.b64decode(call["body"]), headers=dict(call["headers"])
    )
    request.context["timestamp"] = dict(call["headers"])["x-amz-date"]
    canonical = auth.canonical_request(request)
    text = auth.string_to_sign(request, canonical)
    return auth.signature(text, request), canonical


def main():
    access_key, secret_key, token = sys.argv[1:4]
    credentials = Credentials(access_key, secret_key, token)
    same = 0
    for line in sys.stdin:
        call = json.loads(line)
        expected, canonical = signature(call, credentials)
        if call["authorization"].endswith("Signature=" + expected):
            same += 1
        else:
            print("DIFFERENT", call["method"], call["url"], repr(canonical))
    print(same, "same")


main()
