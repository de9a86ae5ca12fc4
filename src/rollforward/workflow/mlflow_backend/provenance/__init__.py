"""Where a run came from: code, packages, command line, environment. Secrets are masked; nothing here fails."""
