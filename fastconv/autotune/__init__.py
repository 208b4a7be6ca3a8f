"""Choices that were measured: a table of them, and the race that makes one."""
