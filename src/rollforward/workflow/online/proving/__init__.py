"""The parts of the leak proof: predictions made again before a cut, and what the training knew."""
