"""rollforward's answers compared with those of pyqlib, which runs in an environment of its own.

``generated`` makes the cases, ``calls`` says what a case does, under the names that ``qlib_side`` and ``our_side``
give it, ``plain`` carries values between the two processes, ``comparison`` compares, and ``differences`` holds every
difference that is there on purpose.
"""
