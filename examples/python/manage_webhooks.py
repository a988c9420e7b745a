"""Registers, lists and removes webhooks.

Usage: manage_webhooks.py list
       manage_webhooks.py add ID URL [HEADER=VALUE ...]
       manage_webhooks.py remove ID
Reads PICO_API_ENDPOINT and PICO_API_TOKEN.
"""

import sys
from typing import List

from pico_erp import Client, Error

# The type picks the stream, the fields are what Pico posts.
FRAGMENT = """
fragment Completion on OperationOrderComplete {
  externalOrderId
  operation { id externalId externalRevision name }
  orderIndex
  at
  operationSummary { startedAt consumedSerials { id externalId value } }
  endState { producedSerial }
}
"""


def run(arguments: List[str]) -> int:
    with Client() as client:
        if arguments == ["list"]:
            for webhook in client.webhooks():
                print(f"{webhook.subscription_id}\t{webhook.webhook_url}\t{webhook.last_event_at or 'never'}")
            return 0
        if len(arguments) >= 3 and arguments[0] == "add":
            headers = dict(argument.split("=", 1) for argument in arguments[3:])
            webhook = client.webhook_subscribe(arguments[1], FRAGMENT, arguments[2], headers)
            print(f"added {webhook.subscription_id}")
            return 0
        if len(arguments) == 2 and arguments[0] == "remove":
            removed = client.webhook_unsubscribe(arguments[1])
            print(f"removed {arguments[1]}" if removed.success else f"there is no {arguments[1]}")
            return 0 if removed.success else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1:]))
    except Error as error:
        print(f"manage_webhooks: {error}", file=sys.stderr)
        sys.exit(1)
