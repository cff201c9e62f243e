"""The processes that import torch to answer for a program that does not."""
