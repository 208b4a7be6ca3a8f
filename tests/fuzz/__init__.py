"""Random calls of every function: valid ones, and what makes them bad."""
