"""The rules of the house as functions: root of a checkout in, findings ``path:line: what is wrong`` out."""
