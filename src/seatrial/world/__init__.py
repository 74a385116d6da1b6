"""Objects as plain dictionaries, and how they refer to one another.  Imports nothing else of Seatrial."""
