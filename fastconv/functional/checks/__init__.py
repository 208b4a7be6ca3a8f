"""Every check of the functional layer: numbers and names, arrays, and the sizes that follow from them."""
