"""What the ``bench`` and ``demo`` commands and the benchmark suite share; needs NumPy alone.

`layers` lists the shapes, `baselines` computes them in NumPy, `contenders` pairs a shape with a call,
`interleave` times several calls side by side, `machine` measures what the hardware can do, and `results`,
`report` and `plot` show it.
"""
