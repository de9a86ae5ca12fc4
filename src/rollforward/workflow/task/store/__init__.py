"""Where the tasks of a pool are kept: on a MongoDB server, or in one SQLite file."""
