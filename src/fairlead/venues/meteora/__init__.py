"""Meteora: DAMM v1, DAMM v2 and DLMM."""
