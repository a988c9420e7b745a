"""Lists what can be built: id, part number, revision and name, one operation a line.

Usage: list_operations.py [part number]
Reads PICO_API_ENDPOINT and PICO_API_TOKEN.
"""

import sys

from pico_erp import Client, Error


def main() -> int:
    part_number = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        with Client() as client:
            for operation in client.operations(external_id=part_number):
                fields = (operation.id, operation.external_id, operation.external_revision, operation.name)
                print("\t".join(field or "-" for field in fields))
    except Error as error:
        print(f"list_operations: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
