"""`python -m seatrial` is the `seatrial` command."""

from seatrial.cli import main

main()
