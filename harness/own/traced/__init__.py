"""Arrays that remember, what of NumPy they know, and the program that they make."""
