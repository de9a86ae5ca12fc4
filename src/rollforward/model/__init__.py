"""Models, and ways to merge what several of them predict."""
