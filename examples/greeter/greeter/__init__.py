"""A service that greets: slow to get ready, fails now and then, and is measured whatever happens."""
