"""What the API server does to an object before it stores it: defaults, admission plugins, validation."""
