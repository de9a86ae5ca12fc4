"""Other programs' objects in our tasks: each adapter imports its program only when that is asked for."""
