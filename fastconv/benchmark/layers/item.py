"""What is timed is float32."""

ITEMSIZE = 4  # bytes
