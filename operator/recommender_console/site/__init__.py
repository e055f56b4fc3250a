"""The HTTP edge: who asks, what is read and written, and with which headers it is answered."""
