"""The stores: their addresses, the clients that open them, and what may stand in the way."""
