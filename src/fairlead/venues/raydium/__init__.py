"""Raydium: AMM v4, CPMM and CLMM."""
