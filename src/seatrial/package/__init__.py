"""Objects as files that other tools understand. Each packager is a module; `files.write` writes what any of them returns."""
